//! IPv6, secondary addresses and delegated prefixes.

use vpc::{Counts, Create, Ec2Error, Eni, Query, Request, Response, Vpc, world};

use crate::makers::{Does, LATER, a_request, a_world};

fn asking(subnet: &str, counts: Counts) -> Create {
    Create {
        subnet: subnet.into(),
        counts,
        ..a_request()
    }
}

fn none() -> Counts {
    Counts::default()
}

fn refused(subnet: &str, counts: Counts) -> (&'static str, String) {
    let error = a_world().make(asking(subnet, counts)).unwrap_err();
    (error.code(), error.to_string())
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// How many IPv4 addresses of a subnet are free.
fn free(vpc: &mut Vpc, subnet: &str) -> usize {
    let query = Query {
        ids: vec![subnet.to_owned()],
        ..Query::default()
    };
    match vpc.call(Request::DescribeSubnets(query), 0) {
        Ok(Response::Subnets(found, _)) => found[0].free,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interface_has_the_addresses_that_the_call_counts() {
    let mut vpc = a_world();
    let two = Counts {
        secondary: Some(2),
        ipv6: Some(2),
        ..none()
    };
    let eni = vpc.make(asking(world::SUBNET_NODES, two)).unwrap();
    assert_eq!(eni.address.unwrap().to_string(), "10.0.1.4");
    assert_eq!(texts(&eni.others.ipv4), ["10.0.1.5", "10.0.1.6"]);
    let ipv6 = ["2001:db8:ec2:a1::10", "2001:db8:ec2:a1::11"];
    assert_eq!(texts(&eni.others.ipv6), ipv6);
    assert_eq!(free(&mut vpc, world::SUBNET_NODES), 251 - 3);
    let next = vpc.make(asking(world::SUBNET_NODES, two)).unwrap();
    assert_eq!(next.address.unwrap().to_string(), "10.0.1.7");
    assert_eq!(next.others.ipv6[0].to_string(), "2001:db8:ec2:a1::12");
}

#[test]
fn a_prefix_is_a_free_aligned_block_and_nobody_elses() {
    let mut vpc = a_world();
    let prefixes = Counts {
        ipv4_prefixes: Some(2),
        ipv6_prefixes: Some(1),
        ..none()
    };
    let make = |vpc: &mut Vpc| vpc.make(asking(world::SUBNET_NODES, prefixes)).unwrap();
    let (one, other) = (make(&mut vpc), make(&mut vpc));
    let of = |eni: &Eni| {
        let others = &eni.others;
        [texts(&others.ipv4_prefixes), texts(&others.ipv6_prefixes)].concat()
    };
    assert_eq!(
        of(&one),
        ["10.0.1.16/28", "10.0.1.32/28", "2001:db8:ec2:a1:1::/80"]
    );
    assert_eq!(
        of(&other),
        ["10.0.1.48/28", "10.0.1.64/28", "2001:db8:ec2:a1:2::/80"]
    );
    assert!(one.others.ipv6.is_empty(), "a prefix is no address");
    assert_eq!(free(&mut vpc, world::SUBNET_NODES), 251 - 2 * (1 + 32));
    let inside = Create {
        address: Some([10, 0, 1, 20].into()),
        ..a_request()
    };
    assert_eq!(vpc.make(inside), Err(Ec2Error::AddressInUse));
}

#[test]
fn without_a_free_block_the_refusal_says_whether_addresses_are_free() {
    let block = Counts {
        ipv4_prefixes: Some(1),
        ..none()
    };
    assert_eq!(
        refused(world::SUBNET_SMALL, block).0,
        "InvalidParameterValue",
        "11 free addresses are fewer than 16"
    );
    let mut vpc = a_world();
    let taken = (0..16_u8).map(|n| [10, 0, 1, 16 * n + 5]);
    for address in taken.skip(1) {
        let request = Create {
            address: Some(address.into()),
            ..a_request()
        };
        vpc.make(request).unwrap();
    }
    let refused = vpc.make(asking(world::SUBNET_NODES, block)).unwrap_err();
    assert_eq!(refused.code(), "InsufficientCidrBlocks");
}

#[test]
fn a_family_has_addresses_or_prefixes_by_one_call_and_none_where_the_subnet_has_none() {
    let both = Counts {
        ipv6: Some(1),
        ipv6_prefixes: Some(1),
        ..none()
    };
    let sentence = "You can and can only specify one of ipv6-addresses or ipv6-addresses-count  ipv6-prefix and ipv6-prefix-count.";
    assert_eq!(
        refused(world::SUBNET_NODES, both),
        ("InvalidParameterValue", sentence.to_owned())
    );
    let both = Counts {
        secondary: Some(1),
        ipv4_prefixes: Some(1),
        ..none()
    };
    assert_eq!(
        refused(world::SUBNET_NODES, both).0,
        "InvalidParameterValue"
    );
    let ipv6 = Counts {
        ipv6: Some(1),
        ..none()
    };
    assert!(refused(world::SUBNET_SMALL, ipv6).1.contains("IPv6 CIDR"));
    let ipv4 = Counts {
        secondary: Some(1),
        ..none()
    };
    assert!(refused(world::SUBNET_IPV6, ipv4).1.contains("IPv6-only"));
}

#[test]
fn a_subnet_of_ipv6_alone_gives_one_address_and_no_other() {
    let mut vpc = a_world();
    let eni = vpc.make(asking(world::SUBNET_IPV6, none())).unwrap();
    assert_eq!(eni.address, None);
    assert_eq!(texts(&eni.others.ipv6), ["2001:db8:ec2:a6::10"]);
    assert_eq!(free(&mut vpc, world::SUBNET_IPV6), 0);
}

#[test]
fn a_count_of_zero_overrides_the_subnets_attribute() {
    let mut vpc = a_world();
    let given = vpc.make(asking(world::SUBNET_ZONE_B, none())).unwrap();
    assert_eq!(given.others.ipv6.len(), 1);
    let zero = Counts {
        ipv6: Some(0),
        ..none()
    };
    let none = vpc.make(asking(world::SUBNET_ZONE_B, zero)).unwrap();
    assert!(none.others.ipv6.is_empty());
}

#[test]
fn an_instance_takes_no_interface_with_more_addresses_than_its_type_has() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    for (secondary, granted) in [(9, true), (10, false)] {
        let counts = Counts {
            secondary: Some(secondary),
            ..none()
        };
        let eni = vpc.make(asking(world::SUBNET_NODES, counts)).unwrap().id;
        vpc.advance(LATER);
        let attached = vpc.attach(&eni, &instance, 0, 1 + u32::from(!granted));
        let code = attached.map_err(|error| error.code());
        assert_eq!(code.is_ok(), granted, "{code:?}");
    }
}
