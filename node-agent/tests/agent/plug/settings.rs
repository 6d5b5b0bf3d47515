//! Settings of the class.

use node_agent::plug::check;
use node_agent_core::{
    claim::Interface,
    picture::{Family, Folder, PodSlot, Sysctl},
};

use super::shape::{Counts, interface};
use crate::{
    plug::plug,
    world::{World, an_eni},
};

/// Cases: M15.
/// Settings and parameters of neighbours, which a move drops.
#[test]
fn settings_of_the_class_are_on_the_interface_and_check_compares_them() {
    let world = World::new();
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
        ..interface([Counts(1, 0); 2], PodSlot(0))
    };
    let differs = || {
        let (node, pod) = (world.node(), world.netns("pod"));
        let checked = check(&node, &pod, &an_eni(), &interface, PodSlot(0));
        checked.map_or_else(|error| error.to_string(), |()| String::new())
    };
    plug(&world, &interface).unwrap();
    for (sysctl, value) in sysctls {
        let path = format!("/proc/sys/net/{}", sysctl.path("eni0"));
        let read = world.exec("pod", &["cat", &path]);
        assert_eq!(
            String::from_utf8_lossy(&read.stdout).trim(),
            value,
            "{path}"
        );
    }
    assert_eq!(differs(), "");
    let set = ["sysctl", "-w", "net.ipv4.neigh.eni0.ucast_solicit=3"];
    assert!(world.exec("pod", &set).status.success());
    assert!(differs().contains("ucast_solicit is 3, not 7"));
    plug(&world, &interface).unwrap();
    assert_eq!(differs(), "");
}
