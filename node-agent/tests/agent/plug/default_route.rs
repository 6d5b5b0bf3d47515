//! Never, Fallback and Primary, with and without an earlier interface, in both families: what ip says of the ways, and what traffic does.

use node_agent::plug::{check, plug, unplug};
use node_agent_core::{
    claim::{DefaultRoute, Destination, Interface},
    picture::{Family, Folder, PodSlot, Sysctl},
    plan::Traces,
};
use serde_json::{Value, json};

use crate::{
    plug::{an_ipv6_address, pick},
    world::{MAC, World, an_eni, an_interface},
};

const MODES: [DefaultRoute; 3] = [
    DefaultRoute::Never,
    DefaultRoute::Fallback,
    DefaultRoute::Primary,
];
const FIRST: PodSlot = PodSlot(0);

/// A node with an address in the ENI's subnet, and a pod that has an address of both families from somebody else.
fn chained() -> World {
    let world = World::new();
    world.ip("host", "link add ens5 type veth peer name vpc0");
    for line in [
        "addr add 10.0.1.5/24 dev ens5",
        "-6 addr add 2001:db8:1::5/64 dev ens5 nodad",
        "link set ens5 up",
        "link set vpc0 up",
        "route add default via 10.0.1.1",
        "-6 route add default via 2001:db8:1::1 dev ens5",
    ] {
        world.ip("host", line);
    }
    world.ip("pod", "-6 addr add fd00:10:244::2/64 dev eth0 nodad");
    world.ip("pod", "-6 route add default via fd00:10:244::1 dev eth0");
    world
}

/// A pod without an interface of anybody else.
fn alone() -> World {
    let world = chained();
    world.ip("pod", "link del eth0");
    world
}

fn of(default_route: DefaultRoute, families: &[Family]) -> Interface {
    let mut addresses = an_interface().addresses;
    addresses.push(an_ipv6_address());
    addresses.retain(|address| families.contains(&Family::of(address.ip)));
    Interface {
        addresses,
        default_route,
        cluster: ["10.96.0.0/12", "fd00:10:96::/112"]
            .map(|net| net.parse().unwrap())
            .into(),
        ..an_interface()
    }
}

fn dual(default_route: DefaultRoute) -> Interface {
    of(default_route, &[Family::V4, Family::V6])
}

fn plugged(world: &World, interface: &Interface) {
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        interface,
        FIRST,
    )
    .unwrap();
}

fn differs(world: &World, interface: &Interface) -> String {
    let checked = check(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        interface,
        FIRST,
    );
    checked.map_or_else(|error| error.to_string(), |()| String::new())
}

/// By which interface a packet leaves, as ip says; `from` is more arguments.
fn way(world: &World, to: &str, from: &str) -> String {
    let line = format!("ip -j route get {to} {from}");
    let output = world.exec("pod", &line.split_whitespace().collect::<Vec<_>>());
    if !output.status.success() {
        return "nowhere".to_owned();
    }
    let ways: Value = serde_json::from_slice(&output.stdout).unwrap();
    ways[0]["dev"].as_str().unwrap().to_owned()
}

/// What a table has to say of a family that the ENI has an address of, chained: destination, more arguments, interface by mode.
const WAYS: [[(&str, &str, [&str; 3]); 9]; 2] = [
    [
        ("203.0.113.9", "", ["eth0", "eth0", "eni0"]),
        ("203.0.113.9", "from 10.0.1.50", ["eni0"; 3]),
        ("203.0.113.9", "from 10.244.1.2", ["eth0"; 3]),
        ("203.0.113.9", "oif eth0", ["eth0"; 3]),
        ("10.0.1.7", "", ["eth0", "eth0", "eni0"]),
        ("10.0.1.5", "", ["eth0"; 3]),
        ("10.0.1.5", "from 10.0.1.50", ["eni0"; 3]),
        ("10.96.0.10", "", ["eth0"; 3]),
        ("169.254.170.23", "", ["eth0"; 3]),
    ],
    [
        ("2001:db8:9::9", "", ["eth0", "eth0", "eni0"]),
        ("2001:db8:9::9", "from 2001:db8:1::50", ["eni0"; 3]),
        ("2001:db8:9::9", "from fd00:10:244::2", ["eth0"; 3]),
        ("2001:db8:9::9", "oif eth0", ["eth0"; 3]),
        ("2001:db8:1::7", "", ["eth0", "eth0", "eni0"]),
        ("2001:db8:1::5", "", ["eth0"; 3]),
        ("2001:db8:1::5", "from 2001:db8:1::50", ["eni0"; 3]),
        ("fd00:10:96::10", "", ["eth0"; 3]),
        ("fd00:ec2::23", "", ["eth0"; 3]),
    ],
];

