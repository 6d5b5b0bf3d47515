//! The plugin with nothing before it, and as the IPAM plugin of another one.

use std::path::Path;

use cni::{
    CniError,
    error::code,
    protocol::{AddedAddress, AddedRoute, Addressed, Asked, Device, Position, Reply, Request},
};
use serde_json::{Value, json};

use crate::{
    result::an_eni,
    runtime::{Agent, Call, Run, Script, a_call, a_configuration, a_folder, of_another_pod},
};

/// The configuration of the only plugin of a network.
fn alone(mut configuration: Value) -> Value {
    configuration.as_object_mut().unwrap().remove("prevResult");
    configuration
}

fn without_annotations(mut configuration: Value) -> Value {
    let keys = configuration.as_object_mut().unwrap();
    keys.remove("runtimeConfig");
    configuration
}

/// What host-device hands to its IPAM plugin.
fn of_host_device(folder: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "pods", "type": "host-device", "device": "eth1", "other": "theirs",
        "ipam": { "type": "eniclaim", "socket": folder.join("agent.sock") },
    })
}

fn addressed() -> Addressed {
    Addressed {
        addresses: an_eni().addresses,
        routes: vec![AddedRoute {
            to: "0.0.0.0/0".into(),
            gateway: Some("10.0.1.1".into()),
        }],
        device: None,
    }
}

/// Runs a call that asks the agent once.
fn answered(call: impl FnOnce(&Path) -> Call, reply: Reply) -> (Run, Request) {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(reply)]);
    let run = call(folder.path()).run();
    (run, agent.heard().remove(0).0.request)
}

#[test]
fn only_plugin_says_so_and_prints_a_result_of_its_own() {
    let call = |folder: &Path| {
        let mut configuration = alone(a_configuration(folder));
        configuration["dns"] = json!({ "nameservers": ["10.96.0.10"] });
        a_call("ADD", folder).configured(&configuration)
    };
    let mut eni = an_eni();
    eni.name = "eth0".into();
    let (run, request) = answered(call, Reply::Added(vec![eni]));
    let Request::Add(add) = request else {
        panic!("{request:?}")
    };
    assert_eq!(add.position, Position::First);
    let result = run.json();
    assert_eq!(result["interfaces"][0]["name"], "eth0");
    assert_eq!(result["ips"][0]["address"], "10.0.1.50/24");
    assert_eq!(result["dns"]["nameservers"][0], "10.96.0.10");
}

#[test]
fn pod_that_does_not_ask_is_refused_where_there_is_nothing_else_for_it() {
    let folder = a_folder();
    let refused = |configuration: &Value, part: &str| {
        let call = a_call("ADD", folder.path()).configured(configuration);
        call.run().refused(7, part);
    };
    let other = alone(of_another_pod(folder.path()));
    refused(&other, "pod shop/web-0 does not ask for an ENI");
    let silent = without_annotations(alone(a_configuration(folder.path())));
    refused(&silent, "pod shop/web-0 came without annotations");
    let mut ipam = of_host_device(folder.path());
    ipam["runtimeConfig"] = of_another_pod(folder.path())["runtimeConfig"].clone();
    refused(&ipam, "pod shop/web-0 does not ask for an ENI");
}

/// Multus hands no annotations to the plugins that it calls.
#[test]
fn network_whose_pods_all_ask_needs_no_annotations() {
    let configured = |folder: &Path| {
        let mut configuration = without_annotations(a_configuration(folder));
        configuration["pods"] = "All".into();
        configuration
    };
    let added = || Reply::Added(vec![an_eni()]);
    for change in [alone, |configuration| configuration] {
        let call = |folder: &Path| a_call("ADD", folder).configured(&change(configured(folder)));
        assert!(answered(call, added()).0.ok);
    }
    let call = |folder: &Path| a_call("DEL", folder).configured(&configured(folder));
    let (run, request) = answered(call, Reply::Deleted);
    assert!(run.ok && matches!(request, Request::Del(_)));
}

#[test]
fn ipam_answers_with_addresses_and_routes_alone() {
    let call = |folder: &Path| a_call("ADD", folder).configured(&of_host_device(folder));
    let (run, request) = answered(call, Reply::Addresses(addressed()));
    assert_eq!(
        run.json(),
        json!({
            "cniVersion": "1.0.0",
            "ips": [{ "address": "10.0.1.50/24", "gateway": "10.0.1.1" }],
            "routes": [{ "dst": "0.0.0.0/0", "gw": "10.0.1.1" }],
        })
    );
    let Request::Addresses(asked) = request else {
        panic!("{request:?}")
    };
    assert_eq!(
        (asked.pod.uid.as_str(), asked.sandbox.if_name.as_str()),
        ("u-1", "eth0")
    );
}

