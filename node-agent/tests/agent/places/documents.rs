//! Each configuration of docs/cni.md works as it is written.

use std::fs;

use serde_json::{Value, json};

use super::runtime::Site;
use crate::world::HOME;

/// The headings of the document with the configurations below them, as lists of plugins.
fn configurations() -> Vec<(String, Value)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cni.md");
    let text = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        for block in section.split("```json\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let read: Value = serde_json::from_str(block).expect(heading);
            found.push((heading.to_owned(), as_list(read)));
        }
    }
    found
}

/// A configuration of one plugin is a list of one, as Multus makes it.
fn as_list(mut read: Value) -> Value {
    let mut list = json!({ "cniVersion": read["cniVersion"] });
    if read["plugins"].is_array() {
        list["plugins"] = read["plugins"].take();
    } else {
        list["plugins"] = json!([read]);
    }
    list["name"] = json!("pods");
    list
}

#[test]
fn each_configuration_gives_the_pod_its_eni_and_takes_it_back() {
    let all = configurations();
    let headings = all.iter().map(|(heading, _)| heading.as_str());
    assert_eq!(
        headings.collect::<Vec<_>>(),
        [
            "Behind another plugin",
            "Behind host-device",
            "Alone",
            "Alone, with node access",
            "Multus",
            "As IPAM plugin",
            "As IPAM plugin"
        ]
    );
    for (heading, list) in all {
        let moves = list["plugins"][0]["type"] != "host-device";
        let site = Site::new();
        site.list(list);
        let added = site.cnitool("add");
        added.unwrap_or_else(|error| panic!("{heading}: {error}"));
        let device = site.world.device("bare").expect("the device");
        assert_eq!(device["addr_info"][0]["local"], "10.0.1.50", "{heading}");
        assert_eq!(site.cnitool("check"), Ok(Value::Null), "{heading}");
        assert_eq!(site.cnitool("del"), Ok(Value::Null), "{heading}");
        let name = if moves { HOME } else { "eth1" };
        assert!(site.world.has_link("host", name), "{heading}");
    }
}
