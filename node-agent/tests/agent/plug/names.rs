//! Names that a pod has already.

use super::plug;
use crate::world::{World, an_interface};

/// Cases: M05.
#[test]
fn link_of_the_devices_host_name_in_the_pod_is_no_hindrance_and_stays() {
    let world = World::new();
    let host = world.device("host").unwrap()["ifname"].clone();
    let name = host.as_str().unwrap();
    world.ip("pod", &format!("link add {name} type bridge"));
    let before = world.json("pod", &format!("link show {name}"));
    plug(&world, &an_interface()).unwrap();
    assert_eq!(world.device("pod").unwrap()["ifname"], "eni0");
    assert_eq!(world.json("pod", &format!("link show {name}")), before);
}
