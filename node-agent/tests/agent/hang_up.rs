//! Callers that are gone before their answer.

use cni::protocol::{Asked, Reply, Request};
use node_agent_core::claim::Place;
use serde_json::json;

use crate::{
    caller::Caller,
    running::{Agent, a_claim, an_add, sandbox, wait_until, with},
    world::{HOME, World},
};

fn adding(agent: &Agent, world: &World, container: &str) -> Caller {
    let path = world.path("pod");
    let add = Request::Add(an_add(&path, container));
    Caller::ask(agent, add, Some(&path))
}

fn deleting(agent: &Agent, container: &str) -> Caller {
    let sandbox = sandbox(container);
    Caller::ask(agent, Request::Del(sandbox.into()), None)
}

#[test]
fn plug_whose_plugin_was_killed_is_undone_and_the_next_one_works() {
    let world = World::new();
    let before = world.portrait("pod");
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let moves = agent.moves();
    let held = moves.lock().unwrap();
    let plugin = adding(&agent, &world, "c1");
    // Right before the move.
    world.wait_until(|world| {
        world
            .device("host")
            .is_some_and(|device| device["mtu"] == 9001)
    });
    assert_eq!(agent.journal(), 1);
    drop(plugin);
    // The engine hears of the hang-up before these are answered.
    assert!(agent.is_quiet());
    drop(held);
    wait_until(|| agent.journal() == 0);
    assert!(world.has_link("host", HOME));
    assert_eq!(world.portrait("pod"), before);
    assert_eq!(agent.place(), Place::Seen);

    let reply = adding(&agent, &world, "c1").answer();
    assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
}

#[test]
fn repeated_add_whose_plugin_was_killed_changes_nothing_for_the_running_pod() {
    let world = World::new();
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let reply = adding(&agent, &world, "c1").answer();
    assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
    while !matches!(agent.place(), Place::Plugged { .. }) {}
    let before = world.portrait("pod");
    let moves = agent.moves();
    // A device that was on its way to the host could not come back.
    let held = moves.lock().unwrap();
    for _ in 0..5 {
        drop(adding(&agent, &world, "c1"));
        let reply = adding(&agent, &world, "c1").answer();
        assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
    }
    drop(held);
    assert_eq!(world.portrait("pod"), before);
    assert_eq!(agent.journal(), 1);
}

#[test]
fn deletion_of_a_sandbox_ends_its_add_at_once_and_no_other() {
    let world = World::new();
    let mut agent = Agent::start(&world);
    let waiting = with(a_claim(), "/status/attachment/id", json!(null));
    let other = [
        ("/metadata/name", json!("web-1-abcde")),
        (
            "/spec/owner",
            json!({ "kind": "Pod", "name": "web-1", "uid": "u-2" }),
        ),
        ("/status/binding/podName", json!("web-1")),
        ("/status/binding/podUid", json!("u-2")),
        ("/status/eni/mac", json!("02:ec:00:00:00:0b")),
    ];
    let other = other
        .into_iter()
        .fold(waiting.clone(), |claim, (pointer, value)| {
            with(claim, pointer, value)
        });
    agent.list(vec![waiting, other]);
    let path = world.path("pod");
    let mut add = an_add(&path, "c0");
    let Asked::Pod(pod) = &mut add.asked else {
        unreachable!();
    };
    (pod.name, pod.uid) = ("web-1".into(), "u-2".into());
    let mut earlier = Caller::ask(&agent, Request::Add(add), Some(&path));
    assert!(agent.is_quiet());
    let ended = adding(&agent, &world, "c1");
    // Both have been taken in by then.
    assert!(agent.is_quiet());
    let deleted = deleting(&agent, "c1").answer();
    assert_eq!(deleted, Reply::Deleted);
    let Reply::Failed(error) = ended.answer() else {
        panic!("it was plugged")
    };
    assert_eq!(
        (error.code, error.msg.contains("is being deleted")),
        (11, true),
        "{}",
        error.msg
    );
    // What began before it would have run into its own end first.
    assert!(earlier.is_waiting());
}
