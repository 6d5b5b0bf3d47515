//! A simulator that ends and starts again with its state file. Needs root.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use rustix::process::Signal;
use serde_json::json;

use crate::machine::{
    Machine, attach, attach_at, available_eni, call, device, eventually, exists, ip,
};

const NODES: &str = "sg-000000000000000a1";
const KEPT: &str = "--state-file={}/state.json";

#[test]
fn killed_simulator_goes_on_from_its_state_file_with_the_links_that_are_there() {
    let mut machine = Machine::start_with(&[KEPT]);
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, _) = available_eni(&node);
    attach(&node, &eni, &instance);
    let link = eventually("link is there", || device(&node, &mac));
    let (unattached, ..) = available_eni(&node);
    let fault = json!({ "action": "CreateTags", "replyLost": true }).to_string();
    machine.sim("POST", "/sim/faults", &fault);
    machine.sim(
        "POST",
        "/sim/settings",
        &json!({ "eniLimit": 3 }).to_string(),
    );
    let seen = |machine: &Machine| {
        ["snapshot", "calls", "faults", "settings", "delays", "audit"]
            .map(|what| machine.sim("GET", &format!("/sim/{what}"), "").1)
    };
    let before = seen(&machine);
    machine.crash_and_restart();
    assert_eq!(seen(&machine), before);
    assert_eq!(device(&node, &mac).unwrap()["ifindex"], link["ifindex"]);
    // What was under way goes on, and the API answers through the old links.
    let attachment = attach_at(&node, &unattached, &instance, 1);
    machine.crash_and_restart();
    let described = format!("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1={unattached}");
    eventually("attached", || {
        let body = call(&node, &described).unwrap().1;
        (body.contains(&attachment) && body.contains("<status>attached</status>")).then_some(())
    });
}

#[test]
fn stopped_simulator_takes_its_links_away_and_makes_them_again() {
    let mut machine = Machine::start_with(&[KEPT]);
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, _) = available_eni(&node);
    attach(&node, &eni, &instance);
    eventually("link is there", || device(&node, &mac));
    assert!(machine.stop(Signal::TERM));
    assert!(!exists(&machine.vpc_namespace()));
    assert_eq!(device(&node, &mac), None);
    machine.restart();
    eventually("link is there again", || device(&node, &mac));
    let audit = machine.audit();
    assert_eq!(audit.as_array().unwrap().len(), 1, "{audit}");
}

/// An `ip` that, while the file `cut` is there, runs the first line of a batch only, and kills who called it.
const CUT: &str = r#"#!/bin/sh
folder=${0%/*}
PATH=${PATH#*:}
if [ "$1" = -batch ] && [ -e "$folder/cut" ]; then
    head -n 1 | ip -batch -
    kill -9 $PPID
    exit 1
fi
exec ip "$@"
"#;

#[test]
fn link_that_was_half_made_when_the_simulator_was_killed_is_made_again() {
    let mut machine = Machine::start_with(&[KEPT]);
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, address) = available_eni(&node);
    // Found before the real one.
    let bin = machine.file("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("ip"), CUT).unwrap();
    fs::set_permissions(bin.join("ip"), Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("cut"), "").unwrap();
    attach(&node, &eni, &instance);
    machine.child.wait().unwrap();
    let vpc = machine.vpc_namespace();
    assert!(device(&node, &mac).is_some());
    assert_eq!(ip(&format!("-n {vpc} route show {address}")), "");
    fs::remove_file(bin.join("cut")).unwrap();
    machine.restart();
    eventually("link is whole", || {
        let routed = ip(&format!("-n {vpc} route show {address}"));
        (!routed.is_empty() && device(&node, &mac).is_some()).then_some(())
    });
}
