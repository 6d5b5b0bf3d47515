//! A cluster around the fleet in virtual time: an API server that takes every write, agents that plug, and EC2.

pub mod agents;
pub mod cloud;
pub mod kubernetes;
pub mod makers;
pub mod region;

use std::collections::BTreeMap;

use api::Time;
use operator_core::{
    Fact, Fleet, Order, Outcome, Read, Settings, Target, Term,
    cluster::{Key, Pod},
    fact::Change,
    order::Object,
};

use self::{cloud::Cloud, kubernetes::Kubernetes};
use crate::clock;

/// How long the API server takes for a write, in milliseconds.
const WRITE: i64 = 5;
/// When the watch shows it.
const WATCH: i64 = 8;
/// How long EC2 takes for a call.
const CALL: i64 = 50;
/// How long the kernel and the agent take to plug or give back a device.
const AGENT: i64 = 200;
/// How long containers take to end.
const END: i64 = 1_000;
/// A run that lasts longer in virtual time has gone wrong.
const TOO_LONG: i64 = 4 * 3_600 * 1_000;

/// Everything.
pub struct World<C> {
    /// The operator.
    pub fleet: Fleet,
    /// The present.
    pub now: Time,
    /// EC2.
    pub cloud: C,
    /// The API server.
    pub kubernetes: Kubernetes,
    /// What was done.
    pub counts: Counts,
    /// Seconds of each `learn` and `next`, with the fact's name.
    pub samples: Vec<(&'static str, f64)>,
    events: BTreeMap<(Time, u64), Happening>,
    number: u64,
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Writes of the operator to Kubernetes by kind, Events included.
    pub writes: BTreeMap<&'static str, u32>,
    /// Writes of agents.
    pub agents: u32,
    /// Calls of EC2 by action.
    pub calls: BTreeMap<&'static str, u32>,
    /// Calls that EC2 refused.
    pub refused: u32,
    /// Reasons of Events, and of them the writes.
    pub events: Vec<&'static str>,
}

/// What happens at its time.
enum Happening {
    Learn(Fact),
    Carry(Order),
    Agent(Key),
}

impl<C: Cloud> World<C> {
    /// A cluster whose operator has not begun.
    pub fn new(kubernetes: Kubernetes, cloud: C, now: Time) -> Self {
        Self {
            fleet: Fleet::new(Settings::default()),
            now,
            cloud,
            kubernetes,
            counts: Counts::default(),
            samples: Vec::new(),
            events: BTreeMap::new(),
            number: 0,
        }
    }

    /// The operator starts as the leader: it lists everything.
    pub fn start(&mut self) {
        self.fleet = Fleet::new(Settings::default());
        self.events
            .retain(|_, event| matches!(event, Happening::Agent(_)));
        let until = Time(i64::MAX);
        self.after(0, Happening::Learn(Fact::Term(Term::Leader { until })));
        for fact in self.kubernetes.lists() {
            self.after(0, Happening::Learn(fact));
        }
    }

    /// A pod appears, or changes.
    pub fn put_pod(&mut self, pod: Pod) {
        self.kubernetes.pods.insert(pod.key.clone(), pod.clone());
        self.learn(Fact::Pods(Change::Set(Box::new(pod))));
    }

    /// A pod is deleted: its containers end, and it is gone.
    pub fn delete_pod(&mut self, key: &Key) {
        let Some(mut pod) = self.kubernetes.pods.remove(key) else {
            return;
        };
        pod.deleting = true;
        self.learn(Fact::Pods(Change::Set(Box::new(pod.clone()))));
        pod.terminal = true;
        let ended = Fact::Pods(Change::Set(Box::new(pod)));
        self.after(END, Happening::Learn(ended));
        let gone = Fact::Pods(Change::Gone(key.clone()));
        self.after(END + WATCH, Happening::Learn(gone));
    }

    /// The operator learns something now.
    pub fn learn(&mut self, fact: Fact) {
        self.after(0, Happening::Learn(fact));
    }

    /// Lets time pass until that holds; an error if it never does.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let limit = self.now.after(TOO_LONG);
        while !done(self) {
            anyhow::ensure!(self.now < limit, "the world does not get there");
            self.step(limit);
        }
        Ok(())
    }

    /// Lets that much time pass.
    pub fn pass(&mut self, millis: i64) {
        let end = self.now.after(millis);
        while self.now < end {
            self.step(end);
        }
    }

    /// The next thing that happens, or the end of that time.
    fn step(&mut self, end: Time) {
        let event = self.events.keys().next().map(|(at, _)| *at);
        let wake = self.fleet.wake(self.now);
        let at = event.into_iter().chain(wake).min().unwrap_or(end);
        let at = at.max(self.now);
        if at >= end {
            self.now = end;
            return;
        }
        self.now = at;
        match self.events.first_entry().filter(|e| e.key().0 <= at) {
            Some(entry) => match entry.remove() {
                Happening::Learn(fact) => self.take_in(fact),
                Happening::Carry(order) => self.carry(order),
                Happening::Agent(key) => self.act_as_agent(&key),
            },
            None => self.go_on(),
        }
    }

