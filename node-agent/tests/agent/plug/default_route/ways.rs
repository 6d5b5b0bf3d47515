//! By which interface a pod with an earlier interface sends what it starts: by mode, and whatever its ENIs have.

use node_agent_core::{
    claim::{DefaultRoute, Interface},
    picture::PodSlot,
};
use serde_json::Value;

use super::{
    FIRST, MODES, chained, differs_at, dual, leading, plugged, plugged_at, unplugged, way,
};
use crate::{
    plug::shape::{Counts, Shape, V4, V6, interface, is_in_the_kernel, name, wire},
    world::World,
};

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

/// A pod with so many ENIs, all of one shape.
#[derive(Debug)]
struct Pod {
    enis: u8,
    shape: Shape,
    mode: usize,
}

impl Pod {
    fn slots(&self) -> impl Iterator<Item = PodSlot> {
        (0..self.enis).map(PodSlot)
    }

    fn interface(&self, slot: PodSlot) -> Interface {
        leading(MODES[self.mode], interface(self.shape, slot))
    }
}

/// Each number of prefixes, ENIs and each mode, in one pod after the other.
fn each(shape: impl Fn(Counts) -> Shape) {
    let world = chained();
    wire(&world, 2);
    for prefixes in [0, 1] {
        for enis in [1, 2] {
            for mode in 0..MODES.len() {
                let shape = shape(Counts(1, prefixes));
                comes_and_goes(&world, &Pod { enis, shape, mode });
            }
        }
    }
}

/// The pod gets all of its ENIs, and then loses them, the first one first.
fn comes_and_goes(world: &World, pod: &Pod) {
    println!("{pod:?}");
    let before = (main(world), world.portrait("pod"));
    let plug_all = || {
        for slot in pod.slots() {
            plugged_at(world, &pod.interface(slot), slot);
        }
    };
    plug_all();
    leads(world, pod);
    for slot in pod.slots() {
        is_in_the_kernel(world, pod.shape, slot);
    }
    assert_eq!(main(world), before.0, "nothing of table main is touched");
    let once = world.portrait("pod");
    plug_all();
    assert_eq!(world.portrait("pod"), once, "once more changes nothing");
    for slot in pod.slots() {
        are_whole(world, pod, slot);
        unplugged(world, slot);
        let next = PodSlot(slot.0 + 1);
        let is_led = MODES[pod.mode] == DefaultRoute::Primary && next.0 < pod.enis;
        for (counts, family) in pod.shape.iter().zip([V4, V6]) {
            let wanted = match (is_led, counts) {
                (false, _) | (_, Counts(0, 0)) => "eth0".to_owned(),
                (true, _) => name(next),
            };
            assert_eq!(way(world, family.beyond, ""), wanted, "without {slot:?}");
        }
    }
    assert_eq!(world.portrait("pod"), before.1);
}

/// By the first ENI, or by eth0, as the table says.
fn leads(world: &World, pod: &Pod) {
    for ((counts, family), ways) in pod.shape.iter().zip([V4, V6]).zip(WAYS) {
        let [own, _] = family.addresses(FIRST);
        for (to, from, by_mode) in ways {
            let wanted = match (*counts, from.ends_with(&own)) {
                (Counts(0, 0), true) => continue,
                (Counts(0, 0), false) => "eth0",
                _ => by_mode[pod.mode],
            };
            assert_eq!(way(world, to, from), wanted, "to {to} {from}");
        }
    }
}

/// CHECK finds nothing amiss with those from `first` on: a later ENI is no earlier interface of the one before it.
fn are_whole(world: &World, pod: &Pod, first: PodSlot) {
    for slot in pod.slots().filter(|slot| *slot >= first) {
        let differs = differs_at(world, &pod.interface(slot), slot);
        assert_eq!(differs, "", "{slot:?}");
    }
}

/// Table main, but for what the kernel puts there for each link with IPv6.
fn main(world: &World) -> [Vec<Value>; 2] {
    ["-4", "-6"].map(|family| {
        let routes = world.json("pod", &format!("{family} route show table main"));
        let routes = routes.as_array().unwrap().iter();
        let of_eni = |route: &Value| route["dev"].as_str().unwrap().starts_with("eni");
        routes
            .filter(|route| family == "-4" || !of_eni(route))
            .cloned()
            .collect()
    })
}

/// Shape: IPv4, 0 or 1 prefixes, 1 or 2 interfaces, Never or Fallback or Primary.
#[test]
fn ipv4_leaves_as_the_mode_says_with_node_and_neighbour_in_the_subnet() {
    each(|counts| [counts, Counts(0, 0)]);
}

/// Shape: IPv6, 0 or 1 prefixes, 1 or 2 interfaces, Never or Fallback or Primary.
#[test]
fn ipv6_leaves_as_the_mode_says_with_node_and_neighbour_in_the_subnet() {
    each(|counts| [Counts(0, 0), counts]);
}

/// Shape: IPv4+IPv6, 0 or 1 prefixes, 1 or 2 interfaces, Never or Fallback or Primary.
#[test]
fn both_families_leave_as_the_mode_says_with_node_and_neighbour_in_the_subnet() {
    each(|counts| [counts; 2]);
}

/// Shape: IPv4+IPv6, 1 prefix, 4 interfaces, Never or Fallback or Primary.
#[test]
fn four_with_prefixes_of_both_families_leave_as_the_mode_says() {
    let world = chained();
    wire(&world, 4);
    for mode in 0..MODES.len() {
        let (enis, shape) = (4, [Counts(1, 1); 2]);
        comes_and_goes(&world, &Pod { enis, shape, mode });
    }
}

#[test]
fn of_two_primary_enis_each_family_leaves_by_the_first_that_has_it() {
    let (world, second) = (chained(), PodSlot(1));
    wire(&world, 2);
    let ipv4 = interface([Counts(1, 0), Counts(0, 0)], FIRST);
    let both = interface([Counts(1, 0); 2], second);
    plugged(&world, &leading(DefaultRoute::Primary, ipv4));
    plugged_at(&world, &leading(DefaultRoute::Primary, both), second);
    assert_eq!(way(&world, "203.0.113.9", ""), "eni0");
    assert_eq!(way(&world, "2001:db8:9::9", ""), "eni1");
    for (to, from) in [
        ("203.0.113.9", "10.244.1.2"),
        ("2001:db8:9::9", "fd00:10:244::2"),
    ] {
        assert_eq!(way(&world, to, &format!("from {from}")), "eth0");
    }
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
