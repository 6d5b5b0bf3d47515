//! Elections: several processes with clocks of their own, one API server that orders their writes.

use operator_core::{
    Time,
    cluster::Version,
    lease::{Decision, Election, Record, Timing, Write},
};
use proptest::prelude::*;

use super::lease::{DURATION, election};

/// What disturbs the processes in one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// Nothing.
    None,
    /// A process stands still for a while: it neither decides nor hears.
    Pause { millis: i64 },
    /// Answers that are on their way are lost.
    Lose,
    /// A process is killed; its successor starts.
    Crash,
    /// A process leaves the election.
    Leave,
    /// A person edits the Lease.
    Edit,
}

/// One tick, drawn as a number: drawing numbers is far cheaper than drawing structures, and shrinks as well.
#[derive(Debug, Clone, Copy)]
struct Tick {
    millis: i64,
    /// Calls and answers that are held back: a bit for each place on the wire.
    held: u8,
    who: usize,
    trouble: Trouble,
}

impl From<u32> for Tick {
    fn from(number: u32) -> Self {
        let [kind, who, held, millis] = number.to_le_bytes();
        let trouble = match kind % 32 {
            0..=2 => Trouble::Pause {
                millis: i64::from(millis) * 80,
            },
            3..=4 => Trouble::Lose,
            5 => Trouble::Crash,
            6 => Trouble::Leave,
            7 => Trouble::Edit,
            _ => Trouble::None,
        };
        Self {
            millis: 100 + i64::from(millis) * 4,
            held: if kind < 128 { held } else { 0 },
            who: usize::from(who),
            trouble,
        }
    }
}

/// A clock: where it stands when the world begins, and what it gains or loses in a million.
#[derive(Debug, Clone, Copy)]
struct Clock {
    offset: i64,
    drift: i64,
}

struct Process {
    election: Election,
    clock: Clock,
    /// The call that it waits for, and when it sent it.
    waits: Option<(usize, Time)>,
    paused_until: i64,
}

#[derive(Clone)]
enum Request {
    Get,
    Put(Write),
}

#[derive(Clone)]
enum Reply {
    Read(Option<Record>),
    Written(Record),
    Refused,
}

/// Clocks, processes, wires and one API server.
struct World {
    now: i64,
    lease: Option<Record>,
    version: u64,
    processes: Vec<Process>,
    calls: usize,
    requests: Vec<(usize, Request)>,
    replies: Vec<(usize, Reply)>,
}

impl World {
    fn new(clocks: &[Clock]) -> Self {
        let processes = clocks.iter().enumerate().map(|(n, clock)| Process {
            election: election(&format!("first-{n}")),
            clock: *clock,
            waits: None,
            paused_until: 0,
        });
        Self {
            now: 0,
            lease: None,
            version: 0,
            processes: processes.collect(),
            calls: 0,
            requests: vec![],
            replies: vec![],
        }
    }

    fn local(&self, who: usize) -> Time {
        let Clock { offset, drift } = self.processes[who].clock;
        Time(offset + self.now + self.now * drift / 1_000_000)
    }

    fn leaders(&self) -> Vec<usize> {
        let leads = |who: &usize| {
            let now = self.local(*who);
            self.processes[*who].election.term(now).leads(now)
        };
        (0..self.processes.len()).filter(leads).collect()
    }

    /// Time passes, processes send, the server serves, processes hear; `check` looks after each of these.
    fn tick(&mut self, tick: Tick, check: &mut impl FnMut(&Self)) {
        self.now += tick.millis;
        self.disturb(tick);
        check(self);
        (0..self.processes.len()).for_each(|who| self.think(who));
        for (place, (call, request)) in std::mem::take(&mut self.requests).into_iter().enumerate() {
            if tick.held >> (place % 4) & 1 == 1 {
                self.requests.push((call, request));
            } else {
                let reply = self.serve(request);
                self.replies.push((call, reply));
            }
        }
        for (place, (call, reply)) in std::mem::take(&mut self.replies).into_iter().enumerate() {
            if tick.held >> (4 + place % 4) & 1 == 1 || !self.learn(call, &reply) {
                self.replies.push((call, reply));
            }
            check(self);
        }
    }

    fn disturb(&mut self, tick: Tick) {
        let who = tick.who % self.processes.len();
        match tick.trouble {
            Trouble::None => {}
            Trouble::Pause { millis } => self.processes[who].paused_until = self.now + millis,
            Trouble::Lose => self.replies.clear(),
            Trouble::Crash => self.crash(who),
            Trouble::Leave => {
                let now = self.local(who);
                self.processes[who].election.leave(now);
            }
            Trouble::Edit => {
                let edited = self.lease.take().map(|lease| self.store(lease));
                self.lease = edited;
            }
        }
    }