    fn take_in(&mut self, fact: Fact) {
        let name = name(&fact);
        let start = clock::start();
        self.fleet.learn(fact, self.now);
        let orders = self.fleet.next(self.now);
        self.samples.push((name, start.spent()));
        self.give(orders);
    }

    fn go_on(&mut self) {
        let start = clock::start();
        let orders = self.fleet.next(self.now);
        self.samples.push(("next", start.spent()));
        self.give(orders);
        // What is due now and gives no order does not become due again before time passes.
        self.now = self.now.after(i64::from(
            self.fleet
                .wake(self.now)
                .is_some_and(|at| at <= self.now && at != Time(i64::MIN)),
        ));
    }

    fn give(&mut self, orders: Vec<Order>) {
        for order in orders {
            let delay = match &order {
                Order::Ec2(_) | Order::Read(_) => CALL,
                Order::Write(_) | Order::Publish(_) => WRITE,
            };
            self.after(delay, Happening::Carry(order));
        }
    }

    fn carry(&mut self, order: Order) {
        match order {
            Order::Ec2(order) => {
                *self
                    .counts
                    .calls
                    .entry(order.effect.action().as_str())
                    .or_default() += 1;
                let outcome = self.cloud.change(&order.effect, self.now);
                self.counts.refused += u32::from(matches!(outcome, Outcome::Failed(_)));
                self.take_in(Fact::Done(order.target, outcome));
            }
            Order::Read(Read::Pod(key)) => {
                let found = self.kubernetes.pods.get(&key).cloned().map(Box::new);
                self.take_in(Fact::Done(Target::PodRead(key), Outcome::Pod(found)));
            }
            Order::Read(read) => {
                for fact in self.cloud.read(&read, self.now, &mut self.counts.calls) {
                    self.take_in(fact);
                }
            }
            Order::Write(write) => self.write(&write.object),
            Order::Publish(event) => {
                *self.counts.writes.entry("Event").or_default() += 1;
                self.counts.events.push(event.note.reason.as_str());
            }
        }
    }

    fn write(&mut self, object: &Object) {
        *self
            .counts
            .writes
            .entry(kubernetes::kind(object))
            .or_default() += 1;
        let (outcome, shown) = self.kubernetes.write(object);
        if let Object::Status(write) = object {
            self.after(AGENT, Happening::Agent(write.claim.key.clone()));
        }
        if let Some(fact) = shown {
            self.after(WATCH - WRITE, Happening::Learn(fact));
        }
        self.take_in(Fact::Done(object.target(), outcome));
    }

    fn act_as_agent(&mut self, key: &Key) {
        self.cloud.pass(self.now);
        let Some(claim) = self.kubernetes.claims.get_mut(key) else {
            return;
        };
        match agents::act(claim, &self.cloud, self.now) {
            agents::Act::Nothing => {}
            agents::Act::Later => self.after(AGENT, Happening::Agent(key.clone())),
            agents::Act::Report(device) => {
                claim.device = Some(device);
                self.counts.agents += 1;
                let fact = self.kubernetes.touch(key);
                self.after(WATCH, Happening::Learn(fact));
            }
        }
    }

    fn after(&mut self, millis: i64, event: Happening) {
        self.number += 1;
        self.events
            .insert((self.now.after(millis), self.number), event);
    }
}

fn name(fact: &Fact) -> &'static str {
    fn change<K, T>(change: &Change<K, T>, all: &'static str, one: &'static str) -> &'static str {
        match change {
            Change::All(_) => all,
            Change::Set(_) | Change::Gone(_) => one,
        }
    }
    match fact {
        Fact::Pods(c) => change(c, "pods", "pod"),
        Fact::AgentPods(c) => change(c, "agents", "agent"),
        Fact::Nodes(c) => change(c, "nodes", "node"),
        Fact::Namespaces(c) => change(c, "namespaces", "namespace"),
        Fact::Classes(c) => change(c, "classes", "class"),
        Fact::ServiceCidrs(c) => change(c, "networks of Services", "network of Services"),
        Fact::Claims(c) => change(c, "claims", "claim"),
        Fact::Reports(c) => change(c, "reports", "report"),
        Fact::VpcCni(c) => change(c, "VPC CNI", "VPC CNI"),
        Fact::CniNodes(c) => change(c, "CNINodes", "CNINode"),
        Fact::Unreadable(_) => "unreadable",
        Fact::Term(_) => "term",
        Fact::Page(_) => "page of ENIs",
        Fact::Done(_, outcome) => match outcome {
            Outcome::Listed => "end of a listing",
            Outcome::Instances(_) => "instances",
            Outcome::Types(_) => "types",
            Outcome::Subnets(_) => "subnets",
            Outcome::Groups(_) => "security groups",
            Outcome::Enis(_) | Outcome::Eni(_) => "ENIs",
            Outcome::Claim(_)
            | Outcome::Found(_)
            | Outcome::ClaimGone
            | Outcome::Report(_)
            | Outcome::Node(_)
            | Outcome::Class(_)
            | Outcome::Conflict
            | Outcome::Refused(_)
            | Outcome::NotWritten
            | Outcome::Withheld => "outcome of a write",
            Outcome::Failed(_) | Outcome::Created(_) | Outcome::Attached(_) | Outcome::Changed => {
                "outcome of a call"
            }
            Outcome::Pod(_) => "pod read",
        },
    }
}