/// Shape: IPv4, Fallback.
/// Shape: IPv4, Primary.
/// Shape: IPv6, Fallback.
/// Shape: IPv6, Primary.
/// Shape: IPv4+IPv6, Fallback.
/// Shape: IPv4+IPv6, Primary.
/// With ENI, node and neighbour in one subnet the answers of the pod's first interface leave by that interface.
#[test]
fn ways_under_each_mode_and_family_with_an_earlier_interface() {
    for (mode, default_route) in MODES.into_iter().enumerate() {
        for families in [&[Family::V4][..], &[Family::V6], &[Family::V4, Family::V6]] {
            let (world, interface) = (chained(), of(default_route, families));
            let main = |world: &World| {
                let v6 = world.json("pod", "-6 route show table main");
                (
                    world.json("pod", "route show table main"),
                    without(&v6, "eni0"),
                )
            };
            let before = (main(&world), world.portrait("pod"));
            plugged(&world, &interface);
            for (family, ways) in [Family::V4, Family::V6].iter().zip(WAYS) {
                for (to, from, by_mode) in ways {
                    let wanted = match (
                        families.contains(family),
                        from.starts_with("from 10.0.1.50")
                            || from.starts_with("from 2001:db8:1::50"),
                    ) {
                        (true, _) => by_mode[mode],
                        (false, true) => continue,
                        (false, false) => "eth0",
                    };
                    let seen = way(&world, to, from);
                    assert_eq!(
                        seen, wanted,
                        "{default_route:?} with {families:?}: to {to} {from}"
                    );
                }
            }
            assert_eq!(main(&world), before.0, "nothing of table main is touched");
            assert_eq!(differs(&world, &interface), "");
            let plugged_once = world.portrait("pod");
            plugged(&world, &interface);
            assert_eq!(
                world.portrait("pod"),
                plugged_once,
                "once more changes nothing"
            );
            let gone = unplug(
                &world.node(),
                Some(&world.netns("pod")),
                &an_eni(),
                FIRST,
                Traces::Remove,
            );
            assert!(gone.unwrap().left.is_empty());
            assert_eq!(world.portrait("pod"), before.1);
        }
    }
}

/// Routes of other links than the one that is named.
fn without(routes: &Value, dev: &str) -> Vec<Value> {
    let routes = routes.as_array().unwrap().iter();
    routes
        .filter(|route| route["dev"] != dev)
        .cloned()
        .collect()
}

#[test]
fn without_an_earlier_interface_the_default_route_is_in_table_main() {
    for default_route in MODES {
        let (world, interface) = (alone(), dual(default_route));
        let before = world.portrait("pod");
        plugged(&world, &interface);
        let main = |family: &str| -> Vec<Value> {
            let routes = world.json("pod", &format!("{family} route show table main"));
            let ours = routes
                .as_array()
                .unwrap()
                .iter()
                .filter(|route| route["protocol"] == "236");
            ours.map(|route| {
                pick(
                    route,
                    &["dst", "gateway", "dev", "prefsrc", "metric", "flags"],
                )
            })
            .collect()
        };
        let (v4, v6) = if default_route == DefaultRoute::Never {
            (vec![], vec![])
        } else {
            (
                vec![
                    json!({ "dst": "default", "gateway": "10.0.1.1", "dev": "eni0", "prefsrc": "10.0.1.50", "flags": ["onlink"] }),
                    json!({ "dst": "10.0.1.0/24", "dev": "eni0", "prefsrc": "10.0.1.50", "flags": [] }),
                ],
                vec![
                    json!({ "dst": "2001:db8:1::/64", "dev": "eni0", "prefsrc": "2001:db8:1::50", "metric": 1024, "flags": [] }),
                    json!({ "dst": "default", "gateway": "fe80:ec2::1", "dev": "eni0", "prefsrc": "2001:db8:1::50", "metric": 1024, "flags": ["onlink"] }),
                ],
            )
        };
        assert_eq!((main("-4"), main("-6")), (v4, v6), "{default_route:?}");
        assert_eq!(differs(&world, &interface), "");
        plugged(&world, &interface);
        let gone = unplug(
            &world.node(),
            Some(&world.netns("pod")),
            &an_eni(),
            FIRST,
            Traces::Remove,
        );
        assert!(gone.unwrap().left.is_empty());
        assert_eq!(world.portrait("pod"), before);
    }
}

