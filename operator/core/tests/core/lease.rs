//! Elections: several processes with clocks of their own, one API server that orders their writes.

use operator_core::{
    Time,
    id::Version,
    lease::{Decision, Election, Record, Term, Timing, Write},
    time::SECOND,
};
use proptest::prelude::*;

const DURATION: i64 = 15 * SECOND;

fn election(me: &str) -> Election {
    Election::new(me.to_owned(), Timing::of(DURATION))
}

fn held(by: &str, version: u64) -> Record {
    Record {
        version: version.to_string().into(),
        holder: Some(by.to_owned()),
        duration: DURATION,
        transitions: 3,
    }
}

fn at(seconds: i64) -> Time {
    Time(seconds * SECOND)
}

#[test]
fn the_first_process_creates_the_lease_and_leads_at_once() {
    let mut a = election("a");
    assert_eq!(a.decide(at(0)), Decision::Read);
    a.read(None, at(1));
    let write = Write {
        replaces: None,
        holder: Some("a".into()),
        transitions: 0,
    };
    assert_eq!(a.decide(at(1)), Decision::Acquire(write));
    a.written(held("a", 1), at(1));
    assert_eq!(
        a.term(at(2)),
        Term::Leader { until: at(13) },
        "15 s from the sending, less 3 s"
    );
    assert_eq!(a.decide(at(2)), Decision::Wait(at(6)));
    assert!(matches!(a.decide(at(6)), Decision::Renew(_)));
}

#[test]
fn a_term_ends_where_no_renewal_is_accepted() {
    let mut a = election("a");
    a.read(None, at(0));
    a.written(held("a", 1), at(0));
    a.failed(at(5));
    assert!(a.term(at(11)).leads(at(11)), "a failure alone ends nothing");
    assert_eq!(a.term(at(12)), Term::Standby);
    assert!(!Term::Leader { until: at(12) }.leads(at(12)));
}

#[test]
fn an_expired_lease_is_taken_at_the_version_that_was_seen() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(100));
    for second in [102, 104, 106, 108, 110, 112, 114] {
        assert_eq!(b.decide(at(second)), Decision::Read);
        b.read(Some(held("a", 7)), at(second));
    }
    assert_eq!(b.decide(at(114)), Decision::Wait(at(115)));
    let write = Write {
        replaces: Some("7".into()),
        holder: Some("b".into()),
        transitions: 4,
    };
    assert_eq!(b.decide(at(115)), Decision::Acquire(write));
}

#[test]
fn a_renewal_that_is_seen_starts_the_wait_again() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(100));
    b.read(Some(held("a", 8)), at(114));
    assert_eq!(b.decide(at(116)), Decision::Read);
    b.failed(at(120));
    b.read(Some(held("a", 8)), at(122));
    assert_eq!(
        b.decide(at(124)),
        Decision::Read,
        "a failed look neither shortens the wait"
    );
    b.read(Some(held("a", 8)), at(129));
    assert!(
        matches!(b.decide(at(129)), Decision::Acquire(_)),
        "nor lengthens it"
    );
}

#[test]
fn the_duration_is_the_one_that_its_holder_promised() {
    let mut b = election("b");
    let record = Record {
        duration: 60 * SECOND,
        ..held("a", 7)
    };
    b.read(Some(record.clone()), at(0));
    b.read(Some(record.clone()), at(59));
    assert_eq!(b.decide(at(59)), Decision::Wait(at(60)));
    assert!(matches!(b.decide(at(60)), Decision::Acquire(_)));
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(0));
    let released = Record {
        holder: None,
        ..held("a", 8)
    };
    b.read(Some(released), at(2));
    assert!(matches!(b.decide(at(2)), Decision::Acquire(_)));
}

#[test]
fn a_deleted_lease_is_not_taken_before_its_holder_has_given_up() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(0));
    b.read(None, at(2));
    assert_eq!(b.decide(at(4)), Decision::Read);
    b.read(None, at(14));
    assert!(matches!(b.decide(at(15)), Decision::Acquire(_)));
}

