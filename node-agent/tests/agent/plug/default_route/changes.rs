//! What happens to links, routes and rules of the pod after the ENI was plugged in.

use node_agent_core::{claim::DefaultRoute, picture::PodSlot};

use super::{FIRST, chained, differs, dual, leading, plugged, plugged_at, unplugged, way};
use crate::plug::shape::{Counts, interface, wire};

#[test]
fn first_fallback_takes_over_when_the_earlier_interface_loses_its_routes_and_gives_back() {
    let (world, second) = (chained(), PodSlot(1));
    wire(&world, 2);
    plugged(&world, &dual(DefaultRoute::Fallback));
    let other = interface([Counts(1, 0); 2], second);
    plugged_at(&world, &leading(DefaultRoute::Fallback, other), second);
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
    unplugged(&world, FIRST);
    assert_eq!(way(&world, "203.0.113.9", ""), "eni1");
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