    fn crash(&mut self, who: usize) {
        self.calls += 1;
        let clock = self.processes[who].clock;
        self.processes[who] = Process {
            election: election(&format!("after-{}", self.calls)),
            clock,
            waits: None,
            paused_until: 0,
        };
    }

    fn think(&mut self, who: usize) {
        let now = self.local(who);
        let answered = |call| self.replies.iter().any(|(id, _)| *id == call);
        let process = &mut self.processes[who];
        if process.paused_until > self.now {
            return;
        }
        if let Some((call, sent)) = process.waits {
            // Who wakes up late takes an answer that is there before it looks at the clock.
            if answered(call) || now.since(sent) < Timing::of(DURATION).call {
                return;
            }
            process.election.failed(sent);
            process.waits = None;
        }
        let request = match process.election.decide(now) {
            Decision::Read => Request::Get,
            Decision::Acquire(write) | Decision::Renew(write) | Decision::Release(write) => {
                Request::Put(write)
            }
            Decision::Wait(_) | Decision::Done => return,
        };
        self.calls += 1;
        process.waits = Some((self.calls, now));
        self.requests.push((self.calls, request));
    }

    fn store(&mut self, record: Record) -> Record {
        self.version += 1;
        Record {
            version: Version::from(self.version.to_string()),
            ..record
        }
    }

    fn serve(&mut self, request: Request) -> Reply {
        let write = match request {
            Request::Get => return Reply::Read(self.lease.clone()),
            Request::Put(write) => write,
        };
        let Write {
            replaces,
            holder,
            transitions,
        } = write;
        if replaces != self.lease.as_ref().map(|lease| lease.version.clone()) {
            return Reply::Refused;
        }
        let stored = self.store(Record {
            version: Version::default(),
            holder,
            duration: DURATION,
            transitions,
        });
        self.lease = Some(stored.clone());
        Reply::Written(stored)
    }

    /// Whether the answer has come to its end: a paused process hears it later.
    fn learn(&mut self, call: usize, reply: &Reply) -> bool {
        let waits = |p: &Process| matches!(p.waits, Some((id, _)) if id == call);
        let Some(who) = self.processes.iter().position(waits) else {
            return true;
        };
        let now = self.local(who);
        let process = &mut self.processes[who];
        if process.paused_until > self.now {
            return false;
        }
        let Some((_, sent)) = process.waits.take() else {
            return true;
        };
        match reply.clone() {
            Reply::Read(record) => process.election.read(record, now),
            Reply::Written(record) => process.election.written(record, sent),
            Reply::Refused => process.election.failed(sent),
        }
        true
    }

    /// Nothing is lost or late.
    fn calm(&mut self, seconds: i64, check: &mut impl FnMut(&Self)) {
        let tick = Tick {
            millis: 100,
            held: 0,
            who: 0,
            trouble: Trouble::None,
        };
        (0..seconds * 10).for_each(|_| self.tick(tick, check));
    }
}

fn clocks() -> impl Strategy<Value = Vec<Clock>> {
    let drift = prop_oneof![Just(-50_000), Just(0), Just(50_000)];
    let clock = (-1_000_000..1_000_000_i64, drift);
    prop::collection::vec(
        clock.prop_map(|(offset, drift)| Clock { offset, drift }),
        2..=3,
    )
}

fn ticks() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_processes_never_lead_at_once(clocks in clocks(), ticks in ticks()) {
        let mut world = World::new(&clocks);
        // Between two looks terms can only end, so no overlap is missed.
        let mut overlap = None;
        for (n, tick) in ticks.into_iter().map(Tick::from).enumerate() {
            world.tick(tick, &mut |world| {
                let leaders = world.leaders();
                if leaders.len() > 1 {
                    overlap = Some(leaders);
                }
            });
            prop_assert!(overlap.is_none(), "{overlap:?} lead in tick {n}, {tick:?}");
        }
    }

    #[test]
    fn once_calls_are_answered_one_process_leads_and_stays(clocks in clocks(), ticks in ticks()) {
        let mut world = World::new(&clocks);
        for tick in ticks {
            world.tick(tick.into(), &mut |_| {});
        }
        (0..clocks.len()).for_each(|who| world.crash(who));
        world.calm(20, &mut |_| {});
        let leaders = world.leaders();
        prop_assert_eq!(leaders.len(), 1);
        let mut others = 0;
        world.calm(60, &mut |world| others += usize::from(world.leaders() != leaders));
        prop_assert_eq!(others, 0);
    }
}
