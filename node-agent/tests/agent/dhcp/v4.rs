//! Leases of DHCPv4 from dnsmasq, Kea and ISC dhcpd.

use std::net::Ipv4Addr;

use node_agent_core::dhcp::{
    Boot, Change,
    v4::{Input, MessageType, Mode, Route, State, To},
};

use super::{
    SERVER_END, a_pod,
    server::{Server, Service, Software},
    v4_session::Session,
};

const SERVICE: Service = Service::V4 { subnet: 1 };
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

#[test]
fn dnsmasq_gives_prolongs_refuses_and_takes_back_a_lease() {
    life(Software::Dnsmasq);
}

#[test]
fn kea_gives_prolongs_refuses_and_takes_back_a_lease() {
    life(Software::Kea);
}

#[test]
fn isc_dhcpd_gives_prolongs_refuses_and_takes_back_a_lease() {
    life(Software::Isc);
}

/// A lease from its first packet to its last one.
fn life(software: Software) {
    let world = a_pod();
    let mut server = Server::start(&world, software, SERVICE);
    let mut session = Session::new(&world, Mode::Configure);

    session.wait_until_bound();
    obtained(&session);

    // T1 in real time: the server is asked by unicast.
    session.sent.clear();
    session.fire(false);
    let from = session.held().unwrap().address;
    let to = To::Server { from, to: GATEWAY };
    assert_eq!(session.sent, [(MessageType::Request, to)]);
    assert_eq!(
        session.changes.last(),
        Some(&Change::Renewed),
        "{:?}",
        session.lease
    );

    server.restart(SERVICE);
    session.go_on_until_bound();
    assert_eq!(session.changes, [Change::Renewed]);
    assert_eq!(session.held().unwrap().address, from);

    // Some servers prolong what they do not know, others refuse, others are silent.
    server.forget(SERVICE);
    session.go_on_until_bound();
    println!(
        "{software:?} without its leases: {:?}, {:?}",
        session.heard, session.changes
    );
    assert!(session.held().is_some());

    // With the first address of a subnet the kernel removes the others.
    world.ip("vpc", &format!("-4 addr flush dev {SERVER_END}"));
    world.ip("vpc", &format!("addr add 10.0.1.2/24 dev {SERVER_END}"));
    server.restart(SERVICE);
    session.go_on_until_bound();
    let asked = session.sent.iter().map(|(_, to)| *to == To::Everybody);
    let mut asked: Vec<_> = asked.collect();
    // A server on a busy machine may hear the second packet only.
    asked.dedup();
    assert_eq!(asked, [false, true], "{:?}", session.sent);
    assert_eq!(session.held().unwrap().server, Ipv4Addr::new(10, 0, 1, 2));

    // The machine boots where the subnet and the server are others. Of a lease that it knows, from another subnet, Kea says nothing.
    world.ip("vpc", &format!("-4 addr flush dev {SERVER_END}"));
    world.ip("vpc", &format!("addr add 10.0.2.1/24 dev {SERVER_END}"));
    server.forget(Service::V4 { subnet: 2 });
    session.input(Input::Resumed(Boot::Other));
    session.go_on_until_bound();
    let offered = [MessageType::Nak, MessageType::Offer, MessageType::Ack];
    assert_eq!(session.heard, offered);
    let address = session.held().unwrap().address;
    assert_eq!(address.octets()[..3], [10, 0, 2]);

    session.input(Input::Release);
    assert_eq!(session.lease.state, State::Released);
    server.wait_for_log(&["release", &address.to_string()]);
}

fn obtained(session: &Session<'_>) {
    assert_eq!(session.heard, [MessageType::Offer, MessageType::Ack]);
    assert_eq!(session.changes, [Change::Obtained]);
    let held = session.held().unwrap();
    assert_eq!(held.address.octets()[..3], [10, 0, 1]);
    assert_eq!((held.prefix, held.server), (24, GATEWAY));
    assert_eq!(
        held.dns,
        [[10, 0, 0, 53], [10, 0, 0, 54]].map(Ipv4Addr::from)
    );
    assert_eq!(held.ntp, [Ipv4Addr::new(10, 0, 0, 123)]);
    assert_eq!(held.domain.as_deref(), Some("example.com"));
    assert_eq!(held.search, ["eng.example.com", "example.com"]);
    assert_eq!(held.mtu, Some(1400));
    let route = |to: &str, via| Route {
        to: to.parse().unwrap(),
        via,
    };
    assert_eq!(
        held.routes,
        [
            route("0.0.0.0/0", Some(GATEWAY)),
            route("10.9.0.0/16", None)
        ]
    );
}
