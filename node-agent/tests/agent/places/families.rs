//! Each family in each place: what ip says of the pod, and who is reached from it.

use crds::EniClaim;
use serde_json::{Value, json};

use super::runtime::{Site, host_device, ours, ptp};
use crate::{
    running::{a_claim, with},
    world::{HOME, MAC},
};

/// What the VPC has of a family, and the ENI.
struct Family {
    inet: &'static str,
    flag: &'static str,
    address: &'static str,
    length: u8,
    gateway: &'static str,
    /// In another subnet.
    beyond: &'static str,
}

const V4: Family = Family {
    inet: "inet",
    flag: "-4",
    address: "10.0.1.50",
    length: 24,
    gateway: "10.0.1.1",
    beyond: "10.0.9.9",
};
const V6: Family = Family {
    inet: "inet6",
    flag: "-6",
    address: "2001:db8:1::50",
    length: 64,
    gateway: "fe80:ec2::1",
    beyond: "2001:db8:9::9",
};
const SHAPES: [&[Family]; 3] = [&[V4], &[V6], &[V4, V6]];
const PORT: u16 = 8080;

/// How the pod's device is where a plugin stands.
struct Place {
    plugins: Value,
    /// Its name in the pod.
    name: &'static str,
    /// Its name on the host afterwards.
    home: &'static str,
    /// Whether its addresses have the length of the subnet, as another plugin gives them.
    is_subnet: bool,
    /// By which interface what the pod starts leaves without an address of its choice; `None`: not at all.
    starts: Option<&'static str>,
}

fn claim(families: &[Family]) -> EniClaim {
    let addresses = families.iter().map(|family| {
        json!({
            "address": family.address, "prefixLength": family.length, "gateway": family.gateway, "role": "Primary",
        })
    });
    let addresses: Vec<_> = addresses.collect();
    with(a_claim(), "/status/ipam/addresses", json!(addresses))
}

fn site(families: &[Family], plugins: &Value, interface: &Value) -> Site {
    let claim = with(claim(families), "/status/interface", interface.clone());
    let site = Site::of(claim);
    site.network(plugins);
    let world = &site.world;
    for line in [
        "addr add fe80:ec2::1/64 dev eni0a nodad",
        "route add 2001:db8:1::50/128 dev eni0a",
        "addr add 2001:db8:9::9/128 dev lo",
    ] {
        world.ip("vpc", line);
    }
    world.serve("vpc", PORT);
    site
}

/// The addresses of the device in the pod that are good beyond its link.
fn addresses(site: &Site, name: &str, family: &Family) -> Vec<String> {
    let device = site.world.device("bare").expect("the device");
    assert_eq!(device["ifname"], name);
    let all = device["addr_info"].as_array().unwrap().iter();
    let all = all.filter(|one| one["family"] == family.inet && one["scope"] == "global");
    all.map(|one| format!("{}/{}", one["local"].as_str().unwrap(), one["prefixlen"]))
        .collect()
}

/// By which interface a packet leaves the pod, as ip says; `from` is more arguments.
fn way(site: &Site, to: &str, from: &str) -> Option<String> {
    let line = format!("ip -j route get {to} {from}");
    let line: Vec<&str> = line.split_whitespace().collect();
    let output = site.world.exec("bare", &line);
    let ways: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    Some(ways?[0]["dev"].as_str()?.to_owned())
}

/// ADD, what is there, CHECK, DEL, and what is left.
fn comes_and_goes(place: &Place) {
    for families in SHAPES {
        let site = site(
            families,
            &place.plugins,
            &json!({ "defaultRoute": "Never" }),
        );
        let shape: Vec<_> = families.iter().map(|family| family.inet).collect();
        site.cnitool("add")
            .unwrap_or_else(|error| panic!("{shape:?}: {error}"));
        for family in [V4, V6] {
            let has = families.iter().any(|one| one.inet == family.inet);
            let length = match (place.is_subnet, family.inet) {
                (true, _) => family.length,
                (false, "inet") => 32,
                (false, _) => 128,
            };
            let expected = has.then(|| format!("{}/{length}", family.address));
            let seen = addresses(&site, place.name, &family);
            assert_eq!(seen, Vec::from_iter(expected), "{shape:?}");
        }
        for family in families {
            serves(&site, place, family);
        }
        assert_eq!(site.cnitool("check"), Ok(Value::Null), "{shape:?}");
        assert_eq!(site.cnitool("del"), Ok(Value::Null), "{shape:?}");
        assert_eq!(
            site.world
                .json("host", &format!("link show {}", place.home))[0]["address"],
            MAC
        );
        site.world.wait_until(|_| site.agent.journal() == 0);
    }
}

