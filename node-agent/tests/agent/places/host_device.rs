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
    site.network(&json!([host_device(), ours()]));
    site
}

/// The alias of the device: host-device keeps its name on the host there while the pod has it.
fn alias(world: &World, place: &str, link: &str) -> Value {
    world.json(place, &format!("link show {link}"))[0]["ifalias"].clone()
}

/// The device is on the host as host-device returns it, under its old name and without an alias, and stays like that.
fn is_returned(site: &Site) {
    let world = &site.world;
    assert_eq!(alias(world, "host", "eth1"), Value::Null);
    world.wait_until(|_| site.agent.journal() == 0);
    assert!(world.has_link("host", "eth1"), "it keeps its name");
    assert_eq!(world.json("host", "link show eth1")[0]["address"], MAC);
}

/// What the pod's namespace looks like; nftables numbers what it makes.
fn portrait(site: &Site) -> Value {
    let mut portrait = site.world.portrait("bare");
    let tables = portrait[6]["nftables"].as_array_mut().unwrap();
    for object in tables
        .iter_mut()
        .flat_map(|o| o.as_object_mut().unwrap().values_mut())
    {
        object.as_object_mut().unwrap().remove("handle");
    }
    portrait
}

/// What one ADD of host-device leaves, and its result.
fn moved(site: &Site) -> (Value, Value) {
    let result = site.plugin("ADD", host_device(), None).unwrap();
    let world = &site.world;
    world.wait_until(|world| world.json("bare", "link show eth0")[0]["operstate"] == "UP");
    (portrait(site), result)
}

/// Shape: IPv4, after host-device.
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
    assert_eq!(alias(&site.world, "bare", "eth0"), "eth1");
    assert_eq!(site.world.tables("bare"), 1, "the packet filter");
    let notice = site.agent.notice();
    assert!(matches!(notice.report.place, Place::Plugged { .. }));
    let status = &notice.patch().unwrap()["status"];
    assert_eq!(status["device"]["ifName"], "eth0");
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("another CNI plugin"), "{message}");
    // Again: nothing changes.
    let configured = portrait(&site);
    assert_eq!(site.plugin("ADD", ours(), Some(&first)), Ok(first.clone()));
    assert_eq!(portrait(&site), configured);
    assert_eq!(site.plugin("CHECK", ours(), Some(&first)), Ok(Value::Null));

    for _ in 0..2 {
        assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
        assert_eq!(portrait(&site), before);
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
    let empty = portrait(&site);
    let (_, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    assert_eq!(
        site.plugin("DEL", host_device(), Some(&first)),
        Ok(Value::Null)
    );
    assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
    is_returned(&site);
    assert_eq!(portrait(&site), empty);
}

/// The pod has both again, in place, when a runtime repeats ADD after a DEL of ours alone.
#[test]
fn add_after_our_del_alone_configures_again() {
    let site = site();
    let (_, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    let configured = portrait(&site);
    assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
    assert_eq!(site.plugin("ADD", ours(), Some(&first)), Ok(first));
    assert_eq!(portrait(&site), configured);
}

#[test]
fn agents_that_come_and_go_leave_the_device_to_host_device() {
    let site = site();
    let (before, first) = moved(&site);
    site.plugin("ADD", ours(), Some(&first)).unwrap();
    let configured = portrait(&site);
    let site = site.restart();
    assert_eq!(site.plugin("CHECK", ours(), Some(&first)), Ok(Value::Null));
    assert_eq!(portrait(&site), configured);
    assert_eq!(site.plugin("DEL", ours(), Some(&first)), Ok(Value::Null));
    let mut site = site.restart();
    assert!(site.agent.is_quiet());
    assert_eq!(portrait(&site), before);
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
    site.world.wait_until(|_| portrait(&site) == before);
    assert_eq!(
        site.plugin("DEL", host_device(), Some(&first)),
        Ok(Value::Null)
    );
    is_returned(&site);
}
