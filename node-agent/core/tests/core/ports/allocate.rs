//! The allocator: upwards from what was given last, in a circle, and never what stands for more than one host.

use std::{collections::BTreeSet, net::IpAddr};

use node_agent_core::port::{Exhausted, Pool, next};
use proptest::prelude::*;

use super::{a_pool, net};

fn given(pool: &Pool, cursor: Option<&str>, taken: &[&str]) -> Result<String, Exhausted> {
    let taken: BTreeSet<IpAddr> = taken.iter().map(|ip| ip.parse().unwrap()).collect();
    let cursor = cursor.map(|ip| ip.parse().unwrap());
    next(pool, cursor, |ip| taken.contains(&ip)).map(|ip| ip.to_string())
}

/// Cases: P02.
#[test]
fn first_is_the_one_behind_the_gateway_and_then_upwards_and_round() {
    let pool = a_pool("10.0.0.0/29");
    assert_eq!(given(&pool, None, &[]).unwrap(), "10.0.0.2");
    assert_eq!(
        given(&pool, Some("10.0.0.2"), &["10.0.0.2"]).unwrap(),
        "10.0.0.3"
    );
    // Behind the last comes the first, and not the broadcast address, the network's or the gateway.
    assert_eq!(
        given(&pool, Some("10.0.0.6"), &["10.0.0.6"]).unwrap(),
        "10.0.0.2"
    );
    let all = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
    let error = given(&pool, Some("10.0.0.3"), &all)
        .unwrap_err()
        .to_string();
    assert!(error.contains("10.0.0.0/29"), "{error}");
}

/// Cases: P02.
#[test]
fn one_that_was_given_back_comes_round_last() {
    let pool = a_pool("10.0.0.0/24");
    assert_eq!(given(&pool, Some("10.0.0.2"), &[]).unwrap(), "10.0.0.3");
}

#[test]
fn gateway_elsewhere_leaves_the_first_address_to_a_container() {
    let pool = Pool {
        gateway: "10.0.0.8".parse().unwrap(),
        ..a_pool("10.0.0.0/24")
    };
    assert_eq!(given(&pool, None, &[]).unwrap(), "10.0.0.1");
    assert_eq!(given(&pool, Some("10.0.0.7"), &[]).unwrap(), "10.0.0.9");
}

/// Cases: P10.
#[test]
fn ipv6_has_no_broadcast_and_never_gives_the_address_of_the_routers() {
    let pool = a_pool("2001:db8::/126");
    assert_eq!(given(&pool, None, &[]).unwrap(), "2001:db8::2");
    assert_eq!(
        given(&pool, Some("2001:db8::2"), &["2001:db8::2"]).unwrap(),
        "2001:db8::3"
    );
    assert_eq!(
        given(&pool, Some("2001:db8::3"), &["2001:db8::3"]).unwrap(),
        "2001:db8::2"
    );
    // The arithmetic carries over all 128 bits.
    let pool = a_pool("2001:db8:0:0:ffff:ffff:ffff:0/112");
    let last = "2001:db8::ffff:ffff:ffff:fffe";
    assert_eq!(
        given(&pool, Some(last), &[]).unwrap(),
        "2001:db8::ffff:ffff:ffff:ffff"
    );
    let pool = a_pool("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126");
    let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    assert_eq!(
        given(&pool, Some(last), &[last]).unwrap(),
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"
    );
}

#[test]
fn cursor_of_another_subnet_counts_for_nothing() {
    let pool = a_pool("10.9.0.0/24");
    assert_eq!(given(&pool, Some("10.0.0.7"), &[]).unwrap(), "10.9.0.2");
}

proptest! {
    #[test]
    fn what_is_given_is_free_and_the_nearest_behind_the_cursor(
        prefix in 24_u8..=30, base in any::<[u8; 3]>(), cursor in any::<Option<u8>>(),
        taken in prop::collection::btree_set(any::<u8>(), 0..200), gateway in any::<u8>(),
    ) {
        let [a, b, c] = base;
        let ip = |last: u8| IpAddr::from([a, b, c, last]);
        let subnet = net(&format!("{a}.{b}.{c}.0/{prefix}"));
        let gateway = if subnet.contains(&ip(gateway)) { ip(gateway) } else { ip(1) };
        let pool = Pool { subnet, gateway, address: None };
        let is_free = |candidate: IpAddr| {
            let IpAddr::V4(v4) = candidate else { return false };
            let inside = candidate != subnet.network() && candidate != subnet.broadcast();
            inside && candidate != gateway && !taken.contains(&v4.octets()[3])
        };
        let found = next(&pool, cursor.map(ip), |ip| !is_free(ip) );
        // By trying them all, in the order of the circle.
        let size = 1_u16 << (32 - prefix);
        let start = cursor.filter(|last| u16::from(*last) < size).map_or(0, u16::from);
        let circle = (1..=size).map(|step| (start + step) % size);
        let expected = circle.map(|last| ip(u8::try_from(last).unwrap())).find(|ip| is_free(*ip));
        prop_assert_eq!(found.ok(), expected);
    }
}
