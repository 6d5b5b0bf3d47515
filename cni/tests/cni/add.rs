//! ADD.

use cni::protocol::{Added, AddedAddress, Reply, Request};
use cni::{CniError, error::code};
use rustix::fs::fstat;
use serde_json::json;

use crate::runtime::{
    Agent, Script, a_call, a_configuration, a_folder, of_another_pod, previous_result,
};

fn an_eni() -> Reply {
    Reply::Added(Added {
        name: "eni0".into(),
        mac: "02:00:00:00:00:0a".into(),
        mtu: 9001,
        pci_id: Some("0000:00:06.0".into()),
        addresses: vec![AddedAddress {
            address: "10.0.1.50/24".into(),
            gateway: "10.0.1.1".into(),
        }],
    })
}

#[test]
fn pod_that_does_not_ask_gets_the_previous_result() {
    let folder = a_folder();
    let run = a_call("ADD", folder.path())
        .configured(&of_another_pod(folder.path()))
        .run();
    assert!(run.ok, "{}", run.stdout);
    assert_eq!(run.json(), previous_result());
}

#[test]
fn runtime_that_passes_no_annotations_is_passed_through() {
    let folder = a_folder();
    let mut configuration = a_configuration(folder.path());
    configuration
        .as_object_mut()
        .unwrap()
        .remove("runtimeConfig");
    let run = a_call("ADD", folder.path())
        .configured(&configuration)
        .run();
    assert!(run.ok);
    assert_eq!(run.json(), previous_result());
}

#[test]
fn agent_gets_the_request_and_the_namespace_itself() {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(an_eni())]);
    assert!(a_call("ADD", folder.path()).run().ok);
    let (envelope, netns) = agent.heard().remove(0);
    let Request::Add(add) = envelope.request else {
        panic!("not ADD")
    };
    assert_eq!(
        (
            add.sandbox.network.as_str(),
            add.sandbox.container_id.as_str(),
            add.sandbox.if_name.as_str()
        ),
        ("pods", "0a1b2c", "eth0")
    );
    assert_eq!(
        (
            add.pod.namespace.as_str(),
            add.pod.name.as_str(),
            add.pod.uid.as_str()
        ),
        ("shop", "web-0", "u-1")
    );
    assert_eq!(add.class, "app");
    let ours = std::fs::File::open("/proc/self/ns/net").unwrap();
    assert_eq!(
        fstat(netns.unwrap()).unwrap().st_ino,
        fstat(ours).unwrap().st_ino
    );
}

#[test]
fn interface_is_added_behind_those_before_it() {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(an_eni())]);
    let result = a_call("ADD", folder.path()).run().json();
    agent.heard();
    let mut wanted = previous_result();
    wanted["interfaces"].as_array_mut().unwrap().push(json!({
        "name": "eni0", "mac": "02:00:00:00:00:0a", "mtu": 9001, "pciID": "0000:00:06.0", "sandbox": "/proc/self/ns/net"
    }));
    wanted["ips"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "address": "10.0.1.50/24", "gateway": "10.0.1.1", "interface": 2 }));
    assert_eq!(result, wanted);
}

#[test]
fn older_versions_get_the_shape_they_know() {
    for (version, ip_version) in [
        ("0.3.1", json!("4")),
        ("0.4.0", json!("4")),
        ("1.0.0", json!(null)),
    ] {
        let folder = a_folder();
        let agent = Agent::listen(folder.path(), vec![Script::Answer(an_eni())]);
        let mut configuration = a_configuration(folder.path());
        configuration["cniVersion"] = version.into();
        let result = a_call("ADD", folder.path())
            .configured(&configuration)
            .run()
            .json();
        agent.heard();
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["ips"][1]["version"], ip_version, "{version}");
        assert!(result["interfaces"][2].get("mtu").is_none(), "{version}");
    }
}

#[test]
fn reason_of_the_agent_is_the_error_of_the_plugin() {
    let folder = a_folder();
    let refusal = CniError::new(
        code::TRY_LATER,
        "claim shop/web-0-abcde waits: the subnet has no free address",
    );
    let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Failed(refusal))]);
    a_call("ADD", folder.path())
        .run()
        .refused(11, "no free address");
    agent.heard();
}

#[test]
fn agent_that_goes_away_before_it_answers_is_asked_again() {
    let folder = a_folder();
    let agent = Agent::listen(
        folder.path(),
        vec![Script::HangUp, Script::Answer(an_eni())],
    );
    assert!(a_call("ADD", folder.path()).run().ok);
    let heard = agent.heard();
    assert_eq!(heard[0].0, heard[1].0);
    assert!(
        heard[1].1.is_some(),
        "the second request carries the namespace, too"
    );
}

#[test]
fn agent_that_appears_late_is_waited_for() {
    let folder = a_folder();
    let path = folder.path().to_owned();
    let late = std::thread::spawn(move || {
        // The plugin polls ten times a second: this is three of its attempts, and no outcome depends on it.
        std::thread::sleep(std::time::Duration::from_millis(300));
        Agent::listen(&path, vec![Script::Answer(an_eni())]).heard()
    });
    assert!(a_call("ADD", folder.path()).run().ok);
    assert_eq!(late.join().unwrap().len(), 1);
}

#[test]
fn agent_that_stays_away_is_named() {
    let folder = a_folder();
    let started = std::time::Instant::now();
    a_call("ADD", folder.path())
        .run()
        .refused(11, "eniclaim-agent DaemonSet");
    assert!(
        started.elapsed().as_secs() < 60,
        "well below kubelet's 4 minutes"
    );
}

#[test]
fn first_plugin_of_a_chain_is_told_to_go_behind() {
    let folder = a_folder();
    let mut configuration = a_configuration(folder.path());
    configuration.as_object_mut().unwrap().remove("prevResult");
    a_call("ADD", folder.path())
        .configured(&configuration)
        .run()
        .refused(7, "behind another plugin");
}

#[test]
fn garbled_answer_is_an_error() {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Line("{}")]);
    a_call("ADD", folder.path()).run().refused(101, "malformed");
    agent.heard();
}
