//! The agent as the plugin and the API server see it.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::{
        fd::AsFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    time::Duration,
};

use cni::{
    agent::{NoReply, ask},
    protocol::{Del, Envelope, LONGEST_LINE, Reply, Request, VERSION},
    tombstone,
};
use node_agent_core::claim::Place;
use serde_json::json;

use crate::{
    running::{Agent, a_claim, after, an_add, plugged, released, sandbox, wait_until, with},
    world::{HOME, MAC, World},
};

fn added(reply: Reply) -> cni::protocol::Added {
    match reply {
        Reply::Added(mut added) => added.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Cases: C06.
#[test]
fn add_answers_with_the_interface_and_then_reports_it() {
    let world = World::new();
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let added = added(agent.add(&world, "c1", "pod"));
    assert_eq!(
        (added.name.as_str(), added.mac.as_str(), added.mtu),
        ("eni0", MAC, 9001)
    );
    assert_eq!(
        (
            added.addresses[0].address.as_str(),
            added.addresses[0].gateway.as_deref().unwrap()
        ),
        ("10.0.1.50/24", "10.0.1.1")
    );
    let notice = agent.notice();
    assert_eq!(
        notice.report.place,
        Place::Plugged {
            pod_uid: "u-1".into(),
            container_id: "c1".into()
        },
        "what is plugged at once is not reported as seen before"
    );
    assert!(notice.seen < notice.now, "but it says when it was seen");
    assert_eq!(agent.journal(), 1);
}

/// Cases: M02.
#[test]
fn waiting_add_is_served_when_the_device_appears() {
    let world = World::new();
    world.ip("host", "link del eth1");
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let adding = agent.adding(&world, "c1", "pod");
    world.wire();
    added(adding.join().unwrap());
}

/// Cases: A05.
#[test]
fn waiting_add_is_served_when_the_claim_gets_its_attachment() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![]);
    let adding = agent.adding(&world, "c1", "pod");
    agent.claim(with(a_claim(), "/status/attachment/id", json!(null)));
    agent.claim(a_claim());
    added(adding.join().unwrap());
}

/// Cases: M08.
#[test]
fn repeated_add_changes_nothing() {
    let (world, mut agent) = plugged();
    let before = world.portrait("pod");
    added(agent.add(&world, "c1", "pod"));
    assert_eq!(world.portrait("pod"), before);
    assert!(agent.is_quiet());
}

/// Cases: M12.
#[test]
fn del_takes_home_twice_without_complaint_and_without_a_list_of_claims() {
    let (world, agent) = plugged();
    let folder = agent.stop();
    let mut agent = Agent::start_in(&world, folder);
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
    assert_eq!(agent.del(None, "c1"), Reply::Deleted);
    assert_eq!(agent.del(None, "never-seen"), Reply::Deleted);
    assert!(agent.is_quiet());
}

