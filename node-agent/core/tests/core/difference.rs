//! The words for what differs.

use node_agent_core::{
    difference::differences,
    layout::layout,
    picture::{Picture, PodSlot, Sysctl},
};

use crate::makers::{ENA, FULL, an_interface};

fn wanted() -> Picture {
    layout(&an_interface(), PodSlot(0), FULL, ENA)
}

#[test]
fn each_part_is_said_with_what_is_and_what_should_be() {
    let wanted = wanted();
    assert_eq!(differences(&wanted, &wanted), Vec::<String>::new());
    let mut seen = wanted.clone();
    let link = seen.link.as_mut().unwrap();
    (link.name, link.mtu, link.up) = ("other".into(), 1500, false);
    seen.sysctls.insert(Sysctl::RP_FILTER, "1".into());
    seen.sysctls.remove(&Sysctl::ACCEPT_RA);
    seen.addresses = ["192.0.2.1/32".parse().unwrap()].into();
    seen.rules.pop_first();
    seen.routes.retain(|route| !route.needs_link());
    seen.egress_drop = false;
    assert_eq!(
        differences(&seen, &wanted),
        [
            "the name is other, not eni0",
            "the MTU is 1500, not 9001",
            "the link is down, not up",
            "rp_filter is 1, not 2",
            "accept_ra is missing, not 0",
            "address 10.0.1.50/32 is missing",
            "address 192.0.2.1/32 does not belong there",
            "IPv4 rule 1: to 169.254.169.254/32 blackhole is missing",
            "route 0.0.0.0/0 via 10.0.1.1 from 10.0.1.50 in table 23600 is missing",
            "route 10.0.1.0/24 from 10.0.1.50 in table 23600 is missing",
            "the block of the instance metadata service is missing",
        ]
    );
}

#[test]
fn name_alone_says_nothing_of_what_the_way_to_it_takes_along() {
    let mut seen = wanted();
    seen.link.as_mut().unwrap().name = "other".into();
    assert_eq!(
        differences(&seen, &wanted()),
        ["the name is other, not eni0"]
    );
}

#[test]
fn device_that_is_missing_is_one_difference() {
    let mut seen = wanted();
    seen.link = None;
    (seen.addresses, seen.sysctls) = Default::default();
    seen.routes.retain(|route| !route.needs_link());
    assert_eq!(differences(&seen, &wanted()), ["the device is missing"]);
}
