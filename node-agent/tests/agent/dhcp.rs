//! DHCP over the sockets of the agent.

#[path = "dhcp/exchange.rs"]
mod exchange;

use crate::world::World;

/// The ENI in the pod.
const INTERFACE: &str = "eth1";
/// Its other end, in the VPC.
const SERVER_END: &str = "eni0a";

/// A pod that has its ENI, without addresses.
fn a_pod() -> World {
    let world = World::new();
    let pod = world.name("pod");
    world.ip("host", &format!("link set eth1 netns {pod}"));
    world.ip("pod", "link set eth1 up");
    for end in [("pod", INTERFACE), ("vpc", SERVER_END)] {
        // Without its link-local address, checked, nobody can send to a group of IPv6.
        world.wait_until(|world| {
            let addresses = world.ip(end.0, &format!("-6 addr show dev {} scope link", end.1));
            addresses.contains("fe80") && !addresses.contains("tentative")
        });
    }
    world
}
