//! What DHCPv4 says, on the wire and back.

use proptest::prelude::*;

use super::*;

mod fuzz;
mod golden;

pub(super) const MAC: [u8; 6] = [2, 0xec, 0, 0, 0, 0xa];

fn an_address() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 4]>().prop_map(Ipv4Addr::from)
}

fn addresses() -> impl Strategy<Value = Vec<Ipv4Addr>> {
    // More than fit into one option.
    prop::collection::vec(an_address(), 0..70)
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-z0-9.-]{1,40}")
}

fn a_route() -> impl Strategy<Value = Route> {
    (an_address(), 0..=32_u8, an_address()).prop_map(|(to, prefix, via)| Route {
        to: Ipv4Net::new(to, prefix).unwrap().trunc(),
        via: (!via.is_unspecified()).then_some(via),
    })
}

fn options() -> impl Strategy<Value = Options> {
    let address = || prop::option::of(an_address());
    let seconds = || prop::option::of(any::<u32>());
    let addresses = (
        address(),
        addresses(),
        addresses(),
        addresses(),
        address(),
        address(),
    );
    let texts = (
        text(),
        text(),
        prop::collection::vec("[a-z]{1,63}(\\.[a-z]{1,60}){0,2}", 0..9),
    );
    let times = (
        seconds(),
        seconds(),
        seconds(),
        prop::option::of(any::<u16>()),
    );
    let bytes = (
        prop::collection::vec(any::<u8>(), 0..20),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
    );
    let classless = prop::option::of(prop::collection::vec(a_route(), 0..40));
    (addresses, texts, times, bytes, classless).prop_map(
        |(addresses, texts, times, (parameter_list, client_id), classless)| {
            let (subnet_mask, routers, dns, ntp, requested_address, server) = addresses;
            let (host_name, domain, search) = texts;
            let (lease_time, renewal_time, rebinding_time, mtu) = times;
            Options {
                subnet_mask,
                routers,
                dns,
                host_name,
                domain,
                mtu,
                ntp,
                requested_address,
                lease_time,
                server,
                parameter_list,
                renewal_time,
                rebinding_time,
                client_id,
                search,
                routes: classless,
            }
        },
    )
}

/// What a server may say.
fn an_answer() -> impl Strategy<Value = Packet> {
    let types = [MessageType::Offer, MessageType::Ack, MessageType::Nak];
    let head = (any::<u32>(), any::<u16>(), any::<bool>(), any::<[u8; 6]>());
    let addresses = (an_address(), an_address());
    (
        prop::sample::select(types.to_vec()),
        head,
        addresses,
        options(),
    )
        .prop_map(
            |(message_type, (xid, secs, broadcast, mac), (ciaddr, yiaddr), options)| Packet {
                message_type,
                xid,
                secs,
                broadcast,
                ciaddr,
                yiaddr,
                chaddr: mac.into(),
                options,
            },
        )
}

/// A message with these options, written by hand.
pub(super) fn raw(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[REPLY, 1, 6, 0]);
    bytes[28..34].copy_from_slice(&MAC);
    [&bytes, &COOKIE[..], options].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_is_read(packet in an_answer()) {
        prop_assert_eq!(decode(&encode(&packet)), Ok(packet));
    }

    #[test]
    fn no_beginning_of_a_message_is_one(packet in an_answer(), part in any::<prop::sample::Index>()) {
        let mut bytes = encode(&packet);
        while bytes.last() == Some(&PAD) {
            bytes.pop();
        }
        let part = part.index(bytes.len());
        prop_assert_eq!(decode(&bytes[..part]), Err(Dropped::Truncated));
    }
}

