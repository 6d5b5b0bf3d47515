//! How requests end: answered, given up, or in favour of another one.

use cni::protocol::{Check, Del, Reply, Request};
use serde_json::json;

use crate::{
    running::{Agent, a_claim, an_add, claim_document, sandbox, wait_until},
    world::{HOME, World},
};

fn add(world: &World) -> Request {
    Request::Add(an_add(&world.path("pod"), "c1"))
}

#[test]
fn newer_of_two_sandboxes_that_wait_gets_the_device_and_the_older_is_answered_at_once() {
    let mut world = World::new();
    world.pod("newer");
    world.ip("host", "link del eth1");
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let older = agent.asks(1, add(&world), Some(world.path("pod")));
    let newer = Request::Add(an_add(&world.path("newer"), "c2"));
    let newer = agent.asks(2, newer, Some(world.path("newer")));
    let Reply::Failed(error) = older.blocking_recv().unwrap() else {
        panic!("the older sandbox has the device")
    };
    assert_eq!(error.code, 11);
    assert!(error.msg.contains("a newer sandbox, c2"), "{}", error.msg);
    world.wire();
    assert!(matches!(newer.blocking_recv(), Ok(Reply::Added(_))));
    assert!(matches!(
        agent.add(&world, "c1", "pod"),
        Reply::Failed(error) if error.msg.contains("a newer sandbox, c2")
    ));
    assert!(world.device("newer").is_some());
}

#[test]
fn add_that_ends_without_an_answer_leaves_nothing_in_the_pod() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let moves = agent.moves();
    let held = moves.lock().unwrap();
    let _waiting = agent.asks(1, add(&world), Some(world.path("pod")));
    wait_until(|| agent.journal() == 1);
    agent.hangs_up(1);
    // What was begun is done, and then undone.
    drop(held);
    wait_until(|| world.has_link("host", HOME) && agent.journal() == 0);
    assert!(world.device("pod").is_none());
}

#[test]
fn answer_that_nobody_takes_is_none() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    drop(agent.asks(1, add(&world), Some(world.path("pod"))));
    wait_until(|| world.has_link("host", HOME) && agent.journal() == 0);
}

#[test]
fn each_answer_is_counted_by_what_was_asked() {
    let world = World::new();
    world.ip("host", "link del eth1");
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let check = Request::Check(Check {
        sandbox: sandbox("c1"),
        netns: world.path("pod"),
        asked: an_add("", "c1").asked,
    });
    let del = Request::Del(Del::from(sandbox("c1")));
    let answers = [
        agent.asks(1, add(&world), Some(world.path("pod"))),
        agent.asks(2, check, Some(world.path("pod"))),
        agent.asks(3, del, None),
    ];
    for answer in answers {
        answer.blocking_recv().unwrap();
    }
    let metrics = agent.metrics();
    for (counter, count) in [
        ("cni_requests_total{command=\"ADD\",outcome=\"waiting\"}", 1),
        (
            "cni_requests_total{command=\"CHECK\",outcome=\"waiting\"}",
            1,
        ),
        ("cni_requests_total{command=\"DEL\",outcome=\"success\"}", 1),
    ] {
        let line = format!("eniclaim_agent_{counter} {count}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[test]
fn claim_that_cannot_be_read_is_named_and_its_device_stays() {
    for (pointer, part, said) in [
        (
            "/status/phase",
            "Unheard",
            "cannot be read: status.phase: unknown variant `Unheard`",
        ),
        (
            "/status/ipam/addresses/0/gateway",
            "2001:db8::1",
            "cannot be read: status.ipam.addresses: 10.0.1.50/24 with gateway 2001:db8::1",
        ),
    ] {
        let world = World::new();
        let agent = Agent::start(&world);
        agent.list(vec![a_claim()]);
        assert!(matches!(agent.add(&world, "c1", "pod"), Reply::Added(_)));
        let mut document = claim_document();
        *document.pointer_mut(pointer).unwrap() = json!(part);
        agent.document(document);
        let Reply::Failed(error) = agent.add(&world, "c2", "pod") else {
            panic!("{pointer}")
        };
        assert_eq!(error.code, 11);
        assert!(
            error
                .msg
                .starts_with(&format!("EniClaim shop/web-0-abcde {said}")),
            "{}",
            error.msg
        );
        assert!(world.device("pod").is_some());
        agent.claim(a_claim());
        assert!(matches!(agent.add(&world, "c2", "pod"), Reply::Added(_)));
    }
}
