//! Messages as they were on the wire.

use node_agent_core::dhcp::{
    BootTime, Moment,
    v4::{Client, Input, Mode, Output},
};

use super::*;

#[test]
fn a_discover_is_what_rfc_2131_says() {
    let client = Client {
        mac: MAC.into(),
        host_name: Some("web-0".into()),
        mode: Mode::Maintain(Ipv4Addr::new(10, 0, 1, 50)),
    };
    let at = Moment {
        now: BootTime(20_000),
        xid: 0x3903_f326,
        jitter: 0,
    };
    let (_, outputs) = client.step(
        client.begin(at),
        Input::Timer,
        Moment {
            now: BootTime(30_000),
            ..at
        },
    );
    let [Output::Send(packet, _)] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let mut expected = vec![1, 1, 6, 0, 0x39, 0x03, 0xf3, 0x26, 0, 0, 0x80, 0];
    expected.extend([0; 16]);
    expected.extend([2, 0xec, 0, 0, 0, 0xa]);
    expected.extend([0; 10 + 64 + 128]);
    expected.extend([99, 130, 83, 99]);
    expected.extend([53, 1, 1]);
    expected.extend([61, 7, 1, 2, 0xec, 0, 0, 0, 0xa]);
    expected.extend([50, 4, 10, 0, 1, 50]);
    expected.extend([12, 5, b'w', b'e', b'b', b'-', b'0']);
    expected.extend([55, 10, 1, 121, 3, 6, 15, 26, 42, 58, 59, 119]);
    expected.push(255);
    expected.resize(300, 0);
    assert_eq!(encode(packet), expected);
}

/// The options of an offer of dnsmasq 2.90, configured as in tests/agent/dhcp.
const OF_DNSMASQ: [u8; 114] = [
    0x35, 0x01, 0x02, 0x36, 0x04, 0x0a, 0x00, 0x01, 0x01, 0x33, 0x04, 0x00, 0x00, 0x00, 0x78, 0x3a,
    0x04, 0x00, 0x00, 0x00, 0x06, 0x3b, 0x04, 0x00, 0x00, 0x00, 0x09, 0x01, 0x04, 0xff, 0xff, 0xff,
    0x00, 0x1c, 0x04, 0x0a, 0x00, 0x01, 0xff, 0x0f, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65,
    0x2e, 0x63, 0x6f, 0x6d, 0x79, 0x0c, 0x00, 0x0a, 0x00, 0x01, 0x01, 0x10, 0x0a, 0x09, 0x00, 0x00,
    0x00, 0x00, 0x77, 0x13, 0x03, 0x65, 0x6e, 0x67, 0x07, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65,
    0x03, 0x63, 0x6f, 0x6d, 0x00, 0xc0, 0x04, 0x2a, 0x04, 0x0a, 0x00, 0x00, 0x7b, 0x06, 0x08, 0x0a,
    0x00, 0x00, 0x35, 0x0a, 0x00, 0x00, 0x36, 0x03, 0x04, 0x0a, 0x00, 0x01, 0x01, 0x1a, 0x02, 0x05,
    0x78, 0xff,
];

#[test]
fn an_offer_of_dnsmasq_says_this() {
    let mut bytes = raw(&OF_DNSMASQ);
    bytes[4..8].copy_from_slice(&0x3903_f326_u32.to_be_bytes());
    bytes[10] = 0x80;
    bytes[16..20].copy_from_slice(&[10, 0, 1, 105]);
    // siaddr.
    bytes[20..24].copy_from_slice(&[10, 0, 1, 1]);
    let router = Ipv4Addr::new(10, 0, 1, 1);
    let route = |to: &str, via| Route {
        to: to.parse().unwrap(),
        via,
    };
    let expected = Packet {
        message_type: MessageType::Offer,
        xid: 0x3903_f326,
        secs: 0,
        broadcast: true,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::new(10, 0, 1, 105),
        chaddr: MAC.into(),
        options: Options {
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            routers: vec![router],
            dns: vec![Ipv4Addr::new(10, 0, 0, 53), Ipv4Addr::new(10, 0, 0, 54)],
            domain: Some("example.com".into()),
            mtu: Some(1400),
            ntp: vec![Ipv4Addr::new(10, 0, 0, 123)],
            lease_time: Some(120),
            server: Some(router),
            renewal_time: Some(6),
            rebinding_time: Some(9),
            search: vec!["eng.example.com".into(), "example.com".into()],
            routes: Some(vec![
                route("0.0.0.0/0", Some(router)),
                route("10.9.0.0/16", None),
            ]),
            ..Options::default()
        },
    };
    assert_eq!(decode(&bytes), Ok(expected));
}
