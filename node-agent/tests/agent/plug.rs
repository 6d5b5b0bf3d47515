//! Plug: what ip, nft and traffic say about the pod afterwards.

use node_agent::plug::{Failed, Plugged, check};
use node_agent_core::{
    claim::{Address, Interface},
    picture::PodSlot,
};
use serde_json::{Value, json};

use crate::world::{HOME, MAC, World, an_eni, an_interface};

#[path = "plug/check.rs"]
mod check;
#[path = "plug/default_route.rs"]
mod default_route;
#[path = "plug/family.rs"]
mod family;
#[path = "plug/mtu.rs"]
mod mtu;
#[path = "plug/names.rs"]
mod names;
#[path = "plug/settings.rs"]
mod settings;
#[path = "plug/shape.rs"]
mod shape;
#[path = "plug/shapes.rs"]
mod shapes;
#[path = "plug/slots.rs"]
mod slots;
#[path = "plug/traffic.rs"]
mod traffic;

fn plug(world: &World, interface: &Interface) -> Result<Plugged, Failed> {
    let (node, pod) = (world.node(), world.netns("pod"));
    node_agent::plug::plug(&node, &pod, &an_eni(), interface, PodSlot(0))
}

fn plugged() -> World {
    let world = World::new();
    plug(&world, &an_interface()).unwrap();
    // The kernel says some time later that a link is up.
    world.wait_until(|world| world.device("pod").unwrap()["operstate"] == "UP");
    world
}

/// What CHECK says.
fn checked(world: &World) -> String {
    let (node, pod) = (world.node(), world.netns("pod"));
    match check(&node, &pod, &an_eni(), &an_interface(), PodSlot(0)) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    }
}

fn an_ipv6_address() -> Address {
    Address {
        ip: "2001:db8:1::50".parse().unwrap(),
        prefix: 64,
        gateway: Some("fe80:ec2::1".parse().unwrap()),
    }
}

