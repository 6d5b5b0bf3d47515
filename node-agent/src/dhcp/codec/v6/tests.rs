//! What DHCPv6 says, on the wire and back.

use proptest::prelude::*;

use super::*;

mod fuzz;
mod golden;

pub(super) const IAID: u32 = 10;

fn an_address() -> impl Strategy<Value = Ipv6Addr> {
    any::<[u8; 16]>().prop_map(Ipv6Addr::from)
}

fn a_status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec![
        Status::Success,
        Status::NothingAvailable,
        Status::NoBinding,
        Status::NotOnLink,
        Status::Failure,
    ])
}

fn an_association(length: impl Strategy<Value = u8>) -> impl Strategy<Value = Option<Association>> {
    let leased = (an_address(), length, any::<u32>(), any::<u32>());
    let leased = leased.prop_map(|(address, length, preferred, valid)| Leased {
        net: Ipv6Net::new(address, length).unwrap(),
        preferred,
        valid,
    });
    let leased = prop::collection::vec(leased, 0..5);
    let association = (any::<u32>(), any::<u32>(), leased, a_status());
    let association =
        association.prop_map(
            |(renewal_time, rebinding_time, leased, status)| Association {
                iaid: IAID,
                renewal_time,
                rebinding_time,
                leased,
                status,
            },
        );
    prop::option::of(association)
}

fn options() -> impl Strategy<Value = Options> {
    let duid = || prop::option::of(prop::collection::vec(any::<u8>(), 0..140).prop_map(Duid));
    let seconds = || prop::option::of(any::<u32>());
    let addresses = || prop::collection::vec(an_address(), 0..5);
    let associations = (an_association(Just(128)), an_association(0..=128_u8));
    let times = (
        seconds(),
        seconds(),
        seconds(),
        prop::option::of(any::<u16>()),
    );
    let search = prop::collection::vec("[a-z]{1,63}(\\.[a-z]{1,60}){0,2}", 0..9);
    let lists = (
        prop::collection::vec(any::<u16>(), 0..9),
        addresses(),
        addresses(),
        search,
    );
    let rest = (any::<u8>(), a_status());
    ((duid(), duid()), associations, times, lists, rest).prop_map(
        |((client_id, server_id), (addresses, prefixes), times, lists, (preference, status))| {
            let (refresh_time, solicit_limit, information_limit, elapsed) = times;
            let (option_request, dns, ntp, search) = lists;
            Options {
                client_id,
                server_id,
                addresses,
                prefixes,
                option_request,
                preference,
                elapsed,
                status,
                dns,
                search,
                refresh_time,
                ntp,
                solicit_limit,
                information_limit,
            }
        },
    )
}

/// What a server may say.
fn an_answer() -> impl Strategy<Value = Packet> {
    let types = vec![MessageType::Advertise, MessageType::Reply];
    (prop::sample::select(types), 0..0x100_0000_u32, options()).prop_map(
        |(message_type, xid, options)| Packet {
            message_type,
            xid,
            options,
        },
    )
}

/// An option written by hand.
fn option(code: u16, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, code, &parts.concat());
    bytes
}

