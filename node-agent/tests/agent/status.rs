//! `eniclaim-agent status`: what it shows is what the kernel has.

use std::{path::Path, process::Command};

use cni::protocol::Reply;
use node_agent::status::{Block, State, Status};
use node_agent_core::claim::Place;
use serde_json::{Value, json};

use crate::{
    running::{Agent, a_claim, plugged, plugged_by, wait_until, with},
    task::Task,
    world::{ENI, MAC, World},
};

/// Whether it succeeded, and what it said to a person and to a program.
pub fn show(socket: &Path, output: &str) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_eniclaim-agent"))
        .args(["status", "--output", output, "--socket"])
        .arg(socket)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn status(agent: &Agent) -> Status {
    let (done, json, said) = show(&agent.socket(), "json");
    assert!(done && said.is_empty(), "{said}");
    serde_json::from_str(&json).unwrap()
}

/// Our routing rules in the pod, as ip shows them.
fn our_rules(world: &World) -> Vec<Value> {
    let of_family = |family: &str| {
        let rules = world.json("pod", &format!("{family} rule list"));
        let rules = rules.as_array().unwrap().iter();
        let rules = rules.filter(|rule| rule["protocol"] == "236");
        rules.cloned().collect::<Vec<_>>()
    };
    [of_family("-4"), of_family("-6")].concat()
}

/// What a class asks for late, and what a pod removes.
#[test]
fn what_is_shown_is_what_the_pod_has_whatever_its_class_says() {
    for mode in ["Fallback", "Primary"] {
        let claim = with(a_claim(), "/status/interface/defaultRoute", json!(mode));
        let (world, agent) = plugged_by(claim);
        let device = || status(&agent).devices.remove(0);
        let shown = device();
        let rules = our_rules(&world);
        assert_eq!(shown.rules.len(), rules.len(), "{shown:?} {rules:?}");
        assert_eq!(shown.metadata, Some(Block::Blocked));

        world.ip("pod", "rule del priority 1");
        let shown = device();
        assert_eq!(shown.rules.len(), rules.len() - 1, "{shown:?}");
        assert_eq!(shown.metadata, Some(Block::FilterOnly));
        let flushed = world.exec("pod", &["nft", "flush", "ruleset"]);
        assert!(flushed.status.success(), "{flushed:?}");
        assert_eq!(device().metadata, Some(Block::NotBlocked));
        world.ip("pod", "addr del 10.0.1.50/32 dev eni0");
        assert!(device().addresses.is_empty());
        world.rename("pod", "eni0", "other");
        assert_eq!(device().interface.as_deref(), Some("other"));
    }
}

#[test]
fn plugged_device_is_shown_with_the_table_and_rules_that_the_pod_has() {
    let (world, mut agent) = plugged();
    let shown = status(&agent);
    assert!(shown.claims_listed && shown.instance.is_some());
    let [device] = &shown.devices[..] else {
        panic!("{shown:?}");
    };
    assert_eq!(
        (
            device.device.as_str(),
            device.eni.as_str(),
            device.claim.as_deref().unwrap()
        ),
        (MAC, ENI, "shop/web-0-abcde")
    );
    assert_eq!(device.pod.as_deref(), Some("shop/web-0"));
    let link = world.device("pod").unwrap();
    assert_eq!(device.interface.as_deref(), link["ifname"].as_str());
    assert_eq!(
        device.addresses,
        ["10.0.1.50".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(
        (device.state, device.metadata),
        (State::Plugged, Some(Block::Blocked))
    );
    // As many of ours as the pod has, and the table that they lead to.
    let rules = our_rules(&world);
    assert_eq!(
        device.rules.len(),
        rules.len(),
        "{:?} {rules:?}",
        device.rules
    );
    let table = device.table.unwrap().to_string();
    assert!(
        rules.iter().any(|rule| rule["table"] == table.as_str()),
        "{rules:?}"
    );

    let (done, text, _) = show(&agent.socket(), "table");
    let lines: Vec<&str> = text.lines().collect();
    assert!(done && lines.len() == 2, "{text}");
    let columns = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(columns(lines[0])[..3], ["DEVICE", "CLAIM", "POD"]);
    let count = rules.len().to_string();
    let row = [
        MAC,
        "shop/web-0-abcde",
        "shop/web-0",
        "eni0",
        "10.0.1.50",
        &table,
        &count,
        "blocked",
    ];
    let columns = columns(lines[1]);
    assert_eq!(columns[..8], row);
    // No server is there, so that it has no lease.
    let leases = columns[8].as_str();
    assert!(
        ["IPv4:init", "IPv4:selecting"].contains(&leases),
        "{leases}"
    );
    assert_eq!(columns[9..], ["plugged"]);

    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    while agent.place() != Place::Home {}
    let home = &status(&agent).devices[0];
    assert_eq!(
        (home.state, home.table, home.rules.len()),
        (State::OnHost, None, 0)
    );
}

#[test]
fn agent_that_knows_no_claims_or_none_with_an_eni_says_so() {
    let world = World::new();
    let agent = Agent::start(&world);
    let (done, text, _) = show(&agent.socket(), "table");
    assert!(
        done && text.contains("has not read this node's claims"),
        "{text}"
    );
    agent.list(Vec::new());
    wait_until(|| show(&agent.socket(), "table").1 == "No claim of this node has an ENI.\n");
    agent.list(vec![a_claim()]);
    wait_until(|| {
        status(&agent)
            .devices
            .first()
            .is_some_and(|d| d.state == State::OnHost)
    });
}

#[test]
fn without_an_agent_a_sentence_says_where_to_look() {
    let folder = tempfile::tempdir().unwrap();
    for output in ["table", "json"] {
        let (done, text, said) = show(&folder.path().join("agent.sock"), output);
        assert!(!done && text.is_empty());
        assert!(
            said.contains("no agent of eniclaim answers at") && said.contains("DaemonSet"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn container_with_an_address_on_a_bridge_is_shown_beside_the_devices() {
    let mut world = World::new();
    world.namespace("task");
    let agent = Agent::start(&world);
    let bridge = json!({
        "type": "ecs-bridge", "cniVersion": "0.4.0", "bridge": "ecs-br0",
        "ipam": { "type": "ecs-ipam", "ipv4-subnet": "169.254.172.0/22" },
    });
    Task::new(&world, &agent, "a", "eth0").add(&bridge);
    let (shown, table, _) = show(&agent.socket(), "table");
    let line = "169.254.172.2/22  ecs-br0  -   ecs-bridge  a          eth0";
    assert!(shown && table.contains(line), "{table}");
}
