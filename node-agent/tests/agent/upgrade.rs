//! An upgrade of the agent: a second process over the state of the first, which goes on serving until it ends.

#[path = "upgrade/host.rs"]
mod host;

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, TryRecvError, channel},
    },
    thread::{self, Scope},
};

use cni::error::code;
use rustix::process::Signal;
use serde_json::Value;

use self::host::{Agent, BUSY, Host, bridge, given};
use crate::running::wait_until;

/// ADD and DEL of one container, again and again, each of which has to succeed.
#[derive(Default)]
struct Load {
    rounds: AtomicUsize,
    given: Mutex<BTreeSet<String>>,
}

impl Load {
    /// Runs until what is returned is dropped.
    fn start<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        host: &'env Host,
    ) -> Sender<()> {
        let (running, until) = channel();
        scope.spawn(move || {
            while until.try_recv() == Err(TryRecvError::Empty) {
                let ip = host.add(BUSY);
                host.is_connected(BUSY, &ip);
                host.del(BUSY);
                self.given.lock().unwrap().insert(ip);
                self.rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        running
    }

    /// Waits for two rounds, of which the second one began after this call.
    fn wait_for_rounds(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        wait_until(|| self.rounds.load(Ordering::Relaxed) >= before + 2);
    }

    fn has_got_none_of(&self, addresses: &[String]) {
        let given = self.given.lock().unwrap();
        let twice = addresses.iter().find(|ip| given.contains(*ip));
        assert_eq!(twice, None, "it is given twice");
    }
}

/// What may differ in a container between two looks: nothing.
fn portraits(host: &Host, containers: &[&str]) -> Vec<Value> {
    let all = containers.iter();
    all.map(|short| host.world.portrait(short)).collect()
}

/// The second agent waits; the first one ends in this way, and the second one takes over.
fn hand_over(signal: Signal) -> ExitStatus {
    let host = Host::new();
    let mut first = host.start("first.log");
    host.wait_for(&first);
    let mut addresses: Vec<_> = ["a", "b"].map(|short| host.add(short)).into();
    let mut connection = host.open("a");
    let before = portraits(&host, &["a", "b"]);
    let load = Load::default();
    let (second, ended) = thread::scope(|scope| {
        let running = load.start(scope, &host);
        load.wait_for_rounds();
        let mut second = host.start("second.log");
        host.wait_for_attempts();
        load.wait_for_rounds();
        addresses.push(host.add("c"));
        assert_eq!(host.listener(), Some(first.pid()));
        assert!(first.is_running() && second.is_running());
        assert_eq!(portraits(&host, &["a", "b"]), before, "a second one waits");
        connection.passes();
        // What was given before c was there may have become its address.
        load.wait_for_rounds();
        load.given.lock().unwrap().clear();
        // Between the two there is a moment in which nobody listens, and an ADD or a DEL of the load is on its way.
        second.signal(Signal::STOP);
        first.signal(signal);
        let ended = first.end();
        assert_eq!(host.listener(), None);
        second.signal(Signal::CONT);
        host.wait_for(&second);
        load.wait_for_rounds();
        drop(running);
        (second, ended)
    });
    assert_eq!(portraits(&host, &["a", "b"]), before, "it took over");
    connection.passes();
    for (short, ip) in ["a", "b", "c"].into_iter().zip(&addresses) {
        host.is_connected(short, ip);
    }
    assert_eq!(host.ports(), 3, "{}", second.log());
    load.has_got_none_of(&addresses);
    takes_over(&host, addresses);
    stops(second);
    ended
}

/// What an agent does with the containers a, b and c of the one before it.
fn takes_over(host: &Host, mut addresses: Vec<String>) {
    // ADD again, as a runtime does that did not get its answer, and CHECK.
    let mut check = bridge();
    check["prevResult"] = host.task("a").add(&bridge());
    assert_eq!(given(&check["prevResult"]), addresses[0]);
    assert_eq!(host.task("a").run("CHECK", &check), (true, Value::Null));
    addresses.extend(["d", "e"].map(|short| host.add(short)));
    let different: BTreeSet<_> = addresses.iter().collect();
    assert_eq!(different.len(), 5, "{addresses:?}");
    let (code, why) = host.task("f").refused(&bridge());
    assert_eq!(code, u64::from(code::TRY_LATER));
    assert!(why.contains("all addresses of the subnet"), "{why}");
    host.del("a");
    assert_eq!(host.add("f"), addresses[0], "it is free again");
    host.is_connected("f", &addresses[0]);
    host.empty(&["a", "b", "c", "d", "e", "f"]);
}

fn stops(mut agent: Agent) {
    agent.signal(Signal::TERM);
    assert!(agent.end().success(), "{}", agent.log());
}

#[test]
fn second_agent_takes_over_from_one_that_is_told_to_end() {
    let ended = hand_over(Signal::TERM);
    assert!(ended.success(), "{ended}");
}

#[test]
fn second_agent_takes_over_from_one_that_is_killed() {
    let ended = hand_over(Signal::KILL);
    assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()));
}

#[test]
fn second_agent_gives_up_with_one_sentence_and_one_that_is_started_later_finds_everything() {
    let host = Host::new();
    let mut first = host.start("first.log");
    host.wait_for(&first);
    let mut addresses: Vec<_> = ["a", "b", "c"].map(|short| host.add(short)).into();
    let before = portraits(&host, &["a", "b", "c"]);
    let load = Load::default();
    thread::scope(|scope| {
        let running = load.start(scope, &host);
        let mut second = host.start("second.log");
        assert!(!second.end().success());
        let log = second.log();
        let lines = log.lines().map(|line| telemetry::line::read(line).unwrap());
        let errors: Vec<_> = lines.filter(|fields| fields["level"] == "ERROR").collect();
        let lock = host.path("run/agent.lock");
        assert_eq!(errors.len(), 1, "{log}");
        assert_eq!(
            errors[0]["error"],
            format!(
                "listen for the CNI plugin: another agent holds {}; stop it first",
                lock.display()
            )
        );
        load.wait_for_rounds();
        drop(running);
    });
    load.has_got_none_of(&addresses);
    assert_eq!(host.listener(), Some(first.pid()));
    assert_eq!(portraits(&host, &["a", "b", "c"]), before);
    first.signal(Signal::KILL);
    first.end();
    // Nobody waits to take over: ADD says so, and DEL leaves a note.
    let (code, why) = host.task("d").refused(&bridge());
    assert_eq!(code, u64::from(code::TRY_LATER));
    assert!(why.contains("nobody listens there"), "{why}");
    host.task("c").del(&bridge());
    assert!(
        host.world.has_link("c", "eth0"),
        "nobody was there to do it"
    );
    let third = host.start("third.log");
    host.wait_for(&third);
    wait_until(|| host.ports() == 2);
    assert!(!host.world.has_link("c", "eth0"));
    assert_eq!(portraits(&host, &["a", "b"]), before[..2]);
    addresses[2] = host.add("c");
    takes_over(&host, addresses);
    stops(third);
}