#[test]
fn fallback_takes_over_when_the_earlier_interface_loses_its_routes_and_gives_back() {
    let world = chained();
    plugged(&world, &dual(DefaultRoute::Fallback));
    for (family, to, via) in [
        ("-4", "203.0.113.9", "10.244.1.1"),
        ("-6", "2001:db8:9::9", "fd00:10:244::1"),
    ] {
        assert_eq!(way(&world, to, ""), "eth0");
        world.ip("pod", &format!("{family} route del default"));
        assert_eq!(way(&world, to, ""), "eni0");
        world.ip(
            "pod",
            &format!("{family} route add default via {via} dev eth0"),
        );
        assert_eq!(way(&world, to, ""), "eth0");
    }
    world.ip("pod", "link set eth0 down");
    assert_eq!(way(&world, "203.0.113.9", ""), "eni0");
}

#[test]
fn primary_link_that_blinks_lets_nothing_out_another_way() {
    let (world, interface) = (chained(), dual(DefaultRoute::Primary));
    plugged(&world, &interface);
    world.ip("pod", "link set eni0 down");
    for to in ["203.0.113.9", "2001:db8:9::9"] {
        assert_eq!(way(&world, to, ""), "nowhere");
    }
    assert_eq!(way(&world, "10.96.0.10", ""), "eth0");
    assert_eq!(way(&world, "203.0.113.9", "from 10.244.1.2"), "eth0");
    world.ip("pod", "link set eni0 up");
    assert!(
        differs(&world, &interface)
            .contains("route 0.0.0.0/0 via 10.0.1.1 from 10.0.1.50 in table 23600 is missing")
    );
    plugged(&world, &interface);
    assert_eq!(way(&world, "203.0.113.9", ""), "eni0");
}

#[test]
fn what_the_pod_starts_under_primary_reaches_the_vpc_and_says_so_to_nobody_else() {
    let world = chained();
    world.serve("vpc", 8080);
    plugged(&world, &dual(DefaultRoute::Primary));
    for to in ["10.0.1.1", "10.0.9.9"] {
        world
            .reach("pod", None, to, 8080)
            .unwrap_or_else(|error| panic!("{to}: {error}"));
    }
    assert_eq!(
        world.json("pod", "route get 10.0.9.9")[0]["prefsrc"],
        "10.0.1.50"
    );
}

#[test]
fn check_names_a_rule_that_somebody_deleted() {
    let (world, interface) = (chained(), dual(DefaultRoute::Primary));
    plugged(&world, &interface);
    for (line, words) in [
        (
            "rule del priority 32000",
            "IPv4 rule 32000: lookup 23600 is missing",
        ),
        (
            "rule del priority 31744",
            "IPv4 rule 31744: lookup main suppress_prefixlength 0 is missing",
        ),
        (
            "rule del priority 768 from 10.244.1.2",
            "IPv4 rule 768: from 10.244.1.2/32 lookup main is missing",
        ),
        (
            "-6 rule del priority 768 to fd00:ec2::23",
            "IPv6 rule 768: to fd00:ec2::23/128 lookup main is missing",
        ),
    ] {
        world.ip("pod", line);
        let said = differs(&world, &interface);
        assert!(said.contains(words), "{line}: {said}");
    }
    plugged(&world, &interface);
    assert_eq!(differs(&world, &interface), "");
}