/// A REPLY with options.
fn reply(options: &[&[u8]]) -> Vec<u8> {
    [&[7, 0, 0, 1][..], &options.concat()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_is_read(packet in an_answer()) {
        prop_assert_eq!(decode(&encode(&packet), IAID), Ok(packet));
    }

    /// A beginning that ends between two options is a shorter message; no other one is any.
    #[test]
    fn no_beginning_of_a_message_says_more(packet in an_answer(), part in any::<prop::sample::Index>()) {
        let bytes = encode(&packet);
        let part = &bytes[..part.index(bytes.len())];
        if let Ok(shorter) = decode(part, IAID) {
            prop_assert_eq!(encode(&shorter), part);
        }
    }
}

#[test]
fn what_no_server_sends_is_dropped() {
    for number in (0..=255_u8).filter(|number| ![2, 7].contains(number)) {
        assert_eq!(decode(&[number, 0, 0, 1], IAID), Err(Dropped::NotAnAnswer));
    }
    for bytes in [
        &[][..],
        &[7],
        &[7, 0, 0],
        &[7, 0, 0, 1, 0],
        &[7, 0, 0, 1, 0, 1, 0, 1],
    ] {
        assert_eq!(decode(bytes, IAID), Err(Dropped::Truncated), "{bytes:?}");
    }
}

#[test]
fn associations_of_others_and_second_ones_are_dropped() {
    let association = |code: u16, id: u32, last: u8| {
        let address = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[last], &[0; 8]].concat();
        let prefix = [
            &[0; 8][..],
            &[64],
            &[0x20, 1, 0xd, 0xb8],
            &[0, last],
            &[0; 10],
        ]
        .concat();
        let items = [option(ADDRESS, &[&address]), option(PREFIX, &[&prefix])].concat();
        option(code, &[&id.to_be_bytes(), &[0; 8], &items])
    };
    let bytes = reply(&[
        &association(ADDRESSES, 9, 1),
        &association(ADDRESSES, IAID, 2),
        &association(ADDRESSES, IAID, 3),
        &association(PREFIXES, 9, 4),
        &association(PREFIXES, IAID, 5),
        &association(PREFIXES, IAID, 6),
    ]);
    let options = decode(&bytes, IAID).unwrap().options;
    let nets = |ia: Option<Association>| -> Vec<_> {
        let leased = ia.unwrap().leased.into_iter();
        leased.map(|leased| leased.net.to_string()).collect()
    };
    assert_eq!(nets(options.addresses), ["2001:db8::2/128"]);
    assert_eq!(nets(options.prefixes), ["2001:db8:5::/64"]);
}

#[test]
fn what_is_leased_without_success_is_dropped() {
    let item = |last: u8, status: &[u8]| {
        option(
            ADDRESS,
            &[&[0x20; 15], &[last], &[0, 0, 0, 9, 0, 0, 0, 9], status],
        )
    };
    let refused = option(STATUS, &[&[0, 4], b"not here"]);
    let granted = option(STATUS, &[&[0, 0], b"here"]);
    let unreadable = option(STATUS, &[&[0]]);
    let items = [
        item(1, &refused),
        item(2, &granted),
        item(3, &[]),
        item(4, &unreadable),
    ]
    .concat();
    let bytes = reply(&[&option(ADDRESSES, &[&IAID.to_be_bytes(), &[0; 8], &items])]);
    let association = decode(&bytes, IAID).unwrap().options.addresses.unwrap();
    let last: Vec<_> = association
        .leased
        .iter()
        .map(|leased| leased.net.addr().octets()[15])
        .collect();
    assert_eq!(last, [2, 3]);
    assert_eq!(association.status, Status::Success);
}

