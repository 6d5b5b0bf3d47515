//! Virtual time: what happens next, and to whom.

use std::collections::BTreeMap;

use operator_core::{
    Change, Fact, Order, Outcome, Settings, Target, Time,
    order::{Action, Event as Told},
};
use vpc::{Delays, Vpc};

use super::{agent::Agents, api_server::Store, ec2::Script, processes::Process};

/// How often the leader renews its term.
const RENEWAL: i64 = 2_000;
/// Calls of `next` at one instant that give nothing: more is a loop that never rests.
const SPINS: u32 = 2_000;

pub struct World {
    pub now: Time,
    pub vpc: Vpc,
    pub store: Store,
    pub agents: Agents,
    pub ops: Vec<Process>,
    pub script: Script,
    pub log: Log,
    /// What its pods and nodes are like.
    pub shape: Shape,
    /// Which process renews its term.
    pub leader: Option<usize>,
    /// Until when two processes led at once, the last time.
    pub overlap: Time,
    /// The latest end of a term that was given to anybody, and from when on the present leader may lead.
    pub term_ends: Time,
    pub leads_from: Time,
    queue: BTreeMap<(Time, u64), Event>,
    count: u64,
    dice: u64,
}

#[derive(Debug, Clone)]
pub enum Event {
    /// A process learns something.
    Fact(usize, u64, Box<Fact>),
    /// A process begins to carry out an order.
    Begin(usize, u64, Box<Order>),
    /// What was begun takes effect; a crash does not call it back.
    Land(usize, u64, Box<Order>, super::ec2::Verdict),
    /// The agents look around.
    Agents,
    /// The leader renews its term.
    Renew,
    /// The leader's first term begins.
    Elected,
}

/// What was done.
#[derive(Default)]
pub struct Log {
    pub writes: Vec<(Time, &'static str, String)>,
    pub mutations: Vec<(Time, Action, String)>,
    pub reads: Vec<(Time, Action)>,
    pub events: Vec<(Time, Told)>,
    pub orders: u64,
    /// Changes by each process.
    pub by: BTreeMap<usize, usize>,
}

/// What pods ask for, and how many of them a node holds.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Instance type of the nodes.
    pub nodes: &'static str,
    /// How many ENIs of ours one of them holds.
    pub room: usize,
    /// The interfaces that a pod asks for by name; none: one without a name.
    pub interfaces: &'static [&'static str],
}

impl Shape {
    /// How many ENIs a pod gets.
    pub fn enis(&self) -> usize {
        self.interfaces.len().max(1)
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            nodes: "m5.large",
            room: 2,
            interfaces: &[],
        }
    }
}

impl World {
    /// Two small nodes in one zone (two ENIs of ours each), one leader.
    pub fn new() -> Self {
        Self::with(Settings {
            cluster_id: Some("c1".into()),
            ..Settings::default()
        })
    }

    pub fn with(settings: Settings) -> Self {
        Self::of(Shape::default(), settings)
    }

    pub fn of(shape: Shape, settings: Settings) -> Self {
        let mut world = Self {
            now: Time(1_800_000_000_000),
            vpc: Vpc::new(Delays::default()),
            store: Store::new(),
            agents: Agents::default(),
            ops: Vec::new(),
            script: Script::default(),
            log: Log::default(),
            shape,
            leader: None,
            overlap: Time(0),
            term_ends: Time(0),
            leads_from: Time(0),
            queue: BTreeMap::new(),
            count: 0,
            dice: 1,
        };
        for name in ["n1", "n2"] {
            world.add_node(name, shape.nodes);
        }
        world.start(settings);
        world.leader = Some(0);
        world.at(0, Event::Renew);
        world
    }

    pub fn millis(&self) -> u64 {
        u64::try_from(self.now.0).unwrap()
    }

    pub fn seed(&mut self, seed: u64) {
        self.dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }

    pub fn dice(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        percent > 0 && self.dice(100) < percent
    }

    pub fn at(&mut self, millis: i64, event: Event) {
        self.at_time(self.now.after(millis), event);
    }

    pub fn at_time(&mut self, time: Time, event: Event) {
        self.count += 1;
        self.queue.insert((time, self.count), event);
    }

    /// A watch shows a change to every process.
    pub fn show(&mut self, fact: &Fact) {
        for op in 0..self.ops.len() {
            if self.ops[op].alive {
                self.show_to(op, fact.clone());
            }
        }
        self.stir();
    }

    pub fn show_to(&mut self, op: usize, fact: Fact) {
        let lag = self.script.lag;
        let lag = if lag > 10 {
            10 + i64::try_from(self.dice(u64::try_from(lag).unwrap())).unwrap()
        } else {
            lag
        };
        let when = self.now.after(lag).max(self.ops[op].shown);
        self.ops[op].shown = when;
        let life = self.ops[op].life;
        self.at_time(when, Event::Fact(op, life, Box::new(fact)));
    }

    /// Something changed: the agents will look around.
    pub fn stir(&mut self) {
        if !self.agents.looking {
            self.agents.looking = true;
            let delay = self.agents.delay;
            self.at(delay, Event::Agents);
        }
    }