/// Cases: M12.
#[test]
fn del_without_a_namespace_finds_it_by_the_journal() {
    let (world, mut agent) = plugged();
    assert_eq!(agent.del(None, "c1"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
    // Reported only by the word of the claim's status, which was never updated here.
    let claim = a_claim();
    agent.claim(with(claim, "/status/phase", json!("Ready")));
    assert_eq!(agent.place(), Place::Home);
}

#[test]
fn older_del_does_not_take_the_device_of_a_newer_sandbox() {
    let (mut world, agent) = plugged();
    world.pod("newer");
    added(agent.add(&world, "c2", "newer"));
    assert!(world.device("newer").is_some());
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    assert!(world.device("newer").is_some());
    assert_eq!(agent.del(Some(world.path("newer")), "c2"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
}

/// Cases: A06.
#[test]
fn restart_disturbs_nothing() {
    let (world, agent) = plugged();
    let before = world.portrait("pod");
    let host = world.portrait("host");
    let folder = agent.stop();
    let mut agent = Agent::start_in(&world, folder);
    let claim = with(a_claim(), "/status/phase", json!("Ready"));
    agent.list(vec![claim.clone()]);
    let notice = agent.notice();
    assert!(
        matches!(notice.report.place, Place::Plugged { .. }),
        "a lost report is made again"
    );
    agent.claim(after(&claim, &notice));
    // A second claim's report shows that the first one has nothing more to say.
    assert_eq!(agent.del(None, "never-seen"), Reply::Deleted);
    assert!(agent.is_quiet());
    assert_eq!(world.portrait("pod"), before);
    assert_eq!(world.portrait("host"), host);
}

#[test]
fn released_attachment_goes_home_and_is_given_back() {
    let (world, mut agent) = plugged();
    agent.claim(released(a_claim()));
    assert_eq!(agent.place(), Place::Released);
    assert!(world.has_link("host", HOME));
    let Reply::Failed(error) = agent.add(&world, "c2", "pod") else {
        panic!()
    };
    assert_eq!(error.code, 11);
    assert!(error.msg.contains("released"), "{}", error.msg);
}

#[test]
fn device_of_a_dead_namespace_is_found_and_told() {
    let (mut world, mut agent) = plugged();
    world.kill("pod");
    world.wait_until_the_veth_is_gone();
    // What a real NIC does by itself.
    world.wire();
    assert_eq!(agent.place(), Place::Home);
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
}

#[test]
fn agent_holds_nothing_of_a_pod_between_requests() {
    let (mut world, _agent) = plugged();
    world.kill("pod");
    // The veth, and so its other end, goes with the namespace: at once, if nobody holds it.
    world.wait_until_the_veth_is_gone();
}

#[test]
fn caller_that_hangs_up_is_forgotten() {
    let world = World::new();
    world.ip("host", "link del eth1");
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let file = File::open(world.path("pod")).unwrap();
    let request = Request::Add(an_add(&world.path("pod"), "c1"));
    let given_up = ask(
        &agent.socket(),
        request,
        Some(file.as_fd()),
        Duration::ZERO,
        Duration::from_millis(200),
    );
    assert!(matches!(given_up, Err(NoReply::TooSlow)));
    // The request after it is answered behind the hang-up of the one before.
    assert_eq!(agent.del(None, "c2"), Reply::Deleted);
    world.wire();
    assert_eq!(agent.place(), Place::Seen);
    assert!(world.device("pod").is_none());
}

#[test]
fn refused_plug_says_why_and_works_once_the_cause_is_gone() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    world.ip("pod", "link add eni0 type bridge");
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!()
    };
    assert_eq!(error.code, 100);
    assert!(
        error.msg.contains("shop/web-0-abcde") && error.msg.contains("named eni0 already"),
        "{}",
        error.msg
    );
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
    world.ip("pod", "link del eni0");
    added(agent.add(&world, "c1", "pod"));
}

#[test]
fn note_of_the_plugin_is_done_at_the_next_start() {
    let (world, agent) = plugged();
    let socket = agent.socket();
    let folder = agent.stop();
    let del = Del::from(sandbox("c1"));
    tombstone::write(&tombstone::folder(&socket), &del).unwrap();
    let agent = Agent::start_in(&world, folder);
    wait_until(|| world.has_link("host", HOME));
    wait_until(|| agent.journal() == 0);
}

#[test]
fn add_whose_device_vanished_waits_for_it() {
    let (world, agent) = plugged();
    // The other end of the wire, and with it the device in the pod.
    world.ip("vpc", "link del eni0a");
    let adding = agent.adding(&world, "c1", "pod");
    wait_until(|| agent.log().contains("the device has not returned"));
    world.wire();
    added(adding.join().unwrap());
    assert_eq!(agent.journal(), 1);
}

#[test]
fn claim_that_the_api_server_lost_keeps_its_device() {
    let (world, mut agent) = plugged();
    let before = world.portrait("pod");
    agent.gone(&a_claim());
    agent.list(vec![]);
    assert_eq!(agent.del(None, "never-seen"), Reply::Deleted);
    assert_eq!(world.portrait("pod"), before);
    assert!(agent.is_quiet());
}

#[test]
fn only_well_formed_requests_of_our_version_are_heard() {
    let world = World::new();
    let agent = Agent::start(&world);
    assert_eq!(
        std::fs::metadata(agent.socket())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let say = |line: &str| -> Reply {
        let mut stream = UnixStream::connect(agent.socket()).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{line:?}: {e}: {answer:?}"))
    };
    let long = format!("\"{}", "x".repeat(LONGEST_LINE));
    let other = json!({ "version": VERSION + 1, "request": "future" }).to_string() + "\n";
    for (line, part) in [
        ("", "no end"),
        ("{}\n", "version"),
        ("nonsense\n", "expected"),
        (long.as_str(), "too long"),
        (other.as_str(), "installs the plugin that fits"),
    ] {
        let Reply::Failed(error) = say(line) else {
            panic!("{line:?}")
        };
        assert_eq!(error.code, 101);
        assert!(error.msg.contains(part), "{part}: {}", error.msg);
    }
}

#[test]
fn add_without_the_pods_namespace_is_refused() {
    let world = World::new();
    let agent = Agent::start(&world);
    let plain = File::open("/etc/hostname").unwrap();
    for (netns, sentence) in [
        (
            None,
            "the request came without the network namespace of the pod",
        ),
        (
            Some(plain.as_fd()),
            "cannot enter the network namespace /run/netns/x: what was opened is /etc/hostname, not a network namespace",
        ),
    ] {
        let request = Request::Add(an_add("/run/netns/x", "c1"));
        let reply = ask(
            &agent.socket(),
            request,
            netns,
            Duration::ZERO,
            Duration::from_secs(5),
        )
        .unwrap();
        assert!(
            matches!(&reply, Reply::Failed(error) if error.code == 101 && error.msg == sentence),
            "{reply:?}"
        );
    }
}

#[test]
fn envelope_is_one_line_of_json() {
    let envelope = Envelope {
        version: VERSION,
        request: Request::Add(an_add("/run/netns/x", "c1")),
    };
    assert_eq!(
        serde_json::to_value(envelope).unwrap(),
        json!({ "version": VERSION, "request": { "add": {
            "sandbox": { "network": "pods", "containerId": "c1", "ifName": "eth0" },
            "position": "chained", "netns": "/run/netns/x",
            "asked": { "pod": { "namespace": "shop", "name": "web-0", "uid": "u-1" } }
        } } })
    );
}
