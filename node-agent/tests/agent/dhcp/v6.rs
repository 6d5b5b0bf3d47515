//! Leases of DHCPv6 from dnsmasq, Kea and ISC dhcpd.

use std::net::Ipv6Addr;

use node_agent_core::dhcp::{
    Change,
    v6::{Input, MessageType, Mode, Resources, State},
};

use super::{
    SERVER_END, a_pod,
    server::{Server, Service, Software},
    v6_session::Session,
};
use crate::world::World;

const SERVICE: Service = Service::V6 { subnet: 1, id: 1 };
/// The same subnet, by another server.
const OTHER_SERVER: Service = Service::V6 { subnet: 1, id: 2 };
const DNS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);

#[test]
fn dnsmasq_gives_prolongs_refuses_and_takes_back_addresses() {
    life(Software::Dnsmasq);
}

#[test]
fn kea_gives_prolongs_refuses_and_takes_back_addresses() {
    life(Software::Kea);
}

#[test]
fn isc_dhcpd_gives_prolongs_refuses_and_takes_back_addresses() {
    life(Software::Isc);
}

fn with_server(world: &World, software: Software) -> Server {
    world.ip(
        "vpc",
        &format!("addr add 2001:db8:1::1/64 dev {SERVER_END} nodad"),
    );
    Server::start(world, software, SERVICE)
}

/// Leases from their first packet to their last one.
fn life(software: Software) {
    let world = a_pod();
    let mut server = with_server(&world, software);
    let mut session = Session::new(&world, Mode::Configure { prefixes: false });

    session.wait_until_bound();
    assert_eq!(session.heard, [MessageType::Advertise, MessageType::Reply]);
    assert_eq!(session.changes, [Change::Obtained]);
    let held = session.held().unwrap();
    assert_eq!(
        (held.dns, held.search),
        (vec![DNS], vec!["example.com".to_owned()])
    );
    let first = session.addresses();
    assert_eq!(
        first.first().unwrap().segments()[..4],
        [0x2001, 0xdb8, 1, 0]
    );

    // T1: dnsmasq says a minute, and cannot be told otherwise.
    session.sent.clear();
    session.fire(software == Software::Dnsmasq);
    assert_eq!(session.sent, [MessageType::Renew]);
    assert_eq!(
        session.changes.last(),
        Some(&Change::Renewed),
        "{:?}",
        session.lease
    );

    server.restart(SERVICE);
    session.go_on_until_bound();
    assert_eq!(session.changes, [Change::Renewed]);

    // Some servers prolong what they do not know, others refuse, others are silent.
    server.forget(SERVICE);
    session.go_on_until_bound();
    println!(
        "{software:?} without its leases: {:?}, {:?}",
        session.sent, session.changes
    );
    assert!(session.held().is_some());

    let before = session.held().unwrap().server;
    server.forget(OTHER_SERVER);
    session.go_on_until_bound();
    session.sent.dedup();
    assert_eq!(session.sent[..2], [MessageType::Renew, MessageType::Rebind]);
    assert_ne!(session.held().unwrap().server, before);

    // The interface comes up where the subnet is another one.
    world.ip(
        "vpc",
        &format!("addr del 2001:db8:1::1/64 dev {SERVER_END}"),
    );
    world.ip(
        "vpc",
        &format!("addr add 2001:db8:2::1/64 dev {SERVER_END} nodad"),
    );
    server.restart(Service::V6 { subnet: 2, id: 2 });
    (session.sent, session.heard, session.changes) = Default::default();
    session.input(Input::LinkRestarted);
    session.wait_until_bound();
    assert_eq!(session.sent.first(), Some(&MessageType::Confirm));
    let address = *session.addresses().first().unwrap();
    assert_eq!(
        address.segments()[..4],
        [0x2001, 0xdb8, 2, 0],
        "{:?} {:?}",
        session.sent,
        session.changes
    );

    session.input(Input::Release);
    assert_eq!(session.lease.state, State::Released);
    server.wait_for_log(&["release"]);
}

#[test]
fn kea_delegates_a_prefix_beside_an_address() {
    let world = a_pod();
    let server = with_server(&world, Software::Kea);
    let mut session = Session::new(&world, Mode::Configure { prefixes: true });
    session.wait_until_bound();
    let Resources {
        addresses,
        prefixes,
    } = session.held().unwrap().resources;
    assert_eq!(addresses.len(), 1);
    let prefix = prefixes.first().unwrap();
    assert_eq!((prefixes.len(), prefix.prefix_len()), (1, 80));
    assert!(prefix.to_string().starts_with("2001:db8:8000:"), "{prefix}");
    session.input(Input::Release);
    server.wait_for_log(&["release", &prefix.network().to_string()]);
}

#[test]
fn a_claim_without_addresses_gets_information_only() {
    for software in [Software::Dnsmasq, Software::Kea, Software::Isc] {
        let world = a_pod();
        let _server = with_server(&world, software);
        let mut session = Session::new(&world, Mode::Maintain(Resources::default()));
        session.wait_until_bound();
        assert_eq!(
            session.sent,
            [MessageType::InformationRequest],
            "{software:?}"
        );
        let held = session.held().unwrap();
        assert_eq!(
            (held.dns, held.search),
            (vec![DNS], vec!["example.com".to_owned()]),
            "{software:?}"
        );
        assert!(held.resources.is_empty());
    }
}
