//! An ENI with several addresses of each family.

use node_agent::plug::{check, plug, unplug};
use node_agent_core::{
    claim::{Address, Interface},
    picture::PodSlot,
    plan::Traces,
};
use serde_json::Value;

use crate::world::{HOME, World, an_eni, an_interface};

const V4: [&str; 3] = ["10.0.1.50", "10.0.1.51", "10.0.1.52"];
const V6: [&str; 2] = ["2001:db8:1::50", "2001:db8:1::51"];
const SLOT: PodSlot = PodSlot(0);

fn with_all_addresses() -> Interface {
    let address = |ip: &str, prefix, gateway: &str| Address {
        ip: ip.parse().unwrap(),
        prefix,
        gateway: Some(gateway.parse().unwrap()),
    };
    let v4 = V4.map(|ip| address(ip, 24, "10.0.1.1"));
    let v6 = V6.map(|ip| address(ip, 64, "fe80:ec2::1"));
    Interface {
        addresses: v4.into_iter().chain(v6).collect(),
        ..an_interface()
    }
}

/// Addresses, routes and rules of the pod, without the links, whose indices count up.
fn layout(world: &World) -> Vec<Value> {
    let portrait = world.portrait("pod");
    portrait.as_array().unwrap()[2..6].to_vec()
}

/// Every address is on the device, and its traffic leaves by it.
fn assert_all_serve(world: &World) {
    let device = world.device("pod").unwrap();
    let mut on_device: Vec<_> = device["addr_info"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|address| address["scope"] == "global")
        .filter_map(|address| address["local"].as_str())
        .collect();
    on_device.sort_unstable();
    assert_eq!(on_device, [&V4[..], &V6[..]].concat());
    for (to, from) in V4
        .map(|from| ("10.0.9.9", from))
        .into_iter()
        .chain(V6.map(|from| ("2001:db8:9::9", from)))
    {
        let way = world.json("pod", &format!("route get {to} from {from}"));
        assert_eq!(way[0]["dev"], "eni0", "{from}: {way}");
    }
    // A socket that is bound to the interface alone takes the first of its family.
    for (to, first) in [("10.0.9.9", V4[0]), ("2001:db8:9::9", V6[0])] {
        let way = world.json("pod", &format!("route get {to} oif eni0"));
        assert_eq!(way[0]["prefsrc"], first, "{way}");
    }
}

/// Cases: C07, M01.
/// Shape: IPv4+IPv6, 2 addresses.
#[test]
fn all_addresses_of_both_families_come_go_and_come_again() {
    let world = World::new();
    let (node, pod, interface) = (world.node(), world.netns("pod"), with_all_addresses());
    let checked = || {
        let checked = check(&node, &pod, &an_eni(), &interface, SLOT);
        checked.map_err(|error| error.to_string())
    };
    let before = world.portrait("pod");
    plug(&node, &pod, &an_eni(), &interface, SLOT).unwrap();
    assert_all_serve(&world);
    assert_eq!(checked(), Ok(()));
    let plugged = layout(&world);

    for ip in ["10.0.1.52/32", "2001:db8:1::51/128"] {
        world.ip("pod", &format!("addr del {ip} dev eni0"));
        let said = checked().unwrap_err();
        assert!(said.contains(&format!("address {ip} is missing")), "{said}");
    }
    plug(&node, &pod, &an_eni(), &interface, SLOT).unwrap();
    assert_eq!(checked(), Ok(()));

    let home = unplug(&node, Some(&pod), &an_eni(), SLOT, Traces::Remove).unwrap();
    assert!(home.found && home.left.is_empty(), "{:?}", home.left);
    assert_eq!(world.portrait("pod"), before);
    let host = world.device("host").unwrap();
    assert_eq!(
        (&host["ifname"], &host["addr_info"]),
        (&HOME.into(), &Value::Array(vec![]))
    );

    plug(&node, &pod, &an_eni(), &interface, SLOT).unwrap();
    assert_all_serve(&world);
    assert_eq!(checked(), Ok(()));
    assert_eq!(layout(&world), plugged);
}