#[test]
fn statuses_are_those_of_rfc_8415() {
    let status = |bytes: &[u8]| {
        decode(&reply(&[&option(STATUS, &[bytes])]), IAID)
            .unwrap()
            .options
            .status
    };
    for (bytes, expected) in [
        (&[0, 0][..], Status::Success),
        (&[0, 1], Status::Failure),
        (&[0, 2], Status::NothingAvailable),
        (&[0, 3], Status::NoBinding),
        (&[0, 4, b'x', 0xff], Status::NotOnLink),
        (&[0, 5], Status::Failure),
        (&[0, 6], Status::NothingAvailable),
        (&[1, 0], Status::Failure),
        (&[0], Status::Failure),
        (&[], Status::Failure),
    ] {
        assert_eq!(status(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn an_option_that_cannot_be_read_is_absent() {
    let unreadable = [
        option(ADDRESSES, &[&9_u32.to_be_bytes(), &[0; 8]]),
        option(PREFERENCE, &[&[1, 2]]),
        option(ELAPSED, &[&[1]]),
        option(DNS, &[&[0x20; 17]]),
        option(SEARCH, &[b"\x01a\x00\xc0\x00"]),
        option(REFRESH_TIME, &[&[0; 3]]),
        option(
            NTP,
            &[
                &option(2, &[&[0xff; 16]]),
                &option(NTP_SERVER, &[&[0x20; 15]]),
            ],
        ),
        option(OPTION_REQUEST, &[&[1]]),
        option(4711, &[b"?"]),
    ];
    for bytes in unreadable {
        let options = decode(&reply(&[&bytes]), IAID).unwrap().options;
        assert_eq!(options, Options::default(), "{bytes:?}");
    }
    let long = [&[0; 8][..], &[129], &[0x20; 16]].concat();
    let long = option(
        PREFIXES,
        &[&IAID.to_be_bytes(), &[0; 8], &option(PREFIX, &[&long])],
    );
    let options = decode(&reply(&[&long]), IAID).unwrap().options;
    assert_eq!(options.prefixes.unwrap().leased, []);
}

#[test]
fn an_option_that_ends_after_what_it_is_in_makes_the_packet_truncated() {
    let address = option(ADDRESS, &[&[0x20; 23]]);
    let inner = option(ADDRESS, &[&[0x20; 24], &[0, 13, 0, 2, 0]]);
    let cases = [
        option(ADDRESSES, &[&[0; 11]]),
        option(ADDRESSES, &[&IAID.to_be_bytes(), &[0; 8], &[0]]),
        option(ADDRESSES, &[&IAID.to_be_bytes(), &[0; 8], &address]),
        option(ADDRESSES, &[&IAID.to_be_bytes(), &[0; 8], &inner]),
        option(NTP, &[&[0, 1, 0, 16, 0x20]]),
    ];
    for bytes in cases {
        let read = decode(&reply(&[&bytes]), IAID);
        assert_eq!(read, Err(Dropped::Truncated), "{bytes:?}");
    }
}

/// Each option in the next one: a codec that follows them needs megabytes of stack, and its process ends with it.
#[test]
fn options_in_options_cost_no_stack() {
    for (code, head) in [
        (17, 4),
        (ADDRESSES, 12),
        (PREFIXES, 12),
        (ADDRESS, 24),
        (PREFIX, 25),
        (9, 34),
    ] {
        let mut nested = Vec::new();
        while nested.len() + head + 4 < 65_000 {
            nested = option(code, &[&IAID.to_be_bytes(), &vec![0; head - 4], &nested]);
        }
        let bytes = reply(&[&nested]);
        let read = std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn(move || decode(&bytes, IAID));
        assert!(read.unwrap().join().unwrap().is_ok(), "{code}");
    }
}

#[test]
fn a_solicit_is_what_rfc_8415_says() {
    let duid = [0, 3, 0, 1, 2, 0xec, 0, 0, 0, 0xa];
    let packet = Packet {
        message_type: MessageType::Solicit,
        xid: 0x10_0874,
        options: Options {
            client_id: Some(Duid(duid.to_vec())),
            addresses: Some(Association {
                iaid: IAID,
                leased: vec![Leased {
                    net: "2001:db8::50/128".parse().unwrap(),
                    preferred: 0,
                    valid: 0,
                }],
                ..Association::default()
            }),
            option_request: vec![23, 24],
            elapsed: Some(0),
            ..Options::default()
        },
    };
    let mut expected = vec![1, 0x10, 0x08, 0x74];
    expected.extend([0, 1, 0, 10]);
    expected.extend(duid);
    expected.extend([0, 3, 0, 40, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([0, 5, 0, 24, 0x20, 1, 0xd, 0xb8]);
    expected.extend([0; 11]);
    expected.push(0x50);
    expected.extend([0; 8]);
    expected.extend([0, 6, 0, 4, 0, 23, 0, 24]);
    expected.extend([0, 8, 0, 2, 0, 0]);
    assert_eq!(encode(&packet), expected);
}
