//! Which subnet the next ENI is made in, and what is told where there is none: each rule once.

use std::net::IpAddr;

use api::{
    IpFamily, Time,
    class::SubnetPolicy,
    id::{SubnetId, VpcId},
    ipnet::Ipv4Net,
};
use operator_core::{
    Reason,
    cluster::Class,
    ec2::{EniView, Subnet},
    resolve::{Catalogue, Unread, resolve},
    subnet::{Block, SubnetRecord, Subnets, choose, ipam},
};
use vpc::world as aws;

use super::{drain::an_eni, story::a_class};

const HERE: &str = "us-east-1a";
const ELSEWHERE: &str = "us-east-1b";

pub fn vpc() -> VpcId {
    aws::VPC.parse().unwrap()
}

/// The subnets of the class, in its order.
pub fn ids() -> [SubnetId; 2] {
    let Class { subnets, .. } = a_class();
    subnets.ids.try_into().unwrap()
}

/// What is known of a subnet with so many free addresses; its id is put in by [`known`].
pub fn record(zone: &str, free: u32) -> SubnetRecord {
    let subnet = Subnet {
        id: ids()[0].clone(),
        zone: zone.into(),
        vpc: vpc(),
        ipv4: "10.0.1.0/24".parse().ok(),
        ipv6: None,
        assigns_ipv6: false,
        free,
    };
    SubnetRecord {
        subnet: Some(subnet),
        read: Time(0),
        promised: 0,
        block: None,
        prefix_block: None,
    }
}

/// A subnet that EC2 does not know.
pub fn unknown() -> SubnetRecord {
    SubnetRecord {
        subnet: None,
        ..record(HERE, 0)
    }
}

/// The two subnets of the class.
fn known(records: [SubnetRecord; 2]) -> Subnets {
    let named = |(id, mut record): (SubnetId, SubnetRecord)| {
        if let Some(subnet) = &mut record.subnet {
            subnet.id = id.clone();
        }
        (id, record)
    };
    ids().into_iter().zip(records).map(named).collect()
}

/// Which of the two is chosen, or the reason and sentence why none is.
fn chosen(subnets: &Subnets) -> Result<usize, (Reason, String)> {
    chosen_by(&a_class(), subnets)
}

/// The same by another class of the same subnets.
fn chosen_by(class: &Class, subnets: &Subnets) -> Result<usize, (Reason, String)> {
    let resolved = resolve(class, subnets, &Catalogue::default(), &Unread::default());
    match choose(class, &resolved, &HERE.into(), &vpc(), subnets, Time(1_000)) {
        Ok(subnet) => Ok(ids().iter().position(|id| *id == subnet.id).unwrap()),
        Err(note) => Err((note.reason, note.message)),
    }
}

fn reason(subnets: &Subnets) -> Reason {
    chosen(subnets).unwrap_err().0
}

#[test]
fn the_first_of_the_class_with_room_in_the_zone_and_vpc_is_taken() {
    let two = |one, other| chosen(&known([one, other])).unwrap();
    assert_eq!(two(record(HERE, 1), record(HERE, 9)), 0, "in its order");
    assert_eq!(two(record(ELSEWHERE, 9), record(HERE, 1)), 1, "in the zone");
    let mut other = record(HERE, 9);
    other.subnet.as_mut().unwrap().vpc = aws::OTHER_VPC.parse().unwrap();
    assert_eq!(two(other, record(HERE, 1)), 1, "in the VPC");
    assert_eq!(two(unknown(), record(HERE, 1)), 1, "that EC2 knows");
    assert_eq!(two(record(HERE, 0), record(HERE, 1)), 1, "with room");
}

