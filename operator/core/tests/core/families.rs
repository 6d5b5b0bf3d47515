//! IPv6, secondary addresses and prefixes, from the class to the claim's status.

use api::{
    IpFamily::{self, IPv4, IPv6},
    claim::{AddressRole, RequestedCounts},
};
use operator_core::{Reason, SECOND, addresses::Addresses, order::Action};
use vpc::world as aws;

use super::world::World;

fn addresses(families: &[IpFamily]) -> Addresses {
    Addresses {
        families: families.into(),
        ..Addresses::default()
    }
}

/// A world whose class lists these subnets and asks for that.
fn asking(subnets: &[&str], addresses: Addresses) -> World {
    let mut world = World::new();
    world.set_class(|class| {
        class.subnets.ids = subnets.iter().map(|id| id.parse().unwrap()).collect();
        class.addresses = addresses;
    });
    world
}

/// Addresses with the length of their subnet's prefix, gateway and role; then prefixes.
fn ipam(world: &World, pod: &str) -> Vec<String> {
    let status = &world.claim_of(pod).unwrap().status;
    let ipam = status.ipam.as_ref().unwrap();
    let addresses = ipam.addresses.iter().map(|a| {
        let (address, length, gateway) = (a.address, a.prefix_length, a.gateway);
        let role = match a.role {
            AddressRole::Primary => "primary",
            AddressRole::Secondary => "secondary",
        };
        format!("{address}/{length} by {gateway} {role}")
    });
    let prefixes = ipam.prefixes.iter().map(ToString::to_string);
    addresses.chain(prefixes).collect()
}

fn reason(world: &mut World, pod: &str, reason: Reason) {
    world.add_pod(pod, "n1");
    let name = pod.to_owned();
    world.until(60 * SECOND, "the reason", |w| {
        w.reason_of(&name).as_deref() == Some(reason.as_str())
    });
}

#[test]
fn a_claim_shows_all_addresses_with_their_routers_the_preferred_family_first() {
    let both = |families: &[IpFamily]| Addresses {
        ipv4: 2,
        ipv6: 2,
        ..addresses(families)
    };
    let ipv4 = |first: u8| {
        [
            format!("10.0.1.{first}/24 by 10.0.1.1 primary"),
            format!("10.0.1.{}/24 by 10.0.1.1 secondary", first + 1),
        ]
    };
    let ipv6 = [
        "2001:db8:ec2:a1::10/64 by fe80:ec2::1 primary",
        "2001:db8:ec2:a1::11/64 by fe80:ec2::1 secondary",
    ]
    .map(str::to_owned);
    for (families, expected) in [
        ([IPv4, IPv6], [ipv4(6), ipv6.clone()].concat()),
        ([IPv6, IPv4], [ipv6, ipv4(6)].concat()),
    ] {
        let mut world = asking(&[aws::SUBNET_NODES], both(&families));
        world.ready("web", "n1");
        assert_eq!(ipam(&world, "web"), expected);
        assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
        world.clear();
    }
}

#[test]
fn prefixes_come_with_the_one_create() {
    let prefixes = Addresses {
        ipv4_prefixes: 1,
        ipv6_prefixes: 1,
        ..addresses(&[IPv4, IPv6])
    };
    let mut world = asking(&[aws::SUBNET_NODES], prefixes);
    world.ready("web", "n1");
    let expected = [
        "10.0.1.6/24 by 10.0.1.1 primary",
        "10.0.1.16/28",
        "2001:db8:ec2:a1:1::/80",
    ];
    assert_eq!(ipam(&world, "web"), expected);
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    world.clear();
}

#[test]
fn ipv6_alone_is_made_in_a_subnet_of_ipv6_alone() {
    let subnets = [aws::SUBNET_NODES, aws::SUBNET_IPV6];
    let mut world = asking(&subnets, addresses(&[IPv6]));
    world.ready("web", "n1");
    let expected = ["2001:db8:ec2:a6::10/64 by fe80:ec2::1 primary"];
    assert_eq!(ipam(&world, "web"), expected);
    world.clear();
}

#[test]
fn a_subnet_that_would_give_ipv6_unasked_is_told_not_to() {
    let mut world = asking(&[aws::SUBNET_ZONE_B], addresses(&[IPv4]));
    world.add_node_in("n9", "m5.large", aws::SUBNET_ZONE_B);
    world.ready("web", "n9");
    assert_eq!(ipam(&world, "web").len(), 1);
    let status = &world.claim_of("web").unwrap().status;
    let counts = status.creation.as_ref().unwrap().request.counts;
    let expected = RequestedCounts {
        ipv6_address_count: Some(0),
        ..RequestedCounts::default()
    };
    assert_eq!(counts, expected);
    world.clear();
}