#[test]
fn a_write_whose_answer_was_lost_is_found_and_made_again() {
    let mut a = election("a");
    a.read(None, at(0));
    a.failed(at(0));
    assert_eq!(
        a.term(at(1)),
        Term::Standby,
        "nobody leads on an assumption"
    );
    assert_eq!(a.decide(at(3)), Decision::Read);
    a.read(Some(held("a", 1)), at(3));
    let Decision::Renew(write) = a.decide(at(3)) else {
        panic!()
    };
    assert_eq!(write.replaces, Some("1".into()));
}

#[test]
fn who_sees_another_holder_stops_at_once() {
    let mut a = election("a");
    a.read(None, at(0));
    a.written(held("a", 1), at(0));
    a.failed(at(5));
    a.read(Some(held("b", 3)), at(7));
    assert_eq!(a.term(at(7)), Term::Standby);
}

#[test]
fn who_leaves_gives_the_lease_back_only_if_it_has_it() {
    let mut a = election("a");
    a.read(None, at(0));
    a.written(held("a", 1), at(0));
    a.leave(at(2));
    assert_eq!(a.term(at(2)), Term::Standby);
    let Decision::Release(write) = a.decide(at(2)) else {
        panic!()
    };
    assert_eq!((write.holder, write.replaces), (None, Some("1".into())));
    let released = Record {
        holder: None,
        ..held("a", 2)
    };
    a.written(released, at(2));
    assert_eq!(a.decide(at(2)), Decision::Done);

    let mut b = election("b");
    b.read(Some(held("a", 1)), at(0));
    b.leave(at(1));
    assert_eq!(b.decide(at(1)), Decision::Done);
}

/// What can happen next; `who` counts modulo the processes, `which` modulo what is on the wire.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes; who does nothing meanwhile is paused.
    Pass { millis: i64 },
    /// A process looks at its election, and sends a call.
    Think { who: usize },
    /// A call arrives at the API server, whether its sender still waits or not.
    Arrive { which: usize },
    /// An answer arrives at its sender.
    Answer { which: usize },
    /// A process gives up waiting.
    GiveUp { who: usize },
    /// A process is killed; its successor starts.
    Crash { who: usize },
    /// A process leaves the election.
    Leave { who: usize },
    /// A person edits the Lease.
    Edit,
}