#[test]
fn by_most_free_the_one_with_the_most_addresses_that_nobody_was_promised_is_taken() {
    let mut class = a_class();
    class.subnets.policy = SubnetPolicy::MostFree;
    let two = |one, other| chosen_by(&class, &known([one, other])).unwrap();
    assert_eq!(two(record(HERE, 1), record(HERE, 9)), 1);
    assert_eq!(two(record(HERE, 5), record(HERE, 5)), 0, "in its order");
    let promised = SubnetRecord {
        promised: 5,
        ..record(HERE, 9)
    };
    assert_eq!(two(record(HERE, 5), promised), 0);
    assert_eq!(two(record(HERE, 1), record(ELSEWHERE, 9)), 0, "in the zone");
}

#[test]
fn promised_addresses_are_not_free() {
    let promised = |promised| SubnetRecord {
        promised,
        ..record(HERE, 2)
    };
    assert_eq!(chosen(&known([promised(1), record(HERE, 9)])), Ok(0));
    assert_eq!(chosen(&known([promised(2), record(HERE, 9)])), Ok(1));
}

#[test]
fn a_refused_subnet_is_left_alone_until_its_time() {
    let refused = |until| SubnetRecord {
        block: Some(Block {
            until: Time(until),
            attempts: 1,
        }),
        ..record(HERE, 9)
    };
    assert_eq!(chosen(&known([refused(1_001), record(HERE, 9)])), Ok(1));
    assert_eq!(chosen(&known([refused(1_000), record(HERE, 9)])), Ok(0));
}

#[test]
fn without_room_the_full_ones_of_the_zone_are_named() {
    let (reason, message) = chosen(&known([record(ELSEWHERE, 9), record(HERE, 0)])).unwrap_err();
    assert_eq!(reason, Reason::SubnetFull);
    let [elsewhere, full] = ids();
    assert!(message.contains(full.as_str()) && !message.contains(elsewhere.as_str()));
}

#[test]
fn before_all_are_read_nothing_is_said_to_be_missing_in_the_zone() {
    let mut one = known([record(ELSEWHERE, 9), record(ELSEWHERE, 9)]);
    one.remove(&ids()[0]);
    assert_eq!(reason(&one), Reason::Reading);
}

#[test]
fn a_subnet_that_ec2_does_not_know_is_named() {
    let (reason, message) = chosen(&known([record(ELSEWHERE, 9), unknown()])).unwrap_err();
    assert_eq!(reason, Reason::SubnetNotFound);
    let [known, unknown] = ids();
    assert!(message.contains(unknown.as_str()) && !message.contains(known.as_str()));
}

#[test]
fn a_class_without_a_subnet_in_the_zone_says_so() {
    let subnets = known([record(ELSEWHERE, 9), record(ELSEWHERE, 9)]);
    let (reason, message) = chosen(&subnets).unwrap_err();
    assert_eq!(reason, Reason::NoSubnetInZone);
    assert!(
        message.contains(HERE) && message.contains(aws::VPC),
        "{message}"
    );
}

/// Cases: C08.
#[test]
fn the_router_is_base_and_one_whatever_the_prefix_and_the_address() {
    for (base, prefix, address, gateway) in [
        ([10, 0, 0, 0], 16, [10, 0, 255, 254], [10, 0, 0, 1]),
        ([10, 0, 1, 0], 24, [10, 0, 1, 255], [10, 0, 1, 1]),
        ([10, 0, 1, 240], 28, [10, 0, 1, 254], [10, 0, 1, 241]),
        ([10, 0, 255, 240], 28, [10, 0, 255, 244], [10, 0, 255, 241]),
    ] {
        let mut subnet = record(HERE, 9).subnet.unwrap();
        subnet.ipv4 = Ipv4Net::new(base.into(), prefix).ok();
        let view = EniView {
            addresses: vec![IpAddr::from(address)],
            ..an_eni(false)
        };
        let found = ipam(&view, &subnet, IpFamily::IPv4).addresses.remove(0);
        assert_eq!(
            (found.address, found.prefix_length, found.gateway),
            (address.into(), prefix, IpAddr::from(gateway))
        );
    }
}