#[test]
fn a_class_whose_subnets_lack_a_family_says_which() {
    for (families, subnet, says) in [
        (
            vec![IPv4, IPv6],
            aws::SUBNET_SMALL,
            "associate an IPv6 block",
        ),
        (vec![IPv4, IPv6], aws::SUBNET_IPV6, "has a block of both"),
        (vec![IPv6], aws::SUBNET_NODES, "Ipv6Native"),
        (vec![IPv4], aws::SUBNET_IPV6, "is of IPv6 alone"),
    ] {
        let mut world = asking(&[subnet], addresses(&families));
        reason(&mut world, "web", Reason::SubnetLacksFamily);
        assert!(world.why("web").contains(says), "{}", world.why("web"));
        let labels = &world.store.nodes[&"n1".into()].classes;
        assert!(labels.is_empty(), "no node serves it: {labels:?}");
        world.clear();
    }
}

#[test]
fn a_subnet_without_room_for_all_addresses_is_passed_over_and_named() {
    let many = Addresses {
        ipv4: 12,
        ..Addresses::default()
    };
    let mut world = asking(&[aws::SUBNET_SMALL, aws::SUBNET_NODES], many.clone());
    world.add_node("n3", "m5.4xlarge");
    world.ready("web", "n3");
    let subnet = world.claim_of("web").unwrap().status.eni.clone().unwrap();
    assert_eq!(subnet.subnet_id.as_str(), aws::SUBNET_NODES);
    let mut world = asking(&[aws::SUBNET_SMALL], many);
    reason(&mut world, "web", Reason::SubnetFull);
    assert!(world.why("web").contains("takes 12 IPv4 addresses"));
    assert_eq!(world.calls(Action::CreateNetworkInterface), 0);
    let prefix = Addresses {
        ipv4_prefixes: 1,
        ..Addresses::default()
    };
    let mut world = asking(&[aws::SUBNET_SMALL], prefix);
    reason(&mut world, "web", Reason::SubnetFull);
    assert!(world.why("web").contains("16 in a row"));
}

#[test]
fn promised_addresses_are_all_that_a_request_takes() {
    // 251 addresses less those of the two nodes.
    let hundred = Addresses {
        ipv4: 64,
        ..Addresses::default()
    };
    let mut world = asking(&[aws::SUBNET_NODES], hundred);
    world.add_node("n3", "c6in.32xlarge");
    let pods = ["a", "b", "c", "d"];
    for pod in pods {
        world.add_pod(pod, "n3");
    }
    world.run(60 * SECOND);
    // Each of the three that fit was counted when the next one was decided: EC2 was asked for no fourth.
    assert_eq!(world.made().len(), 3, "{}", world.picture());
    assert_eq!(world.calls(Action::CreateNetworkInterface), 3);
}

#[test]
fn a_subnet_without_a_free_block_still_serves_single_addresses() {
    let mut world = asking(&[aws::SUBNET_NODES], Addresses::default());
    for host in (1..16_u8).map(|n| 16 * n + 5) {
        world.somebody(vpc::Request::CreateNetworkInterface(vpc::Create {
            subnet: aws::SUBNET_NODES.into(),
            address: Some([10, 0, 1, host].into()),
            counts: vpc::Counts::default(),
            connection_tracking: vpc::ConnectionTracking::default(),
            groups: [].into(),
            description: String::new(),
            tags: [].into(),
            client_token: None,
        }));
    }
    world.set_class(|class| class.addresses.ipv4_prefixes = 1);
    reason(&mut world, "blocks", Reason::SubnetFull);
    assert!(
        world.why("blocks").contains("16 in a row")
            || world.why("blocks").contains("InsufficientCidrBlocks")
    );
    world.set_class(|class| class.addresses.ipv4_prefixes = 0);
    world.ready("web", "n1");
}

#[test]
fn too_many_addresses_for_the_instance_type_are_named_at_the_attach() {
    let many = Addresses {
        ipv4: 11,
        ..Addresses::default()
    };
    let mut world = asking(&[aws::SUBNET_NODES], many);
    reason(&mut world, "web", Reason::Refused);
    let why = world.why("web");
    assert!(
        why.contains("PrivateIpAddressLimitExceeded") && why.contains("addressCounts"),
        "{why}"
    );
}

/// A claim whose request an earlier version froze has none of these fields.
#[test]
fn a_usual_class_asks_for_no_counts() {
    let mut world = asking(&[aws::SUBNET_NODES], Addresses::default());
    world.ready("web", "n1");
    let status = &world.claim_of("web").unwrap().status;
    let request = &status.creation.as_ref().unwrap().request;
    assert!(request.counts.are_absent(), "{request:?}");
}
