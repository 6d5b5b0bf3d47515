//! Behind host-device, which moved the claim's device already: M23 of its DEL says what it needs.

use std::fs;

use node_agent_core::claim::Place;
use serde_json::{Value, json};

use super::runtime::{Site, host_device, ours};
use crate::{
    running::journal_files,
    world::{MAC, World},
};

fn site() -> Site {
    let site = Site::new();
    site.network(json!([host_device(), ours()]));
    site
}

/// The pod's device as host-device names it: with its name on the host as its alias.
fn alias(world: &World) -> Option<Value> {
    world.device("bare").map(|device| device["ifalias"].clone())
}

/// The device is on the host as host-device returns it: under its old name and without an alias, as far as we are concerned.
fn is_returned(site: &Site) {
    let device = site.world.device("host").expect("on the host");
    assert_eq!(
        (&device["ifname"], &device["ifalias"]),
        (&json!("eth1"), &Value::Null)
    );
    site.world.wait_until(|_| site.agent.journal() == 0);
    let device = site.world.device("host").unwrap();
    assert_eq!(device["ifname"], "eth1", "it keeps its name");
}

/// What one ADD of host-device leaves, and the result.
fn moved(site: &Site) -> (Value, Value) {
    let result = site.plugin("ADD", host_device(), None).unwrap();
    (site.world.portrait("bare"), result)
}

#[test]
fn device_is_configured_where_it_is_and_left_as_it_was() {
    let mut site = site();
    let (before, first) = moved(&site);
    let result = site.plugin("ADD", ours(), Some(&first)).unwrap();
    assert_eq!(result, first, "host-device has listed it");
    let device = site.world.device("bare").unwrap();
    assert_eq!(
        (&device["ifname"], &device["mtu"]),
        (&json!("eth0"), &json!(9001))
    );
    assert_eq!(device["addr_info"][0]["local"], "10.0.1.50");
    assert_eq!(alias(&site.world), Some(json!("eth1")));
    assert_eq!(site.world.tables("bare"), 1, "the packet filter");
    let notice = site.agent.notice();
    assert!(matches!(notice.report.place, Place::Plugged { .. }));
    let status = &notice.patch().unwrap()["status"];
    assert_eq!(status["device"]["ifName"], "eth0");
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("another CNI plugin"), "{message}");
    // Again: nothing changes.
    let configured = site.world.portrait("bare");
    assert_eq!(site.plugin("ADD", ours(), Some(&first)), Ok(first.clone()));
    assert_eq!(site.world.portrait("bare"), configured);
    assert_eq!(site.plugin("CHECK", ours(), Some(&first)), Ok(Value::Null));

    for _ in 0..2 {
        assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
        assert_eq!(site.world.portrait("bare"), before);
    }
    assert_eq!(
        site.plugin("DEL", host_device(), Some(&first)),
        Ok(Value::Null)
    );
    is_returned(&site);
}

#[test]
fn cnitool_adds_checks_and_deletes_the_two() {
    let site = site();
    let result = site.cnitool("add").unwrap();
    assert_eq!(result["interfaces"].as_array().unwrap().len(), 1);
    assert_eq!(result["interfaces"][0]["mac"], MAC);
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    site.world.ip("bare", "addr del 10.0.1.50/32 dev eth0");
    let error = site.cnitool("check").unwrap_err();
    assert!(error.contains("10.0.1.50/32 is missing"), "{error}");
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    is_returned(&site);
    // host-device's own DEL is no second time: ours is not why.
    let error = site.cnitool("del").unwrap_err();
    assert!(error.contains("host-device"), "{error}");
}

#[test]
fn device_that_host_device_returned_first_leaves_nothing_in_the_pod() {
    let site = site();
    let empty = site.world.portrait("bare");
    let (_, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    assert_eq!(
        site.plugin("DEL", host_device(), Some(&first)),
        Ok(Value::Null)
    );
    assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
    is_returned(&site);
    assert_eq!(site.world.portrait("bare"), empty);
}

/// The pod has both again, in place, when a runtime repeats ADD after a DEL of ours alone.
#[test]
fn add_after_our_del_alone_configures_again() {
    let site = site();
    let (_, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    let configured = site.world.portrait("bare");
    assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
    assert_eq!(site.plugin("ADD", ours(), Some(&first)), Ok(first));
    assert_eq!(site.world.portrait("bare"), configured);
}

#[test]
fn agents_that_come_and_go_leave_the_device_to_host_device() {
    let site = site();
    let (before, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    let configured = site.world.portrait("bare");
    let site = site.restart();
    assert_eq!(site.plugin("CHECK", ours(), Some(&first)), Ok(Value::Null));
    assert_eq!(site.world.portrait("bare"), configured);
    assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
    let mut site = site.restart();
    assert!(site.agent.is_quiet());
    assert_eq!(site.world.portrait("bare"), before);
    assert_eq!(
        site.plugin("DEL", host_device(), Some(&first)),
        Ok(Value::Null)
    );
    is_returned(&site);
}

/// An agent that was killed in an ADD, which nobody repeats.
#[test]
fn agent_that_was_killed_on_the_way_leaves_the_device_as_it_was() {
    let site = site();
    let (before, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    let site = site.restart_after(|folder| {
        let file = journal_files(folder).remove(0);
        let entry = fs::read_to_string(&file).unwrap();
        let entry = entry.replace("\"Plugged\"", "\"Plugging\"");
        fs::write(file, entry).unwrap();
    });
    site.world
        .wait_until(|world| world.portrait("bare") == before);
    assert_eq!(
        site.plugin("DEL", host_device(), Some(&first)),
        Ok(Value::Null)
    );
    is_returned(&site);
}