#[test]
fn destinations_of_the_class_leave_by_the_interface() {
    let world = chained();
    let destination = |to: &str, via: Option<&str>| Destination {
        to: to.parse().unwrap(),
        via: via.map(|via| via.parse().unwrap()),
    };
    let interface = Interface {
        destinations: vec![
            destination("10.0.0.0/8", Some("10.0.1.9")),
            destination("10.0.1.0/24", None),
            destination("2001:db8:9::/48", None),
        ],
        ..dual(DefaultRoute::Never)
    };
    let before = world.portrait("pod");
    plugged(&world, &interface);
    for (to, from, wanted) in [
        ("10.9.9.9", "", "eni0"),
        ("10.0.1.7", "", "eni0"),
        ("10.0.1.5", "", "eth0"),
        ("10.96.0.10", "", "eth0"),
        ("10.244.1.9", "", "eth0"),
        ("203.0.113.9", "", "eth0"),
        ("10.9.9.9", "from 10.244.1.2", "eth0"),
        ("2001:db8:9::9", "", "eni0"),
        ("2001:db8:8::9", "", "eth0"),
    ] {
        assert_eq!(way(&world, to, from), wanted, "to {to} {from}");
    }
    let way = world.json("pod", "route get 10.9.9.9");
    assert_eq!(
        pick(&way[0], &["gateway", "prefsrc"]),
        json!({ "gateway": "10.0.1.9", "prefsrc": "10.0.1.50" })
    );
    assert_eq!(differs(&world, &interface), "");
    unplug(
        &world.node(),
        Some(&world.netns("pod")),
        &an_eni(),
        FIRST,
        Traces::Remove,
    )
    .unwrap();
    assert_eq!(world.portrait("pod"), before);
}

/// Cases: M15.
/// Settings and parameters of neighbours, which a move drops.
#[test]
fn settings_of_the_class_are_on_the_interface_and_check_compares_them() {
    let world = chained();
    let setting = |family, folder, name| Sysctl {
        family,
        folder,
        name,
    };
    let sysctls = [
        (Sysctl::RP_FILTER, "1"),
        (setting(Family::V4, Folder::Conf, "arp_ignore"), "1"),
        (
            setting(Family::V4, Folder::Neigh, "base_reachable_time_ms"),
            "5000",
        ),
        (setting(Family::V4, Folder::Neigh, "ucast_solicit"), "7"),
        (setting(Family::V6, Folder::Neigh, "gc_stale_time"), "120"),
        (setting(Family::V6, Folder::Conf, "ndisc_notify"), "1"),
    ];
    let interface = Interface {
        sysctls: sysctls
            .map(|(sysctl, value)| (sysctl, value.to_owned()))
            .into(),
        ..dual(DefaultRoute::Never)
    };
    plugged(&world, &interface);
    for (sysctl, value) in sysctls {
        let path = format!("/proc/sys/net/{}", sysctl.path("eni0"));
        let read = world.exec("pod", &["cat", &path]);
        assert_eq!(
            String::from_utf8_lossy(&read.stdout).trim(),
            value,
            "{path}"
        );
    }
    assert_eq!(differs(&world, &interface), "");
    let set = ["sysctl", "-w", "net.ipv4.neigh.eni0.ucast_solicit=3"];
    assert!(world.exec("pod", &set).status.success());
    assert!(differs(&world, &interface).contains("ucast_solicit is 3, not 7"));
    plugged(&world, &interface);
    assert_eq!(differs(&world, &interface), "");
}

/// Shape: IPv4, 2 interfaces, Primary.
#[test]
fn of_two_primary_enis_the_first_is_and_then_the_other() {
    const SECOND: &str = "02:ec:00:00:00:0b";
    let (world, first) = (chained(), dual(DefaultRoute::Primary));
    let peer = world.name("vpc");
    world.ip(
        "host",
        &format!("link add eth2 address {SECOND} type veth peer name eni0b netns {peer}"),
    );
    world.ip("vpc", "link set eni0b up");
    let mut other = (an_eni(), of(DefaultRoute::Primary, &[Family::V4]));
    other.0.mac = SECOND.parse().unwrap();
    other.0.id = "eni-second".into();
    other.1.name = "eni1".into();
    other.1.addresses[0].ip = "10.0.1.51".parse().unwrap();
    let (node, pod) = (world.node(), world.netns("pod"));
    plugged(&world, &first);
    plug(&node, &pod, &other.0, &other.1, PodSlot(1)).unwrap();
    assert_eq!(
        differs(&world, &first),
        "",
        "the second is no earlier interface of the first"
    );
    check(&node, &pod, &other.0, &other.1, PodSlot(1)).unwrap();
    assert_eq!(way(&world, "203.0.113.9", ""), "eni0");
    assert_eq!(way(&world, "203.0.113.9", "from 10.0.1.51"), "eni1");
    unplug(&node, Some(&pod), &an_eni(), FIRST, Traces::Remove).unwrap();
    assert_eq!(way(&world, "203.0.113.9", ""), "eni1");
    check(&node, &pod, &other.0, &other.1, PodSlot(1)).unwrap();
    assert!(
        world
            .device("host")
            .is_some_and(|device| device["address"] == MAC)
    );
}
