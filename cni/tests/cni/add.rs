//! ADD.

use std::{
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    time::{Duration, Instant},
};

use cni::protocol::{Added, Reply, Request};
use cni::{CniError, error::code};
use rustix::{
    fs::fstat,
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use serde_json::json;

use crate::{
    del::pending,
    result::an_eni,
    runtime::{Agent, Script, a_call, a_configuration, a_folder, previous_result},
};

#[test]
fn agent_gets_the_request_and_the_namespace_itself() {
    let folder = a_folder();
    let agent = Agent::listen(
        folder.path(),
        vec![Script::Answer(Reply::Added(vec![an_eni()]))],
    );
    assert!(a_call("ADD", folder.path()).run().ok);
    let (envelope, netns) = agent.heard().remove(0);
    let Request::Add(add) = envelope.request else {
        panic!("not ADD")
    };
    assert_eq!(
        (
            add.sandbox.network.as_str(),
            add.sandbox.container_id.as_str(),
            add.sandbox.if_name.as_str()
        ),
        ("pods", "0a1b2c", "eth0")
    );
    assert_eq!(
        (
            add.asked.pod().unwrap().namespace.as_str(),
            add.asked.pod().unwrap().name.as_str(),
            add.asked.pod().unwrap().uid.as_str()
        ),
        ("shop", "web-0", "u-1")
    );
    let ours = std::fs::File::open("/proc/self/ns/net").unwrap();
    assert_eq!(
        fstat(netns.unwrap()).unwrap().st_ino,
        fstat(ours).unwrap().st_ino
    );
}

#[test]
fn agent_gets_the_annotation_of_several_interfaces_and_the_result_lists_them_in_its_order() {
    let folder = a_folder();
    let second = Added {
        name: "eni1".into(),
        mac: "02:00:00:00:00:0b".into(),
        ..an_eni()
    };
    let answer = Reply::Added(vec![second, an_eni()]);
    let agent = Agent::listen(folder.path(), vec![Script::Answer(answer)]);
    let mut configuration = a_configuration(folder.path());
    let annotations = &mut configuration["runtimeConfig"]["io.kubernetes.cri.pod-annotations"];
    annotations["eniclaim.io/interfaces"] = json!("eni1=app,eni0=db");
    let run = a_call("ADD", folder.path())
        .configured(&configuration)
        .run();
    let (envelope, _) = agent.heard().remove(0);
    let Request::Add(add) = envelope.request else {
        panic!("not ADD")
    };
    assert_eq!(
        add.asked.pod().unwrap().interfaces.as_deref(),
        Some("eni1=app,eni0=db")
    );
    let result = run.json();
    let named = |n: usize| &result["interfaces"][n]["name"];
    assert_eq!((named(2), named(3)), (&json!("eni1"), &json!("eni0")));
}

#[test]
fn annotation_of_several_interfaces_that_is_no_string_is_refused() {
    let folder = a_folder();
    let mut configuration = a_configuration(folder.path());
    let annotations = &mut configuration["runtimeConfig"]["io.kubernetes.cri.pod-annotations"];
    annotations["eniclaim.io/interfaces"] = json!(["eni1"]);
    a_call("ADD", folder.path())
        .configured(&configuration)
        .run()
        .refused(7, "eniclaim.io/interfaces");
}

#[test]
fn interface_is_added_behind_those_before_it() {
    let folder = a_folder();
    let agent = Agent::listen(
        folder.path(),
        vec![Script::Answer(Reply::Added(vec![an_eni()]))],
    );
    let result = a_call("ADD", folder.path()).run().json();
    agent.heard();
    let mut wanted = previous_result();
    wanted["interfaces"].as_array_mut().unwrap().push(json!({
        "name": "eni0", "mac": "02:00:00:00:00:0a", "mtu": 9001, "pciID": "0000:00:06.0", "sandbox": "/proc/self/ns/net"
    }));
    assert_eq!(result, wanted);
}

/// Cases: C10.
#[test]
fn reason_of_the_agent_is_the_error_of_the_plugin() {
    let folder = a_folder();
    let refusal = CniError::new(
        code::TRY_LATER,
        "claim shop/web-0-abcde waits: the subnet has no free address",
    );
    let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Failed(refusal))]);
    a_call("ADD", folder.path())
        .run()
        .refused(11, "no free address");
    agent.heard();
}

#[test]
fn agent_that_goes_away_before_it_answers_is_asked_again() {
    let folder = a_folder();
    let agent = Agent::listen(
        folder.path(),
        vec![Script::HangUp, Script::Answer(Reply::Added(vec![an_eni()]))],
    );
    assert!(a_call("ADD", folder.path()).run().ok);
    let heard = agent.heard();
    assert_eq!(heard[0].0, heard[1].0);
    assert!(
        heard[1].1.is_some(),
        "the second request carries the namespace, too"
    );
}

#[test]
fn agent_that_appears_late_is_waited_for() {
    let folder = a_folder();
    let path = folder.path().to_owned();
    let late = std::thread::spawn(move || {
        // The plugin polls ten times a second: this is three of its attempts, and no outcome depends on it.
        std::thread::sleep(std::time::Duration::from_millis(300));
        Agent::listen(&path, vec![Script::Answer(Reply::Added(vec![an_eni()]))]).heard()
    });
    assert!(a_call("ADD", folder.path()).run().ok);
    assert_eq!(late.join().unwrap().len(), 1);
}

#[test]
fn agent_that_stays_away_is_named_within_seconds() {
    let folder = a_folder();
    let started = Instant::now();
    a_call("ADD", folder.path())
        .run()
        .refused(11, "eniclaim-agent DaemonSet");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// The runtime's lock is held meanwhile, and behind it wait the node's other pods.
#[test]
fn agent_that_is_stopped_holds_add_for_20_seconds_and_del_for_10() {
    let folder = a_folder();
    let _listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
    let crowd = a_folder();
    let full = full_listener(&crowd.path().join("agent.sock"));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for folder in [folder.path(), crowd.path()] {
            scope.spawn(move || {
                a_call("ADD", folder)
                    .run()
                    .refused(11, "eniclaim-agent DaemonSet");
                assert!(started.elapsed() <= Duration::from_secs(20));
            });
            scope.spawn(move || {
                assert!(a_call("DEL", folder).run().ok);
                assert!(started.elapsed() <= Duration::from_secs(11));
                assert_eq!(pending(folder).len(), 1);
            });
        }
    });
    drop(full);
}

/// A listener that accepts nobody, with so many who wait that one more cannot even connect.
fn full_listener(path: &Path) -> (UnixListener, Vec<OwnedFd>) {
    let listener = UnixListener::bind(path).unwrap();
    let address = SocketAddrUnix::new(path).unwrap();
    let mut crowd = Vec::new();
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let one = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        match connect(&one, &address) {
            Ok(()) => crowd.push(one),
            Err(Errno::AGAIN) => return (listener, crowd),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn answer_that_is_none_is_an_error() {
    for (script, part) in [
        (Script::Line("{}"), "malformed"),
        (Script::Answer(Reply::Deleted), "another request"),
        (Script::Answer(Reply::Added(Vec::new())), "another request"),
    ] {
        let folder = a_folder();
        let agent = Agent::listen(folder.path(), vec![script]);
        a_call("ADD", folder.path()).run().refused(101, part);
        agent.heard();
    }
}
