//! DEL.

use cni::protocol::{Reply, Request};
use cni::{CniError, tombstone};

use crate::runtime::{Agent, Script, a_call, a_folder, of_another_pod};

#[test]
fn agent_is_asked_and_the_answer_is_silence() {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Deleted)]);
    let run = a_call("DEL", folder.path()).run();
    assert!(run.ok);
    assert_eq!(run.stdout, "");
    let (envelope, netns) = agent.heard().remove(0);
    assert!(matches!(envelope.request, Request::Del(del) if del.sandbox.container_id == "0a1b2c"));
    assert!(netns.is_some());
}

#[test]
fn missing_empty_or_vanished_namespace_is_no_error() {
    let without = |folder: &std::path::Path| a_call("DEL", folder).without("CNI_NETNS");
    let empty = |folder: &std::path::Path| a_call("DEL", folder).with("CNI_NETNS", "");
    let vanished =
        |folder: &std::path::Path| a_call("DEL", folder).with("CNI_NETNS", "/run/netns/cni-gone");
    for call in [without, empty, vanished] {
        let folder = a_folder();
        let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Deleted)]);
        assert!(call(folder.path()).run().ok);
        assert!(agent.heard()[0].1.is_none());
    }
}

#[test]
fn pod_that_did_not_ask_needs_no_agent() {
    let folder = a_folder();
    assert!(
        a_call("DEL", folder.path())
            .configured(&of_another_pod(folder.path()))
            .run()
            .ok
    );
}

#[test]
fn unreadable_configuration_is_no_error() {
    let folder = a_folder();
    for text in ["", "{", "[]", r#"{"cniVersion":"9.9.9"}"#] {
        let mut call = a_call("DEL", folder.path());
        call.stdin = text.into();
        assert!(call.run().ok, "{text:?}");
    }
}

#[test]
fn refusal_of_the_agent_is_an_error() {
    let folder = a_folder();
    let agent = Agent::listen(
        folder.path(),
        vec![Script::Answer(Reply::Failed(CniError::new(
            11,
            "the device is busy",
        )))],
    );
    a_call("DEL", folder.path()).run().refused(11, "busy");
    agent.heard();
}

#[test]
fn absent_agent_finds_a_tombstone_and_the_pod_may_go() {
    let folder = a_folder();
    for _ in 0..2 {
        assert!(a_call("DEL", folder.path()).run().ok);
    }
    let stones = tombstone::read(&tombstone::folder(&folder.path().join("agent.sock"))).unwrap();
    let [(_, Ok(del))] = &stones[..] else {
        panic!("{stones:?}")
    };
    assert_eq!(del.sandbox.container_id, "0a1b2c");
}
