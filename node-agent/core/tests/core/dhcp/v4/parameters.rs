//! What a lease says about the interface.

use std::net::Ipv4Addr;

use node_agent_core::dhcp::v4::{MessageType, Options, Parameters, Route};

use super::session::{MAINTAIN, SERVER, Session};

fn with(change: impl FnOnce(&mut Options)) -> Parameters {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    session.answer(MessageType::Ack, |packet| change(&mut packet.options));
    session.held().unwrap().clone()
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn route(to: &str, via: Option<&str>) -> Route {
    Route {
        to: to.parse().unwrap(),
        via: via.map(ip),
    }
}

#[test]
fn the_first_router_is_the_default_route() {
    let parameters = with(|options| options.routers = vec![SERVER, ip("10.0.1.2")]);
    assert_eq!(parameters.routes, [route("0.0.0.0/0", Some("10.0.1.1"))]);
}

/// RFC 3442.
#[test]
fn classless_routes_go_before_routers_and_a_router_of_zeros_is_the_link() {
    let theirs = [
        route("10.8.3.4/16", Some("10.0.1.9")),
        route("169.254.169.254/32", Some("0.0.0.0")),
        route("0.0.0.0/0", Some("10.0.1.1")),
    ];
    let parameters = with(|options| options.routes = Some(theirs.to_vec()));
    let expected = [
        route("10.8.0.0/16", Some("10.0.1.9")),
        route("169.254.169.254/32", None),
        route("0.0.0.0/0", Some("10.0.1.1")),
    ];
    assert_eq!(parameters.routes, expected);
    let none = with(|options| options.routes = Some(Vec::new()));
    assert_eq!(none.routes, [], "the routers are ignored all the same");
}

#[test]
fn routes_that_lead_nowhere_and_second_routes_to_one_place_are_left_out() {
    let parameters = with(|options| {
        options.routes = Some(vec![
            route("127.0.0.0/8", Some("10.0.1.1")),
            route("224.0.0.0/4", Some("10.0.1.1")),
            route("10.8.0.0/16", Some("127.0.0.1")),
            route("10.9.0.0/16", Some("10.0.1.1")),
            route("10.9.7.7/16", Some("10.0.1.2")),
        ]);
    });
    assert_eq!(parameters.routes, [route("10.9.0.0/16", Some("10.0.1.1"))]);
}

#[test]
fn no_list_is_longer_than_anybody_needs() {
    let many: Vec<_> = (0..250).map(|i| Ipv4Addr::new(10, 0, 2, i)).collect();
    let parameters = with(|options| {
        options.dns.clone_from(&many);
        options.ntp = [many.as_slice(), many.as_slice()].concat();
        options.search = (0..250).map(|i| format!("d{i}.example")).collect();
        let routes = many.iter().map(|to| Route {
            to: (*to).into(),
            via: None,
        });
        options.routes = Some(routes.collect());
    });
    let lengths = (
        parameters.dns.len(),
        parameters.ntp.len(),
        parameters.search.len(),
        parameters.routes.len(),
    );
    assert_eq!(lengths, (8, 8, 16, 64));
}

#[test]
fn servers_that_are_no_hosts_are_left_out() {
    let parameters = with(|options| {
        options.dns = [
            "0.0.0.0",
            "255.255.255.255",
            "127.0.0.53",
            "10.0.0.2",
            "10.0.0.2",
        ]
        .map(ip)
        .into();
        options.ntp = ["224.0.1.1", "169.254.169.123"].map(ip).into();
        options.routers = ["0.0.0.0", "10.0.1.1"].map(ip).into();
    });
    assert_eq!(parameters.dns, [ip("10.0.0.2")]);
    assert_eq!(parameters.ntp, [ip("169.254.169.123")]);
    assert_eq!(parameters.routes, [route("0.0.0.0/0", Some("10.0.1.1"))]);
}

#[test]
fn names_that_would_be_more_than_a_name_in_a_configuration_are_left_out() {
    let long = format!("{}.example", "a".repeat(64));
    let longest = ["a"; 128].join(".");
    let parameters = with(|options| {
        options.domain = Some("eu-west-1.compute.internal.".into());
        options.search = [
            "shop.example.",
            "x\nnameserver 6.6.6.6",
            "a b",
            "",
            ".",
            "a..b",
            "ü.example",
            "shop.example",
        ]
        .map(str::to_owned)
        .into();
        options.search.extend([long, longest]);
    });
    assert_eq!(
        parameters.domain.as_deref(),
        Some("eu-west-1.compute.internal")
    );
    assert_eq!(parameters.search, ["shop.example"]);
    let parameters = with(|options| options.domain = Some("x; rm -rf /".into()));
    assert_eq!(parameters.domain, None);
}

#[test]
fn a_mask_with_a_hole_and_an_mtu_that_breaks_ip_are_as_good_as_none() {
    let prefix = |mask: Option<&str>| with(|options| options.subnet_mask = mask.map(ip)).prefix;
    assert_eq!(prefix(Some("255.255.240.0")), 20);
    assert_eq!(prefix(Some("255.0.255.0")), 32);
    assert_eq!(prefix(None), 32);
    let mtu = |mtu: u16| with(|options| options.mtu = Some(mtu)).mtu;
    assert_eq!(mtu(9_001), Some(9_001));
    assert_eq!(mtu(576), Some(576));
    assert_eq!(mtu(68), None);
}
