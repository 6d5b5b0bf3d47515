//! An agent that lacks the mounts of namespaces on its node.

use cni::protocol::{Reply, Request};
use tempfile::NamedTempFile;

use crate::{
    caller::Caller,
    running::{Agent, a_claim, an_add},
    world::World,
};

#[test]
fn namespace_whose_mount_does_not_reach_the_agent_is_refused_with_the_cure() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    // What the agent sees then: the file that the runtime mounted the namespace on.
    let file = NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let add = Request::Add(an_add(path, "c1"));
    let Reply::Failed(error) = Caller::ask(&agent, add, Some(&world.path("pod"))).answer() else {
        panic!("plugged into a namespace that the agent would not find again")
    };
    let words = [path, "mountPropagation: HostToContainer"];
    assert!(
        words.iter().all(|part| error.msg.contains(part)),
        "{}",
        error.msg
    );
    assert_eq!(agent.journal(), 0);
    assert!(world.device("pod").is_none());
}
