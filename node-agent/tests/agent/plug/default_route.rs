//! What the pod starts, under each default route: what `ip` says of the ways, and what traffic does.

use node_agent::plug::{check, plug, unplug};
use node_agent_core::{
    claim::{DefaultRoute, Interface},
    picture::PodSlot,
    plan::Traces,
};
use serde_json::Value;

use super::shape::{Counts, eni, interface};
use crate::world::World;

#[path = "default_route/alone.rs"]
mod alone;
#[path = "default_route/changes.rs"]
mod changes;
#[path = "default_route/destinations.rs"]
mod destinations;
#[path = "default_route/ways.rs"]
mod ways;

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

/// An interface under this default route, in a cluster with Services.
fn leading(default_route: DefaultRoute, interface: Interface) -> Interface {
    Interface {
        default_route,
        cluster: ["10.96.0.0/12", "fd00:10:96::/112"]
            .map(|net| net.parse().unwrap())
            .into(),
        ..interface
    }
}

/// The pod's first ENI, with an address of both families.
fn dual(default_route: DefaultRoute) -> Interface {
    leading(default_route, interface([Counts(1, 0); 2], FIRST))
}

fn plugged(world: &World, interface: &Interface) {
    plugged_at(world, interface, FIRST);
}

fn plugged_at(world: &World, interface: &Interface, slot: PodSlot) {
    plug(
        &world.node(),
        &world.netns("pod"),
        &eni(slot),
        interface,
        slot,
    )
    .unwrap();
}

/// The ENI at a slot leaves, and nothing of it stays.
fn unplugged(world: &World, slot: PodSlot) {
    let (node, pod) = (world.node(), world.netns("pod"));
    let gone = unplug(&node, Some(&pod), &eni(slot), slot, Traces::Remove).unwrap();
    assert!(gone.found && gone.left.is_empty(), "{:?}", gone.left);
}

/// What CHECK says.
fn differs(world: &World, interface: &Interface) -> String {
    differs_at(world, interface, FIRST)
}

fn differs_at(world: &World, interface: &Interface, slot: PodSlot) -> String {
    let (node, pod) = (world.node(), world.netns("pod"));
    let checked = check(&node, &pod, &eni(slot), interface, slot);
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