/// enim is found by its own name, and gets the configuration of the plugin that asks.
#[test]
fn enim_hands_on_what_the_runtime_says_and_answers_with_the_device_to_be_moved() {
    let configured = |folder: &Path, verb: &str| {
        let configuration = json!({
            "cniVersion": "0.4.0", "name": "generic-veth", "type": "exclusive-device", "ipam": { "type": "enim" },
            "socket": folder.join("agent.sock"), "prevResult": { "ips": [{ "address": "10.0.1.50/24" }] },
        });
        let call = a_call(verb, folder)
            .configured(&configuration)
            .called("/opt/cni/bin/enim");
        call.with(
            "CNI_ARGS",
            "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1;IP=10.0.1.50",
        )
    };
    let mut answer = addressed();
    answer.device = Some(Device {
        index: 10,
        mac: "fa:26:00:03:3d:15".into(),
    });
    let add = |folder: &Path| configured(folder, "ADD");
    let (run, request) = answered(add, Reply::Addresses(answer));
    assert_eq!(
        run.json(),
        json!({
            "cniVersion": "0.4.0",
            "interfaces": [{ "name": "eth0", "mac": "fa:26:00:03:3d:15" }],
            "ips": [{ "version": "4", "interface": 10, "address": "10.0.1.50/24", "gateway": "10.0.1.1" }],
            "routes": [{ "dst": "0.0.0.0/0", "gw": "10.0.1.1" }],
        })
    );
    let Request::Add(add) = request else {
        panic!("{request:?}")
    };
    let Asked::Configuration(configuration) = add.asked else {
        panic!("{:?}", add.asked)
    };
    assert_eq!(
        (&*configuration.plugin, configuration.ip.as_deref()),
        ("enim", Some("10.0.1.50"))
    );
    assert_eq!(configuration.pod.unwrap().uid, "u-1");
    let check = |folder: &Path| configured(folder, "CHECK");
    let (run, _) = answered(check, Reply::Addresses(addressed()));
    assert!(run.ok, "{}", run.stdout);
    let folder = a_folder();
    assert!(configured(folder.path(), "DEL").run().ok);
    assert!(!folder.path().join("tombstones").exists());
    let nobody = configured(folder.path(), "ADD").with("CNI_ARGS", "K8S_POD_NAME=web-0");
    nobody.run().refused(4, "K8S_POD_UID");
}

#[test]
fn ipam_check_compares_and_del_asks_nobody() {
    let call = |verb: &'static str, ips: Value| {
        move |folder: &Path| {
            let mut configuration = of_host_device(folder);
            configuration["prevResult"] = json!({ "cniVersion": "1.0.0", "ips": ips });
            a_call(verb, folder).configured(&configuration)
        }
    };
    let known = json!([{ "address": "10.0.1.50/24" }]);
    let (run, _) = answered(call("CHECK", known.clone()), Reply::Addresses(addressed()));
    assert!(run.ok, "{}", run.stdout);
    let mut more = addressed();
    more.addresses.push(AddedAddress {
        address: "10.0.1.51/24".into(),
        gateway: Some("10.0.1.1".into()),
    });
    let (run, _) = answered(call("CHECK", known.clone()), Reply::Addresses(more));
    run.refused(code::DIFFERENT, "10.0.1.51/24");
    let folder = a_folder();
    assert!(call("DEL", known)(folder.path()).run().ok);
    assert!(!folder.path().join("tombstones").exists());
}

#[test]
fn ipam_hands_on_the_agents_sentence_and_knows_its_own_keys() {
    let call = |folder: &Path| a_call("ADD", folder).configured(&of_host_device(folder));
    let refusal = CniError::new(code::TRY_LATER, "no EniClaim on this node is bound to it");
    let (run, _) = answered(call, Reply::Failed(refusal));
    run.refused(code::TRY_LATER, "no EniClaim on this node");
    let folder = a_folder();
    let mut configuration = of_host_device(folder.path());
    configuration["ipam"]["range"] = "10.0.0.0/8".into();
    let call = a_call("ADD", folder.path()).configured(&configuration);
    call.run().refused(7, "unknown key \"range\"");
}
