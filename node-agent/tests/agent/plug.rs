//! Plug: what ip, nft and traffic say about the pod afterwards.

use std::{
    io::ErrorKind,
    net::{TcpStream, UdpSocket},
    time::Duration,
};

use node_agent::plug::plug;
use node_agent_core::claim::Metadata;
use serde_json::{Value, json};

use crate::world::{HOME, MAC, World, an_eni, an_interface};

fn plugged() -> World {
    let world = World::new();
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    world
}

fn pick(value: &Value, keys: &[&str]) -> Value {
    keys.iter()
        .filter_map(|key| value.get(*key).map(|v| ((*key).to_owned(), v.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn device_is_up_in_the_pod_with_its_address_as_a_host() {
    let world = plugged();
    assert!(world.device("host").is_none());
    let device = world.device("pod").unwrap();
    assert_eq!(device["ifname"], "eni0");
    assert!(device["flags"].as_array().unwrap().contains(&json!("UP")));
    let addresses: Vec<_> = device["addr_info"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|a| a["family"] == "inet")
        .collect();
    assert_eq!(addresses.len(), 1);
    assert_eq!(
        pick(
            addresses[0],
            &["local", "prefixlen", "scope", "noprefixroute"]
        ),
        json!({ "local": "10.0.1.50", "prefixlen": 32, "scope": "global", "noprefixroute": true })
    );
}

#[test]
fn main_table_stays_and_the_own_table_ends_in_unreachable() {
    let world = World::new();
    let before = world.json("pod", "route show table main");
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    assert_eq!(world.json("pod", "route show table main"), before);

    let routes = world.json("pod", "route show table 23600");
    let routes: Vec<_> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            pick(
                r,
                &[
                    "type", "dst", "gateway", "dev", "prefsrc", "metric", "flags", "protocol",
                ],
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            json!({ "dst": "default", "gateway": "10.0.1.1", "dev": "eni0", "prefsrc": "10.0.1.50", "flags": ["onlink"], "protocol": "236" }),
            json!({ "type": "unreachable", "dst": "default", "metric": 4_294_967_295_u32, "flags": [], "protocol": "236" }),
            json!({ "dst": "10.0.1.0/24", "dev": "eni0", "prefsrc": "10.0.1.50", "flags": [], "protocol": "236" }),
        ]
    );
}

#[test]
fn rules_lead_by_source_and_by_interface_and_refuse_metadata_first() {
    let world = plugged();
    let rules = |family: &str| -> Vec<Value> {
        let rules = world.json("pod", &format!("{family} rule"));
        rules
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| r["protocol"] == "236")
            .map(|r| pick(r, &["priority", "src", "dst", "oif", "table", "action"]))
            .collect()
    };
    assert_eq!(
        rules("-4"),
        [
            json!({ "priority": 1, "src": "all", "dst": "169.254.169.254", "action": "blackhole" }),
            json!({ "priority": 512, "src": "10.0.1.50", "table": "23600" }),
            json!({ "priority": 512, "src": "all", "oif": "eni0", "table": "23600" }),
        ]
    );
    assert_eq!(
        rules("-6"),
        [json!({ "priority": 1, "src": "all", "dst": "fd00:ec2::254", "action": "blackhole" })]
    );
}

#[test]
fn egress_filter_drops_metadata_of_both_families() {
    let world = plugged();
    let ruleset = world.nft("pod");
    let ruleset = ruleset["nftables"].as_array().unwrap();
    let chain = ruleset.iter().find_map(|o| o.get("chain")).unwrap();
    assert_eq!(
        pick(
            chain,
            &["family", "table", "name", "type", "hook", "prio", "policy"]
        ),
        json!({ "family": "netdev", "table": "eniclaim", "name": "eniclaim", "type": "filter", "hook": "egress", "prio": 0, "policy": "accept" })
    );
    let rules: Vec<_> = ruleset
        .iter()
        .filter_map(|o| o.get("rule"))
        .map(|r| r["expr"].clone())
        .collect();
    let drop_to = |protocol: &str, address: &str| {
        json!([
            { "match": { "op": "==", "left": { "payload": { "protocol": protocol, "field": "daddr" } }, "right": address } },
            { "drop": null }
        ])
    };
    assert_eq!(
        rules,
        [
            drop_to("ip", "169.254.169.254"),
            drop_to("ip6", "fd00:ec2::254")
        ]
    );
}

#[test]
fn settings_of_the_interface_are_those_of_the_design() {
    let world = plugged();
    for (path, value) in [
        ("ipv4/conf/eni0/rp_filter", "2"),
        ("ipv6/conf/eni0/accept_ra", "0"),
        ("ipv6/conf/eni0/accept_dad", "0"),
    ] {
        let output = world.exec("pod", &["cat", &format!("/proc/sys/net/{path}")]);
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            value,
            "{path}"
        );
    }
}

#[test]
fn traffic_from_the_address_leaves_by_the_interface_to_the_subnet_and_beyond() {
    let world = plugged();
    world.serve("vpc", 8080);
    for destination in ["10.0.1.1", "10.0.9.9"] {
        world
            .reach("pod", Some("10.0.1.50"), destination, 8080)
            .unwrap_or_else(|e| panic!("{destination}: {e}"));
        let way = world.json("pod", &format!("route get {destination} oif eni0"));
        assert_eq!(
            way[0]["prefsrc"], "10.0.1.50",
            "a socket bound to the interface takes its address"
        );
        assert_eq!(way[0]["table"], "23600");
    }
    assert_eq!(
        world.json("pod", "route get 10.0.9.9")[0]["dev"],
        "eth0",
        "what is not bound stays with the first interface"
    );
}

#[test]
fn blinking_link_sends_nothing_another_way() {
    let world = plugged();
    let way = || {
        world.exec(
            "pod",
            &["ip", "route", "get", "10.0.9.9", "from", "10.0.1.50"],
        )
    };
    assert!(String::from_utf8_lossy(&way().stdout).contains("dev eni0"));
    world.ip("pod", "link set eni0 down");
    assert!(!way().status.success(), "{:?}", way());
    world.ip("pod", "link set eni0 up");
    assert!(
        !way().status.success(),
        "the kernel does not bring the routes back: {:?}",
        way()
    );
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    assert!(String::from_utf8_lossy(&way().stdout).contains("dev eni0"));
}

#[test]
fn metadata_is_refused_to_a_kernel_socket_at_once() {
    let world = plugged();
    for address in ["169.254.169.254:80", "[fd00:ec2::254]:80"] {
        let connect =
            || TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(5));
        let error = world.netns("pod").inside(connect).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{address}: {error}");
    }
    // Also when the socket insists on the interface or the address.
    let bound = || {
        let socket = UdpSocket::bind("10.0.1.50:0")?;
        socket.connect("169.254.169.254:80")
    };
    assert_eq!(
        world
            .netns("pod")
            .inside(bound)
            .unwrap()
            .unwrap_err()
            .kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn metadata_is_reached_where_the_class_allows_it() {
    let world = World::new();
    world.serve("vpc", 80);
    let mut interface = an_interface();
    interface.metadata = Metadata::Allowed;
    plug(&world.node(), &world.netns("pod"), &an_eni(), &interface).unwrap();
    assert_eq!(
        world.nft("pod")["nftables"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|o| o.get("table").is_some())
            .count(),
        0
    );
    world
        .reach("pod", Some("10.0.1.50"), "169.254.169.254", 80)
        .unwrap();
}

#[test]
fn metadata_is_dropped_on_the_wire_even_without_the_rules() {
    // What a raw socket does: it needs no route. Deleting the rule shows the filter alone.
    let world = plugged();
    world.serve("vpc", 80);
    world.ip("pod", "rule del priority 1");
    world
        .reach("pod", Some("10.0.1.50"), "169.254.169.254", 80)
        .expect_err("nothing comes back");
    assert!(
        world
            .exec("pod", &["nft", "delete", "table", "netdev", "eniclaim"])
            .status
            .success()
    );
    world
        .reach("pod", Some("10.0.1.50"), "169.254.169.254", 80)
        .expect("without the filter the service does answer");
}

#[test]
fn second_plug_changes_nothing() {
    let world = plugged();
    let before = world.portrait("pod");
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    assert_eq!(world.portrait("pod"), before);
}

#[test]
fn what_the_pod_broke_is_mended_by_the_next_plug() {
    let world = plugged();
    let before = world.portrait("pod");
    world.ip("pod", "rule del priority 1");
    world.ip("pod", "route flush table 23600");
    world.ip("pod", "link set eni0 name renamed");
    world.exec("pod", &["nft", "flush", "ruleset"]);
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    let mended = world.portrait("pod");
    // Handles of nftables count up, and the kernel keeps the old name nowhere.
    for part in 0..6 {
        assert_eq!(mended[part], before[part]);
    }
}

#[test]
fn device_that_is_in_the_pod_under_its_old_name_is_finished() {
    // The kernel moves first and renames then: the name may be taken between (EEXIST), and the device is in the pod.
    let world = World::new();
    world.ip(
        "host",
        &format!("link set eth1 netns {}", world.name("pod")),
    );
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    assert_eq!(world.device("pod").unwrap()["ifname"], "eni0");
}

#[test]
fn name_taken_in_the_pod_leaves_the_device_at_home() {
    let world = World::new();
    world.ip("pod", "link add eni0 type bridge");
    let before = world.portrait("pod");
    let failed = plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap_err();
    assert!(
        failed
            .error
            .to_string()
            .contains("has an interface named eni0 already"),
        "{}",
        failed.error
    );
    assert!(failed.undo.is_none());
    assert_eq!(world.portrait("pod"), before);
    assert!(world.has_link("host", HOME));
}

#[test]
fn failed_step_undoes_all() {
    // A router that is the pod itself: refused by the very last step.
    let world = World::new();
    let before = world.portrait("pod");
    let mut interface = an_interface();
    interface.addresses[0].gateway = interface.addresses[0].ip;
    let failed = plug(&world.node(), &world.netns("pod"), &an_eni(), &interface).unwrap_err();
    assert!(failed.undo.is_none(), "{:?}", failed.undo);
    assert!(
        failed.error.to_string().contains("refused AddRoute"),
        "{}",
        failed.error
    );
    assert_eq!(world.portrait("pod"), before);
    let device = world.device("host").unwrap();
    assert_eq!(device["ifname"], HOME);
    assert!(!device["flags"].as_array().unwrap().contains(&json!("UP")));
    assert_eq!(device["addr_info"], json!([]));
}

#[test]
fn device_that_is_not_there_is_named_and_leaves_nothing() {
    let world = World::new();
    world.ip("host", "link del eth1");
    let before = world.portrait("pod");
    let failed = plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap_err();
    assert!(failed.error.to_string().contains(MAC), "{}", failed.error);
    assert_eq!(world.portrait("pod"), before);
}

#[test]
fn two_devices_with_one_address_are_refused() {
    let world = World::new();
    world.ip(
        "host",
        &format!("link add eth2 address {MAC} type veth peer name far"),
    );
    let failed = plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap_err();
    assert!(
        failed.error.to_string().contains("2 devices"),
        "{}",
        failed.error
    );
}

#[test]
fn software_links_are_no_devices() {
    let world = World::new();
    world.ip("host", "link del eth1");
    world.ip("host", &format!("link add eth1 address {MAC} type bridge"));
    let failed = plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap_err();
    assert!(
        failed.error.to_string().contains("no device"),
        "{}",
        failed.error
    );
}
