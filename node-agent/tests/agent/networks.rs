//! Two networks that name a container and its interface alike.

use std::path::Path;

use cni::protocol::{Add, Asked, Pod, Position, Reply, Request, Sandbox};
use serde_json::json;

use crate::{
    caller::Caller,
    running::{Agent, a_claim, an_add, claim_document, journal_files, sandbox},
    world::{HOME, World},
};

const SECOND: &str = "02:ec:00:00:00:0b";
const SECOND_HOME: &str = "ec02ec0000000b";

fn in_storage() -> Sandbox {
    Sandbox {
        network: "storage".into(),
        ..sandbox("c1")
    }
}

fn add(agent: &Agent, add: Add) {
    let path = add.netns.clone();
    let reply = Caller::ask(agent, Request::Add(add), Some(&path)).answer();
    assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
}

fn del(agent: &Agent, sandbox: Sandbox) {
    let reply = Caller::ask(agent, Request::Del(sandbox.into()), None).answer();
    assert_eq!(reply, Reply::Deleted);
}

fn networks_in_the_journal(agent: &Agent) -> Vec<String> {
    let network = |file: &Path| file.parent()?.file_name()?.to_str().map(str::to_owned);
    let files = journal_files(agent.folder());
    let mut networks: Vec<_> = files.iter().filter_map(|file| network(file)).collect();
    networks.sort();
    networks
}

#[test]
fn each_network_has_an_entry_of_its_own_which_goes_by_its_own_del() {
    let mut world = World::new();
    world.pod("other");
    world.ip(
        "host",
        &format!("link add eth2 address {SECOND} type veth peer name far"),
    );
    let agent = Agent::start(&world);
    let mut other = claim_document();
    other["metadata"] = json!({ "namespace": "shop", "name": "db-0-fghij", "uid": "c-2" });
    let status = &mut other["status"];
    status["binding"]["podName"] = json!("db-0");
    status["binding"]["podUid"] = json!("u-2");
    status["eni"]["id"] = json!("eni-0123456789abcdef1");
    status["eni"]["mac"] = json!(SECOND);
    status["attachment"]["id"] = json!("eni-attach-0123456789abcdef1");
    agent.list(vec![a_claim(), serde_json::from_value(other).unwrap()]);

    add(&agent, an_add(&world.path("pod"), "c1"));
    add(
        &agent,
        Add {
            sandbox: in_storage(),
            netns: world.path("other"),
            asked: Asked::Pod(Pod {
                namespace: "shop".into(),
                name: "db-0".into(),
                uid: "u-2".into(),
                interfaces: None,
            }),
            position: Position::Chained,
        },
    );
    assert_eq!(networks_in_the_journal(&agent), ["pods", "storage"]);

    let before = world.json("other", "rule");
    del(&agent, sandbox("c1"));
    assert!(world.has_link("host", HOME) && !world.has_link("host", SECOND_HOME));
    assert_eq!(networks_in_the_journal(&agent), ["storage"]);
    assert!(world.has_link("other", "eni0"));
    assert_eq!(world.json("other", "rule"), before);

    del(&agent, in_storage());
    assert!(world.has_link("host", SECOND_HOME));
    assert_eq!(agent.journal(), 0);
}
