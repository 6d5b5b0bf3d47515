//! CHECK: what it says differs, in words.

use node_agent::plug::check;
use node_agent_core::picture::PodSlot;

use crate::{
    plug::{an_ipv6_address, checked, plug, plugged},
    world::{MAC, World, an_eni, an_interface},
};

/// Cases: M14.
#[test]
fn check_says_what_differs_in_words() {
    let world = plugged();
    assert_eq!(checked(&world), "");
    for (line, words) in [
        ("link set eni0 mtu 1400", "the MTU is 1400, not 9001"),
        (
            "rule del priority 1",
            "IPv4 rule 1: to 169.254.169.254/32 blackhole is missing",
        ),
        (
            "route del 10.0.1.0/24 table 23600",
            "route 10.0.1.0/24 from 10.0.1.50 in table 23600 is missing",
        ),
        (
            "addr add 192.0.2.1/32 dev eni0",
            "address 192.0.2.1/32 does not belong there",
        ),
        (
            "addr del 10.0.1.50/32 dev eni0",
            "address 10.0.1.50/32 is missing",
        ),
        ("link set eni0 down", "the link is down, not up"),
        ("link set eni0 name other", "the name is other, not eni0"),
    ] {
        world.ip("pod", line);
        let said = checked(&world);
        assert!(
            said.starts_with("the pod's interface is not as it was set: "),
            "{said}"
        );
        assert!(said.contains(words), "{line}: {said}");
    }
    plug(&world, &an_interface()).unwrap();
    assert_eq!(checked(&world), "");
    assert!(
        world
            .exec("pod", &["nft", "flush", "ruleset"])
            .status
            .success()
    );
    assert!(checked(&world).contains("the block of the instance metadata service is missing"));
    world.ip(
        "pod",
        &format!("link set eni0 netns {}", world.name("host")),
    );
    assert!(checked(&world).contains(&format!("the device with the MAC address {MAC} is missing")));
}

#[test]
fn check_waits_for_no_duplicate_detection_and_says_what_it_refused() {
    let world = World::new();
    let mut interface = an_interface();
    interface.addresses.push(an_ipv6_address());
    plug(&world, &interface).unwrap();
    let (node, pod) = (world.node(), world.netns("pod"));
    let check = || check(&node, &pod, &an_eni(), &interface, PodSlot(0));
    check().unwrap();
    // The same address at the other end, and detection switched on: the kernel finds the duplicate.
    world.ip("vpc", "addr add 2001:db8:1::50/64 dev eni0a nodad");
    let sysctl = ["sysctl", "-w", "net.ipv6.conf.eni0.accept_dad=1"];
    assert!(world.exec("pod", &sysctl).status.success());
    world.ip("pod", "addr del 2001:db8:1::50/128 dev eni0");
    world.ip("pod", "addr add 2001:db8:1::50/128 dev eni0 noprefixroute");
    let said = check().unwrap_err().to_string();
    assert!(
        said.contains("duplicate address detection has not let 2001:db8:1::50/128 through"),
        "{said}"
    );
}