/// Each number is a step: drawing numbers is far cheaper than drawing steps, and shrinks as well.
fn step(number: u32) -> Step {
    let [action, who, low, high] = number.to_le_bytes();
    let (who, which) = (usize::from(who), usize::from(low));
    let millis = i64::from(u16::from_le_bytes([low, high]));
    match action % 32 {
        0..=3 => Step::Pass {
            millis: millis % 3_000,
        },
        4 => Step::Pass {
            millis: millis % 20_000,
        },
        5..=11 => Step::Think { who },
        12..=19 => Step::Arrive { which },
        20..=27 => Step::Answer { which },
        28 => Step::GiveUp { who },
        29 => Step::Crash { who },
        30 => Step::Leave { who },
        _ => Step::Edit,
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
        let processes = clocks
            .iter()
            .enumerate()
            .map(|(n, clock)| Process {
                election: election(&format!("first-{n}")),
                clock: *clock,
                waits: None,
            })
            .collect();
        Self {
            now: 0,
            lease: None,
            version: 0,
            processes,
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
        (0..self.processes.len())
            .filter(|who| {
                let now = self.local(*who);
                self.processes[*who].election.term(now).leads(now)
            })
            .collect()
    }

    fn go(&mut self, step: &Step) {
        let count = self.processes.len();
        match *step {
            Step::Pass { millis } => self.now += millis,
            Step::Think { who } => self.think(who % count),
            Step::Arrive { which } if !self.requests.is_empty() => {
                let (call, request) = self.requests.remove(which % self.requests.len());
                let reply = self.serve(request);
                self.replies.push((call, reply));
            }
            Step::Answer { which } if !self.replies.is_empty() => {
                let (call, reply) = self.replies.remove(which % self.replies.len());
                self.learn(call, reply);
            }
            Step::Arrive { .. } | Step::Answer { .. } => {}
            Step::GiveUp { who } => {
                let process = &mut self.processes[who % count];
                if let Some((_, sent)) = process.waits.take() {
                    process.election.failed(sent);
                }
            }
            Step::Crash { who } => {
                let process = &mut self.processes[who % count];
                self.calls += 1;
                process.election = election(&format!("after-{}", self.calls));
                process.waits = None;
            }
            Step::Leave { who } => {
                let now = self.local(who % count);
                self.processes[who % count].election.leave(now);
            }
            Step::Edit => {
                let edited = self.lease.take().map(|lease| self.store(lease));
                self.lease = edited;
            }
        }
    }

    fn think(&mut self, who: usize) {
        let now = self.local(who);
        let process = &mut self.processes[who];
        if process.waits.is_some() {
            return;
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
            version: Version(self.version.to_string()),
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

    fn learn(&mut self, call: usize, reply: Reply) {
        let waits = |p: &Process| matches!(p.waits, Some((id, _)) if id == call);
        let Some(who) = self.processes.iter().position(waits) else {
            return;
        };
        let now = self.local(who);
        let process = &mut self.processes[who];
        let Some((_, sent)) = process.waits.take() else {
            return;
        };
        match reply {
            Reply::Read(record) => process.election.read(record, now),
            Reply::Written(record) => process.election.written(record, sent),
            Reply::Refused => process.election.failed(sent),
        }
    }

    /// Nothing is lost any more, and everybody takes part.
    fn recover(&mut self, seconds: i64) {
        (0..self.processes.len()).for_each(|who| self.go(&Step::Crash { who }));
        for _ in 0..seconds * 10 {
            (0..self.processes.len()).for_each(|who| self.think(who));
            while !self.requests.is_empty() {
                self.go(&Step::Arrive { which: 0 });
            }
            while !self.replies.is_empty() {
                self.go(&Step::Answer { which: 0 });
            }
            self.now += 100;
        }
    }
}

fn a_clock() -> impl Strategy<Value = Clock> {
    (-1_000_000..1_000_000_i64, -50_000..50_000_i64)
        .prop_map(|(offset, drift)| Clock { offset, drift })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_processes_never_lead_at_once(
        clocks in prop::collection::vec(a_clock(), 2..=3),
        steps in prop::collection::vec(any::<u32>(), 1..400),
    ) {
        // Between two steps terms can only end, so looking after each step sees every overlap.
        let mut world = World::new(&clocks);
        for (n, step) in steps.into_iter().map(step).enumerate() {
            world.go(&step);
            let leaders = world.leaders();
            prop_assert!(leaders.len() <= 1, "{leaders:?} lead after step {n}, {step:?}");
        }
    }

    #[test]
    fn once_calls_are_answered_one_process_leads_and_stays(
        clocks in prop::collection::vec(a_clock(), 2..=3),
        steps in prop::collection::vec(any::<u32>(), 1..100),
    ) {
        let mut world = World::new(&clocks);
        steps.into_iter().for_each(|number| world.go(&step(number)));
        world.recover(20);
        let leaders = world.leaders();
        prop_assert_eq!(leaders.len(), 1);
        for _ in 0..60 {
            (0..clocks.len()).for_each(|who| world.think(who));
            while !world.requests.is_empty() {
                world.go(&Step::Arrive { which: 0 });
            }
            while !world.replies.is_empty() {
                world.go(&Step::Answer { which: 0 });
            }
            world.now += SECOND;
            prop_assert_eq!(&world.leaders(), &leaders);
        }
    }
}