    /// The next instant at which anything happens.
    fn next_time(&self) -> Option<Time> {
        let queued = self.queue.keys().next().map(|(time, _)| *time);
        let cloud = self
            .vpc
            .pending()
            .first()
            .map(|t| Time(i64::try_from(t.due_ms).unwrap()));
        let wakes = self
            .ops
            .iter()
            .filter(|p| p.alive && !p.paused)
            .filter_map(|p| p.wake);
        queued.into_iter().chain(cloud).chain(wakes).min()
    }

    fn step(&mut self, time: Time) {
        self.now = self.now.max(time);
        if !self.vpc.advance(self.millis()).is_empty() {
            self.stir();
        }
        let due = self.queue.keys().next().filter(|(at, _)| *at <= self.now);
        if let Some(event) = due.copied().and_then(|key| self.queue.remove(&key)) {
            self.happen(event);
            return;
        }
        for op in 0..self.ops.len() {
            if self.ops[op].wake.is_some_and(|wake| wake <= self.now) {
                self.think(op);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Fact(op, life, fact) => {
                if self.ops[op].life != life {
                    return;
                }
                if self.ops[op].paused {
                    return self.ops[op].held.push_back(Event::Fact(op, life, fact));
                }
                if let Fact::Done(target, _) = &*fact {
                    self.ops[op].busy.retain(|busy| busy != target);
                }
                let now = self.now;
                self.ops[op].fleet.learn(*fact, now);
                self.think(op);
            }
            Event::Begin(op, life, order) => {
                if self.ops[op].life != life {
                    return;
                }
                if self.ops[op].paused {
                    return self.ops[op].held.push_back(Event::Begin(op, life, order));
                }
                self.begin(op, *order);
            }
            Event::Land(op, life, order, verdict) => self.land(op, life, *order, &verdict),
            Event::Agents => {
                self.agents.looking = false;
                self.look();
            }
            Event::Elected => self.renew(),
            Event::Renew => {
                self.renew();
                self.at(RENEWAL, Event::Renew);
            }
        }
    }

    pub fn think(&mut self, op: usize) {
        let mut spins = 0;
        loop {
            let process = &mut self.ops[op];
            if !process.alive || process.paused {
                process.wake = None;
                return;
            }
            let orders = process.fleet.next(self.now);
            process.wake = process.fleet.wake(self.now);
            let rests = process.wake.is_none_or(|wake| wake > self.now);
            if orders.is_empty() {
                if rests {
                    return;
                }
                spins += 1;
                assert!(spins < SPINS, "the fleet never rests: {:?}", process.wake);
            }
            for order in orders {
                self.give(op, order);
            }
        }
    }

    fn give(&mut self, op: usize, order: Order) {
        self.log.orders += 1;
        if let Order::Publish(event) = order {
            self.log.events.push((self.now, event));
            return;
        }
        let target = target(&order);
        let process = &mut self.ops[op];
        assert!(
            !process.busy.contains(&target),
            "two orders for {target:?}: {order:?}"
        );
        process.busy.push(target);
        let life = process.life;
        self.at(0, Event::Begin(op, life, Box::new(order)));
    }

    /// Tells a process what became of its order.
    pub fn done(&mut self, op: usize, life: u64, target: Target, outcome: Outcome, delay: i64) {
        let fact = Fact::Done(target, outcome);
        self.at(delay, Event::Fact(op, life, Box::new(fact)));
    }

    /// The API server ends, and with it what it was about to answer.
    pub fn cut_off(&mut self) {
        let held = self.ops.iter_mut().flat_map(|op| &mut op.held);
        for event in self.queue.values_mut().chain(held) {
            if let Event::Fact(_, _, fact) = event
                && let Fact::Done(_, outcome) = &mut **fact
                && is_of_api_server(outcome)
            {
                *outcome = Outcome::NotWritten;
            }
        }
    }

    /// Lets so much time pass.
    pub fn run(&mut self, millis: i64) {
        let until = self.now.after(millis);
        while let Some(time) = self.next_time().filter(|time| *time <= until) {
            self.step(time);
        }
        self.now = until;
    }

    /// Lets time pass until it is so; fails after `millis`.
    pub fn until(&mut self, millis: i64, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = self.now.after(millis);
        while !is_so(self) {
            let time = self.next_time().filter(|time| *time <= until);
            let Some(time) = time else {
                panic!("{what}: not so after {millis} ms\n{}", self.picture());
            };
            self.step(time);
        }
    }
}

/// Whether it has a version of an object.
fn is_of_api_server(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Claim(_)
            | Outcome::Found(_)
            | Outcome::Report(_)
            | Outcome::Node(_)
            | Outcome::Class(_)
    )
}

/// What an order is about.
pub fn target(order: &Order) -> Target {
    match order {
        Order::Ec2(order) => order.target.clone(),
        Order::Write(write) => write.object.target(),
        Order::Read(read) => read.target(),
        Order::Publish(_) => panic!("an Event has no target"),
    }
}

/// One object as a watch shows it.
pub fn set<K, T>(object: &T) -> Change<K, T>
where
    T: Clone,
{
    Change::Set(Box::new(object.clone()))
}