#[test]
fn what_is_no_answer_to_a_client_of_ethernet_is_dropped() {
    let ack = [53, 1, 5, 255];
    let with = |at: usize, byte: u8| {
        let mut bytes = raw(&ack);
        bytes[at] = byte;
        decode(&bytes).map(|_| ())
    };
    assert_eq!(with(0, REPLY), Ok(()));
    assert_eq!(with(0, REQUEST), Err(Dropped::NotAnAnswer));
    assert_eq!(with(1, 6), Err(Dropped::OtherHardware));
    assert_eq!(with(2, 16), Err(Dropped::OtherHardware));
    assert_eq!(with(2, 255), Err(Dropped::OtherHardware));
    assert_eq!(with(239, 0), Err(Dropped::NotDhcp));
    for client in [1, 3, 4, 7, 8, 0, 255] {
        assert_eq!(with(242, client), Err(Dropped::NotAnAnswer));
    }
    let options = |options: &[u8]| decode(&raw(options)).map(|_| ());
    assert_eq!(options(&[255]), Err(Dropped::NoMessageType));
    assert_eq!(options(&[53, 0, 255]), Err(Dropped::NoMessageType));
    assert_eq!(options(&[53, 2, 5, 5, 255]), Err(Dropped::NoMessageType));
    assert_eq!(
        options(&[53, 1, 5, 53, 1, 5, 255]),
        Err(Dropped::NoMessageType)
    );
    assert_eq!(options(&[53, 1, 5]), Err(Dropped::Truncated));
    assert_eq!(options(&[53, 1, 5, 51, 4, 0, 255]), Err(Dropped::Truncated));
}

#[test]
fn an_option_that_cannot_be_read_is_absent() {
    let options = |options: &[u8]| {
        let options = [&[53, 1, 5], options, &[255]].concat();
        decode(&raw(&options)).unwrap().options
    };
    let unreadable: [&[u8]; 11] = [
        &[1, 3, 255, 255, 255],
        &[3, 5, 10, 0, 0, 1, 10],
        &[15, 2, 0xff, 0xfe],
        &[15, 1, 0],
        &[26, 4, 0, 0, 5, 220],
        &[51, 2, 0, 60],
        &[54, 8, 10, 0, 0, 1, 10, 0, 0, 1],
        &[119, 2, 0xc0, 0],
        &[121, 5, 33, 10, 10, 0, 1],
        &[121, 4, 8, 10, 10, 0],
        &[224, 1, 1],
    ];
    for bytes in unreadable {
        assert_eq!(options(bytes), Options::default(), "{bytes:?}");
    }
    assert_eq!(options(&[121, 0]).routes, Some(Vec::new()));
}

#[test]
fn options_in_the_fields_for_names_count_where_the_packet_says_so() {
    let read = |overload: u8| {
        let mut bytes = raw(&[52, 1, overload, 53, 1, 5, 15, 2, b'e', b'x', 255]);
        bytes[44..49].copy_from_slice(&[26, 2, 5, 220, 255]);
        bytes[108..114].copy_from_slice(&[15, 3, b'a', b'm', b'p', 255]);
        let Options { domain, mtu, .. } = decode(&bytes).unwrap().options;
        (domain.unwrap(), mtu)
    };
    assert_eq!(read(0), ("ex".into(), None));
    assert_eq!(read(1), ("examp".into(), None));
    assert_eq!(read(2), ("ex".into(), Some(1500)));
    assert_eq!(read(3), ("examp".into(), Some(1500)));
}

#[test]
fn examples_of_rfc_3442_are_read() {
    let descriptors: [(&[u8], &str); 6] = [
        (&[0], "0.0.0.0/0"),
        (&[8, 10], "10.0.0.0/8"),
        (&[24, 10, 0, 0], "10.0.0.0/24"),
        (&[16, 10, 17], "10.17.0.0/16"),
        (&[25, 10, 229, 0, 128], "10.229.0.128/25"),
        (&[32, 10, 198, 122, 47], "10.198.122.47/32"),
    ];
    for (descriptor, to) in descriptors {
        for (via, expected) in [
            ([10, 0, 0, 1], Some(Ipv4Addr::new(10, 0, 0, 1))),
            ([0; 4], None),
        ] {
            let routes = read_routes(&[descriptor, &via].concat()).unwrap();
            let expected = Route {
                to: to.parse().unwrap(),
                via: expected,
            };
            assert_eq!(routes, [expected]);
        }
    }
}
