//! CHECK.

use cni::protocol::{Checked, Reply, Request};
use cni::{CniError, error::code};
use serde_json::{Value, json};

use crate::runtime::{
    Agent, Call, Run, Script, a_call, a_configuration, a_folder, of_another_pod, previous_result,
};

fn an_interface() -> Checked {
    Checked {
        name: "eni0".into(),
        mac: "02:00:00:00:00:0a".into(),
    }
}

/// What ADD gave, as the runtime kept it.
fn kept() -> Value {
    let mut result = previous_result();
    result["interfaces"].as_array_mut().unwrap().push(json!({
        "name": "eni0", "mac": "02:00:00:00:00:0A", "mtu": 9001, "sandbox": "/proc/self/ns/net"
    }));
    result
}

fn run(change: impl FnOnce(Call) -> Call, result: &Value, reply: Reply) -> (Run, Request) {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(reply)]);
    let mut configuration = a_configuration(folder.path());
    configuration["prevResult"] = result.clone();
    let run = change(a_call("CHECK", folder.path()).configured(&configuration)).run();
    let (envelope, netns) = agent.heard().remove(0);
    assert!(netns.is_some());
    (run, envelope.request)
}

#[test]
fn pod_with_what_add_gave_it_passes() {
    let (run, request) = run(|call| call, &kept(), Reply::Checked(vec![an_interface()]));
    assert!(run.ok, "{}", run.stdout);
    assert_eq!(run.stdout, "");
    let Request::Check(check) = request else {
        panic!("{request:?}")
    };
    assert_eq!(check.sandbox.container_id, "0a1b2c");
    assert_eq!(check.asked.pod().unwrap().uid, "u-1");
    assert_eq!(check.netns, "/proc/self/ns/net");
}

#[test]
fn interface_that_the_runtime_does_not_know_is_told() {
    let reply = || Reply::Checked(vec![an_interface()]);
    let differs = |result: &Value, part: &str| {
        let (run, _) = run(|call| call, result, reply());
        run.refused(code::DIFFERENT, part);
    };
    differs(&previous_result(), "lists no such interface");
    differs(&json!({}), "lists no such interface");
    let mut other = kept();
    other["interfaces"][2]["mac"] = "02:00:00:00:00:0b".into();
    differs(&other, "gives it the MAC address 02:00:00:00:00:0b");
    let mut other = kept();
    other["interfaces"][2]["sandbox"] = "/run/netns/other".into();
    differs(&other, "lists no such interface in /proc/self/ns/net");
}

#[test]
fn difference_that_the_agent_found_is_the_error() {
    let found = CniError::new(code::DIFFERENT, "eni0 is down");
    run(|call| call, &kept(), Reply::Failed(found))
        .0
        .refused(code::DIFFERENT, "eni0 is down");
}

#[test]
fn pod_that_did_not_ask_passes_without_an_agent() {
    let folder = a_folder();
    for version in ["1.1.0", "0.3.1", "9.9.9"] {
        let mut configuration = of_another_pod(folder.path());
        configuration["cniVersion"] = version.into();
        let call = a_call("CHECK", folder.path()).configured(&configuration);
        assert!(call.without("CNI_NETNS").run().ok);
    }
}

#[test]
fn check_needs_the_result_and_the_namespace() {
    let folder = a_folder();
    a_call("CHECK", folder.path())
        .without("CNI_NETNS")
        .run()
        .refused(4, "CNI_NETNS");
    let mut configuration = a_configuration(folder.path());
    configuration["prevResult"] = json!(null);
    a_call("CHECK", folder.path())
        .configured(&configuration)
        .run()
        .refused(7, "prevResult");
}

#[test]
fn absent_agent_is_named() {
    let folder = a_folder();
    a_call("CHECK", folder.path())
        .run()
        .refused(11, "eniclaim-agent DaemonSet");
}
