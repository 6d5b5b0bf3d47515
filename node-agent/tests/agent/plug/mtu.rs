//! The MTU of the interface.

use node_agent_core::claim::Mtu;

use crate::{
    plug::{checked, plug},
    world::{World, an_interface},
};

#[test]
fn mtu_is_set_on_the_way_in_whatever_an_earlier_pod_had() {
    // Below 1280 bytes the kernel takes all settings of IPv6 off the link.
    let world = World::new();
    world.ip("host", "link set eth1 mtu 1200");
    plug(&world, &an_interface()).unwrap();
    assert_eq!(world.device("pod").unwrap()["mtu"], 9001);
    world.ip("pod", "link set eni0 mtu 1200");
    plug(&world, &an_interface()).unwrap();
    assert_eq!(world.device("pod").unwrap()["mtu"], 9001);
    assert_eq!(checked(&world), "");
}

#[test]
fn mtu_of_the_class_is_set_and_one_that_the_device_cannot_have_is_refused_in_the_kernels_words() {
    let world = World::new();
    let mut interface = an_interface();
    interface.mtu = Mtu::Bytes(1200);
    plug(&world, &interface).unwrap();
    assert_eq!(world.device("pod").unwrap()["mtu"], 1200);
    let world = World::new();
    interface.mtu = Mtu::Bytes(70_000);
    let failed = plug(&world, &interface).unwrap_err();
    let error = failed.error.to_string();
    assert!(error.contains("mtu greater than device maximum"), "{error}");
    assert!(failed.undo.is_none(), "{:?}", failed.undo);
}
