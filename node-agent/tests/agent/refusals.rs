//! What requests are answered that cannot be done: the sentence names the object, the cause and the cure.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    time::Duration,
};

use cni::{
    agent::ask,
    protocol::{Check, Reply, Request},
};
use serde_json::json;

use crate::{
    running::{Agent, a_claim, an_add, plugged, with},
    world::{ENI, MAC, World},
};

#[test]
fn namespace_of_another_kind_is_said_to_be_one() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let uts = fs::read_link("/proc/self/ns/uts").unwrap();
    let Reply::Failed(error) = agent.add_with("/proc/self/ns/uts", &world.path("pod"), "c1") else {
        panic!()
    };
    assert_eq!(
        error.msg,
        format!(
            "EniClaim shop/web-0-abcde ({ENI}): cannot enter the network namespace {}: what was opened is {}, not a network namespace",
            world.path("pod"),
            uts.display()
        )
    );
}

#[test]
fn setting_that_cannot_be_written_is_said_with_its_path_and_what_the_agent_needs() {
    let mut world = World::new();
    world.proc_sys_net = "/nowhere".into();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!()
    };
    assert_eq!(
        error.msg,
        format!(
            "EniClaim shop/web-0-abcde ({ENI}): cannot set rp_filter of the interface to 2: /nowhere/ipv4/conf/eni0/rp_filter: \
         No such file or directory (os error 2); the pod of the eniclaim-agent needs the node's /proc/sys/net mounted writable at \
         /nowhere, as the chart does"
        )
    );
}

#[test]
fn mount_is_not_blamed_for_a_setting_that_is_refused_for_another_reason() {
    let mut world = World::new();
    let mount = tempfile::tempdir().unwrap();
    let setting = mount.path().join("ipv4/conf/eni0/rp_filter");
    fs::create_dir_all(&setting).unwrap();
    world.proc_sys_net = mount.path().into();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!()
    };
    let end = format!("{}: Is a directory (os error 21)", setting.display());
    assert!(error.msg.ends_with(&end), "{}", error.msg);
}

/// Cases: M10.
#[test]
fn second_gateway_of_a_family_is_named_before_anything_is_touched() {
    let world = World::new();
    let addresses = json!([
        { "address": "10.0.1.50", "prefixLength": 24, "gateway": "10.0.1.1", "role": "Primary" },
        { "address": "10.0.2.50", "prefixLength": 24, "gateway": "10.0.2.1", "role": "Secondary" }
    ]);
    let claim = with(a_claim(), "/status/ipam/addresses", addresses);
    let portraits = || ["host", "pod"].map(|netns| world.portrait(netns));
    let before = portraits();
    let agent = Agent::start(&world);
    agent.list(vec![claim]);
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!()
    };
    let cause = "EniClaim shop/web-0-abcde cannot be read: status.ipam.addresses: IPv4 has the gateways 10.0.1.1 and 10.0.2.1";
    assert!(error.msg.contains(cause), "{}", error.msg);
    assert_eq!(portraits(), before);
}

#[test]
fn check_names_the_claim_the_interface_and_its_device() {
    let (world, agent) = plugged();
    world.ip("pod", "link set eni0 mtu 1500");
    let file = File::open(world.path("pod")).unwrap();
    let add = an_add(&world.path("pod"), "c1");
    let check = Request::Check(Check {
        sandbox: add.sandbox,
        netns: add.netns,
        asked: add.asked,
    });
    let deadline = Duration::from_secs(20);
    let reply = ask(
        &agent.socket(),
        check,
        Some(file.as_fd()),
        Duration::ZERO,
        deadline,
    );
    let Ok(Reply::Failed(error)) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(
        error.msg,
        format!(
            "EniClaim shop/web-0-abcde: interface eni0 with MAC address {MAC} is not as it was set: the MTU is 1500, not 9001"
        )
    );
}