fn pick(value: &Value, keys: &[&str]) -> Value {
    keys.iter()
        .filter_map(|key| value.get(*key).map(|v| ((*key).to_owned(), v.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Cases: M01, M09.
/// Shape: IPv4.
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

/// Shape: IPv4.
#[test]
fn main_table_stays_and_the_own_table_ends_in_unreachable() {
    let world = World::new();
    let before = world.json("pod", "route show table main");
    plug(&world, &an_interface()).unwrap();
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

/// Shape: IPv4.
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

/// Cases: M15.
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

/// Cases: M08, I04.
#[test]
fn second_plug_changes_nothing() {
    let world = plugged();
    let before = world.portrait("pod");
    plug(&world, &an_interface()).unwrap();
    assert_eq!(world.portrait("pod"), before);
}

#[test]
fn what_the_pod_broke_is_mended_by_the_next_plug() {
    let world = plugged();
    let before = world.portrait("pod");
    world.ip("pod", "rule del priority 1");
    world.ip("pod", "route flush table 23600");
    world.rename("pod", "eni0", "renamed");
    world.exec("pod", &["nft", "flush", "ruleset"]);
    plug(&world, &an_interface()).unwrap();
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
    plug(&world, &an_interface()).unwrap();
    assert_eq!(world.device("pod").unwrap()["ifname"], "eni0");
}

/// Cases: M06.
#[test]
fn name_taken_in_the_pod_leaves_the_device_at_home() {
    let world = World::new();
    world.ip("pod", "link add eni0 type bridge");
    let before = world.portrait("pod");
    let failed = plug(&world, &an_interface()).unwrap_err();
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

/// Cases: M07.
#[test]
fn failed_step_undoes_all() {
    // A router that is the pod itself: refused by the very last step.
    let world = World::new();
    let before = world.portrait("pod");
    let mut interface = an_interface();
    interface.addresses[0].gateway = Some(interface.addresses[0].ip);
    let failed = plug(&world, &interface).unwrap_err();
    assert!(failed.undo.is_none(), "{:?}", failed.undo);
    assert!(
        failed
            .error
            .to_string()
            .starts_with("cannot add route 0.0.0.0/0 via 10.0.1.50"),
        "{}",
        failed.error
    );
    assert_eq!(world.portrait("pod"), before);
    let device = world.device("host").unwrap();
    assert_eq!(device["ifname"], HOME);
    assert!(!device["flags"].as_array().unwrap().contains(&json!("UP")));
    assert_eq!(device["addr_info"], json!([]));
}

/// Cases: M03.
#[test]
fn device_that_is_not_there_is_named_and_leaves_nothing() {
    let world = World::new();
    world.ip("host", "link del eth1");
    let before = world.portrait("pod");
    let failed = plug(&world, &an_interface()).unwrap_err();
    assert!(failed.error.to_string().contains(MAC), "{}", failed.error);
    assert_eq!(world.portrait("pod"), before);
}

/// Cases: M04.
#[test]
fn two_devices_with_one_address_are_refused() {
    let world = World::new();
    world.ip(
        "host",
        &format!("link add eth2 address {MAC} type veth peer name far"),
    );
    let failed = plug(&world, &an_interface()).unwrap_err();
    assert!(
        failed.error.to_string().contains("2 devices"),
        "{}",
        failed.error
    );
}

/// Cases: M04.
#[test]
fn software_links_are_no_devices() {
    let world = World::new();
    world.ip("host", "link del eth1");
    world.ip("host", &format!("link add eth1 address {MAC} type bridge"));
    let failed = plug(&world, &an_interface()).unwrap_err();
    assert!(
        failed.error.to_string().contains("no device"),
        "{}",
        failed.error
    );
}

#[test]
fn what_the_host_put_on_the_device_does_not_come_along() {
    let world = World::new();
    world.ip(
        "host",
        "link set eth1 up txqueuelen 7 promisc on allmulticast on arp off multicast off group 5",
    );
    world.ip("host", "link property add dev eth1 altname eth0");
    world.ip("host", "link set eth1 alias something");
    world.ip("host", "addr add 192.0.2.9/24 dev eth1");
    plug(&world, &an_interface()).unwrap();
    let device = world.device("pod").unwrap();
    assert_eq!(device["txqlen"], 1000);
    let flags = device["flags"].as_array().unwrap();
    for flag in ["PROMISC", "ALLMULTI", "NOARP"] {
        assert!(!flags.contains(&json!(flag)), "{flag}");
    }
    assert!(flags.contains(&json!("MULTICAST")));
    assert_eq!(device["group"], "default");
    assert!(device.get("altnames").is_none(), "{device}");
    assert!(device.get("ifalias").is_none(), "{device}");
}

#[test]
fn traces_of_an_attempt_that_was_killed_are_no_hindrance() {
    let world = plugged();
    let before = world.portrait("pod");
    world.ip(
        "pod",
        &format!("link set eni0 netns {} name eth1", world.name("host")),
    );
    plug(&world, &an_interface()).unwrap();
    let again = world.portrait("pod");
    for part in 2..6 {
        assert_eq!(again[part], before[part]);
    }
    assert_eq!(checked(&world), "");
}

#[test]
fn routes_that_a_pod_made_in_any_number_are_neither_read_nor_touched() {
    let world = World::new();
    let lines: Vec<String> = (0..20_000)
        .map(|i| {
            let (a, b) = (i / 250, i % 250);
            format!(
                "route add unreachable 172.{}.{}.{b}/32 table 77\n",
                16 + a / 250,
                a % 250
            )
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.concat()).unwrap();
    crate::world::run(
        "ip",
        &[
            "-n",
            &world.name("pod"),
            "-batch",
            file.path().to_str().unwrap(),
        ],
    );
    plug(&world, &an_interface()).unwrap();
    assert_eq!(checked(&world), "");
}

/// Cases: M16.
#[test]
fn only_the_move_waits_for_other_moves() {
    let world = World::new();
    let node = world.node();
    let lane = node.lane.clone();
    let held = lane.lock().unwrap();
    let pod = world.netns("pod");
    let plugging = std::thread::spawn(move || {
        node_agent::plug::plug(&node, &pod, &an_eni(), &an_interface(), PodSlot(0)).map(drop)
    });
    // Everything before the move is done meanwhile.
    world.wait_until(|world| {
        world
            .device("host")
            .is_some_and(|device| device["mtu"] == 9001)
    });
    assert!(world.device("pod").is_none());
    drop(held);
    plugging.join().unwrap().unwrap();
    assert!(world.device("pod").is_some());
}