/// Traffic from the address, and what the pod starts.
fn serves(site: &Site, place: &Place, family: &Family) {
    let Family {
        address, beyond, ..
    } = *family;
    let world = &site.world;
    // host-device's own kind of address is tentative for a moment.
    world.wait_until(|world| {
        let tentative = world.json("bare", "addr show tentative");
        !tentative.to_string().contains(address)
    });
    world
        .reach("bare", Some(address), beyond, PORT)
        .unwrap_or_else(|error| panic!("from {address}: {error}"));
    let by = way(site, beyond, &format!("from {address}"));
    assert_eq!(by.as_deref(), Some(place.name), "from {address}");
    assert_eq!(
        way(site, beyond, "").as_deref(),
        place.starts,
        "to {beyond}"
    );
    if place.starts == Some(place.name) {
        world.reach("bare", None, beyond, PORT).unwrap();
        let routes = world.json("bare", &format!("{} route show default", family.flag));
        assert_eq!(routes[0]["gateway"], family.gateway, "{routes}");
    }
}

/// Shape: IPv4, Fallback, first.
/// Shape: IPv6, Fallback, first.
/// Shape: IPv4+IPv6, Fallback, first.
#[test]
fn each_family_is_the_pods_only_interface() {
    comes_and_goes(&Place {
        plugins: json!([ours()]),
        name: "eth0",
        home: HOME,
        is_subnet: false,
        starts: Some("eth0"),
    });
}

/// host-device's addresses are as long as their subnet.
/// Shape: IPv4, IPAM.
/// Shape: IPv6, IPAM.
/// Shape: IPv4+IPv6, IPAM.
#[test]
fn each_family_is_given_by_host_device() {
    comes_and_goes(&Place {
        plugins: json!([addressed()]),
        name: "eth0",
        home: "eth1",
        is_subnet: true,
        starts: Some("eth0"),
    });
}

/// The list for a pod's first network: host-device with the claim's addresses, and ours behind it.
/// Shape: IPv4, after host-device.
/// Shape: IPv6, after host-device.
/// Shape: IPv4+IPv6, after host-device.
#[test]
fn each_family_is_configured_behind_host_device() {
    comes_and_goes(&Place {
        plugins: json!([addressed(), ours()]),
        name: "eth0",
        home: "eth1",
        is_subnet: true,
        starts: Some("eth0"),
    });
}

/// Without addresses of its own, as for a further network.
/// Shape: IPv4, after host-device.
/// Shape: IPv6, after host-device.
/// Shape: IPv4+IPv6, after host-device.
#[test]
fn each_family_is_added_behind_host_device_without_addresses() {
    comes_and_goes(&Place {
        plugins: json!([host_device(), ours()]),
        name: "eth0",
        home: "eth1",
        is_subnet: false,
        starts: None,
    });
}

fn addressed() -> Value {
    let mut plugin = host_device();
    plugin["ipam"] = json!({ "type": "eniclaim" });
    plugin
}

/// ptp with addresses of both families.
fn dual_ptp() -> Value {
    let mut plugin = ptp();
    plugin["ipam"] = json!({
        "type": "host-local",
        "ranges": [[{ "subnet": "10.244.7.0/24" }], [{ "subnet": "fd00:10:244:7::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
    });
    plugin
}

/// Shape: IPv4, after ptp.
/// Shape: IPv6, after ptp.
/// Shape: IPv4+IPv6, after ptp.
#[test]
fn each_family_is_a_further_interface_behind_ptp() {
    comes_and_goes(&Place {
        plugins: json!([dual_ptp(), ours()]),
        name: "eni0",
        home: HOME,
        is_subnet: false,
        starts: Some("eth0"),
    });
}

/// The real ptp's addresses, routes and neighbours are the earlier interface.
/// Shape: IPv4, Fallback, after ptp.
/// Shape: IPv6, Fallback, after ptp.
/// Shape: IPv4+IPv6, Fallback, after ptp.
/// Shape: IPv4, Primary, after ptp.
/// Shape: IPv6, Primary, after ptp.
/// Shape: IPv4+IPv6, Primary, after ptp.
#[test]
fn each_family_has_the_default_route_of_its_class_behind_ptp() {
    for (mode, by) in [("Fallback", "eth0"), ("Primary", "eni0")] {
        for families in SHAPES {
            let plugins = json!([dual_ptp(), ours()]);
            let clusters = json!(["10.96.0.0/12", "fd00:10:96::/112"]);
            let interface = json!({ "defaultRoute": mode, "clusterCidrs": clusters });
            let site = site(families, &plugins, &interface);
            site.cnitool("add").unwrap();
            for family in families {
                let said = way(&site, family.beyond, "");
                assert_eq!(said.as_deref(), Some(by), "{mode} {}", family.inet);
                let mut reached = vec![Some(family.address)];
                reached.extend((mode == "Primary").then_some(None));
                for from in reached {
                    let answer = site.world.reach("bare", from, family.beyond, PORT);
                    answer.unwrap_or_else(|error| panic!("{mode} from {from:?}: {error}"));
                }
            }
            for service in ["10.96.0.10", "fd00:10:96::10"] {
                assert_eq!(way(&site, service, "").as_deref(), Some("eth0"), "{mode}");
            }
            assert_eq!(site.cnitool("check"), Ok(Value::Null), "{mode}");
            assert_eq!(site.cnitool("del"), Ok(Value::Null), "{mode}");
            assert!(site.world.has_link("host", HOME));
        }
    }
}
