//! The program on real wires: namespaces play instances and pods. Needs root.

#[path = "wires/addresses.rs"]
mod addresses;
#[path = "wires/faults.rs"]
mod faults;
#[path = "wires/traffic.rs"]
mod traffic;

use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::machine::{
    ATTACH_DELAY, Machine, attach, available_eni, await_available, call, configure, device,
    eventually, exists, ip,
};

const NODES: &str = "sg-000000000000000a1";
const APP: &str = "sg-000000000000000a2";
const PEER: &str = "sg-000000000000000a3";

/// A machine with one node, one attached ENI moved into a pod and configured there.
struct Pod {
    machine: Machine,
    node: String,
    netns: String,
    mac: String,
    address: String,
    eni: String,
    attachment: String,
}

fn a_pod_with_an_eni() -> Pod {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, address) = available_eni(&node);
    let attachment = attach(&node, &eni, &instance);
    let link = eventually("link is there", || device(&node, &mac));
    let pod = machine.namespace("pod");
    ip(&format!(
        "-n {node} link set {} netns {pod} name eni0",
        link["ifname"].as_str().unwrap()
    ));
    configure(&pod, "eni0", &address);
    Pod {
        machine,
        node,
        netns: pod,
        mac,
        address,
        eni,
        attachment,
    }
}

#[test]
fn attached_interface_appears_down_with_its_mac_after_the_delay() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, _) = available_eni(&node);
    let begin = Instant::now();
    attach(&node, &eni, &instance);
    assert_eq!(device(&node, &mac), None);
    let link = eventually("link is there", || device(&node, &mac));
    assert!(begin.elapsed() >= ATTACH_DELAY);
    assert_eq!(
        (link["ifname"].as_str(), link["operstate"].as_str()),
        (Some("eth1"), Some("DOWN"))
    );
    // A host sets what it wants on a device that comes later: nobody did. The VPC carries 9001.
    assert_eq!(link["mtu"], 1500);
    let far = machine.vpc_namespace();
    for (netns, count) in [(&node, 1), (&far, 2)] {
        let links: Vec<Value> =
            serde_json::from_str(&ip(&format!("-n {netns} -j link show type veth"))).unwrap();
        let large = links.iter().filter(|link| link["mtu"] == 9001);
        assert_eq!(large.count(), count, "{links:?}");
    }
}

#[test]
fn interface_comes_home_when_its_namespace_dies() {
    let Pod {
        machine,
        node,
        netns: pod,
        mac,
        ..
    } = a_pod_with_an_eni();
    assert_eq!(device(&node, &mac), None);
    ip(&format!("netns del {pod}"));
    let link = eventually("link is home", || device(&node, &mac));
    assert_eq!(link["operstate"], "DOWN");
    assert_eq!(machine.audit().as_array().unwrap().len(), 1);
}

#[test]
fn detach_takes_the_interface_out_of_a_pod_too() {
    let Pod {
        machine,
        node,
        netns: pod,
        mac,
        eni,
        attachment,
        ..
    } = a_pod_with_an_eni();
    assert!(device(&pod, &mac).is_some());
    call(
        &node,
        &format!("Action=DetachNetworkInterface&AttachmentId={attachment}"),
    )
    .unwrap();
    eventually("link is gone", || {
        device(&pod, &mac).is_none().then_some(())
    });
    assert_eq!(device(&node, &mac), None);
    await_available(&node, &eni);
    call(
        &node,
        &format!("Action=DeleteNetworkInterface&NetworkInterfaceId={eni}"),
    )
    .unwrap();
    assert_eq!(machine.audit(), json!([]));
}

#[test]
fn terminated_instance_has_no_links() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    assert_eq!(
        machine
            .sim("DELETE", &format!("/sim/instances/{instance}"), "")
            .0,
        200
    );
    assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    assert_eq!(machine.audit(), json!([]));
}

#[test]
fn instance_in_no_namespace_is_refused_and_leaves_nothing() {
    let machine = Machine::start();
    let new = json!({
        "name": "n", "netns": "no-such-namespace", "subnetId": "subnet-000000000000000a1", "instanceType": "m5.large",
    });
    let (status, refusal) = machine.sim("POST", "/sim/instances", &new.to_string());
    assert_eq!(status, 500);
    assert!(
        refusal["error"]
            .as_str()
            .unwrap()
            .contains("no-such-namespace"),
        "{refusal}"
    );
    assert_eq!(machine.audit(), json!([]));
}

#[test]
fn signals_leave_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let Pod {
            mut machine,
            node,
            netns: pod,
            mac,
            ..
        } = a_pod_with_an_eni();
        assert!(machine.stop(signal));
        assert!(!exists(&machine.vpc_namespace()));
        assert_eq!(device(&pod, &mac), None);
        assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    }
}

#[test]
fn next_run_removes_what_a_killed_one_left() {
    let Pod {
        mut machine,
        node,
        netns: pod,
        mac,
        ..
    } = a_pod_with_an_eni();
    machine.crash_and_restart();
    assert_eq!(device(&pod, &mac), None);
    assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    assert_eq!(machine.audit(), json!([]));
}
