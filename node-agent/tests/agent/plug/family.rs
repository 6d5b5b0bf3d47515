//! IPv6 beside IPv4, and without it.

use crate::{
    plug::{an_ipv6_address, plug},
    world::{World, an_interface},
};

/// Cases: C07, M01.
/// Shape: IPv4+IPv6.
#[test]
fn both_families_are_plugged() {
    let world = World::new();
    let mut interface = an_interface();
    interface.addresses.push(an_ipv6_address());
    plug(&world, &interface).unwrap();
    let way = world.json("pod", "-6 route get 2001:db8:9::9 from 2001:db8:1::50");
    assert_eq!(way[0]["gateway"], "fe80:ec2::1");
    assert_eq!(way[0]["dev"], "eni0");
    let before = world.portrait("pod");
    plug(&world, &interface).unwrap();
    assert_eq!(world.portrait("pod"), before);
}

/// Cases: I03.
#[test]
fn ipv6_that_the_pod_disabled_is_left_out_and_ipv4_works() {
    let world = World::new();
    let sysctl = "net.ipv6.conf.all.disable_ipv6=1";
    assert!(
        world
            .exec("pod", &["sysctl", "-w", sysctl])
            .status
            .success()
    );
    let mut interface = an_interface();
    interface.addresses.push(an_ipv6_address());
    plug(&world, &interface).unwrap();
    world.serve("vpc", 8080);
    world
        .reach("pod", Some("10.0.1.50"), "10.0.9.9", 8080)
        .unwrap();
    // Once more, with the device in the pod.
    plug(&world, &interface).unwrap();

    interface.addresses.remove(0);
    let failed = plug(&world, &interface).unwrap_err();
    assert!(
        failed.error.to_string().contains("IPv6 is disabled"),
        "{}",
        failed.error
    );
}
