//! From nothing to a lease.

use std::net::Ipv4Addr;

use node_agent_core::dhcp::{
    BootTime, Change, Ignored, Loss,
    v4::{
        DECLINE_PAUSE, Input, LATEST_START, MessageType, Mode, Offer, Output, SOONEST_START, State,
        To,
    },
};

use super::session::{
    ADDRESS, HOUR, MAINTAIN, OTHER_ADDRESS, OTHER_SERVER, SERVER, Session, change, ignored, sent,
};

const BOTH: [Mode; 2] = [MAINTAIN, Mode::Configure];

#[test]
fn a_pod_that_waits_asks_at_once_and_one_that_has_its_address_after_one_to_ten_seconds() {
    assert_eq!(Session::new(Mode::Configure).pause(), 0);
    let pause = Session::new(MAINTAIN).pause();
    assert!((SOONEST_START..=LATEST_START).contains(&pause), "{pause}");
}

#[test]
fn a_discovery_says_what_rfc_2131_table_5_says() {
    let mut session = Session::new(MAINTAIN);
    session.client.host_name = Some("web-0".into());
    let (packet, to) = session.next_packet();
    assert_eq!(to, To::Everybody);
    assert_eq!(packet.message_type, MessageType::Discover);
    assert_eq!((packet.secs, packet.broadcast), (0, true));
    assert_eq!(packet.ciaddr, Ipv4Addr::UNSPECIFIED);
    let options = packet.options;
    assert_eq!(options.requested_address, Some(ADDRESS));
    assert_eq!(options.server, None);
    assert_eq!(options.host_name.as_deref(), Some("web-0"));
    assert_eq!(options.client_id, Some(vec![1, 2, 0, 0, 0, 0, 10]));
    let asked_for = [1, 3, 6, 15, 26, 42, 58, 59, 119, 121];
    for option in asked_for {
        assert!(options.parameter_list.contains(&option), "{option}");
    }
}

#[test]
fn without_an_address_that_it_had_a_discovery_asks_for_none() {
    let (packet, _) = Session::new(Mode::Configure).next_packet();
    assert_eq!(packet.options.requested_address, None);
}

#[test]
fn a_request_repeats_transaction_and_seconds_of_its_discovery() {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    let (discovery, _) = session.next_packet();
    assert_eq!(discovery.secs, 4);
    session.now += 2_000;
    let (packet, to) = sent(&session.answer(MessageType::Offer, |_| {})).unwrap();
    assert_eq!(
        (packet.message_type, to),
        (MessageType::Request, To::Everybody)
    );
    assert_eq!((packet.xid, packet.secs), (discovery.xid, discovery.secs));
    assert_eq!(
        (packet.broadcast, packet.ciaddr),
        (true, Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!(packet.options.requested_address, Some(ADDRESS));
    assert_eq!(packet.options.server, Some(SERVER));
}

#[test]
fn a_lease_for_the_claims_address_is_there_once_it_is_acknowledged() {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    assert_eq!(session.held(), None);
    let outputs = session.answer(MessageType::Ack, |_| {});
    assert_eq!(outputs, [Output::Changed(Change::Obtained)]);
    let held = session.held().unwrap();
    assert_eq!(
        (held.address, held.prefix, held.server),
        (ADDRESS, 24, SERVER)
    );
}

/// RFC 2131 section 4.1.
#[test]
fn a_discovery_is_repeated_after_4_8_16_32_and_then_every_64_seconds_give_or_take_one() {
    for (jitter, spread) in [(0, -1_000), (u32::MAX, 1_000)] {
        let mut session = Session::new(Mode::Configure);
        session.jitter = jitter;
        let (first, _) = session.next_packet();
        for pause in [4_000_i64, 8_000, 16_000, 32_000, 64_000, 64_000, 64_000] {
            assert_eq!(i64::try_from(session.pause()), Ok(pause + spread));
            let (packet, _) = session.next_packet();
            assert_eq!(
                (packet.message_type, packet.xid),
                (MessageType::Discover, first.xid)
            );
        }
    }
}

/// RFC 2131 section 3.1.5.
#[test]
fn a_request_without_an_answer_is_given_up_after_a_minute() {
    let mut session = Session::new(Mode::Configure);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    let begun = session.now;
    for _ in 0..3 {
        let (packet, _) = session.next_packet();
        assert_eq!(packet.message_type, MessageType::Request);
    }
    assert_eq!(session.fire(), []);
    assert_eq!((session.now - begun).div_ceil(1_000), 60);
    let (packet, _) = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Discover);
}

#[test]
fn the_first_offer_is_taken_and_no_second_one() {
    let mut session = Session::new(Mode::Configure);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    let requesting = session.lease.clone();
    let second = session.answer(MessageType::Offer, |packet| {
        packet.yiaddr = OTHER_ADDRESS;
        packet.options.server = Some(OTHER_SERVER);
    });
    assert_eq!(second, ignored(Ignored::Unexpected));
    assert_eq!(session.lease, requesting);
}

#[test]
fn an_answer_to_an_earlier_packet_counts_however_slow_the_server_is() {
    let mut session = Session::new(MAINTAIN);
    for _ in 0..5 {
        session.next_packet();
    }
    session.now += 30_000;
    session.answer(MessageType::Offer, |_| {});
    for _ in 0..2 {
        session.next_packet();
    }
    session.answer(MessageType::Ack, |_| {});
    assert!(session.held().is_some());
}

#[test]
fn in_maintain_another_address_is_reported_once_and_never_taken() {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    let differs = |session: &mut Session| {
        session.answer(MessageType::Offer, |packet| {
            packet.yiaddr = OTHER_ADDRESS;
            packet.options.server = Some(OTHER_SERVER);
        })
    };
    assert_eq!(differs(&mut session), [Output::Changed(Change::Differs)]);
    assert_eq!(differs(&mut session), [], "it is known");
    let offer = Offer {
        address: OTHER_ADDRESS,
        server: OTHER_SERVER,
    };
    assert_eq!(session.lease.differing, Some(offer));
    // Another server, which knows better, is heard all the same.
    session.answer(MessageType::Offer, |_| {});
    session.answer(MessageType::Ack, |_| {});
    assert_eq!(session.held().unwrap().address, ADDRESS);
    assert_eq!(session.lease.differing, None);
}

#[test]
fn in_configure_an_address_is_probed_before_it_is_used() {
    let mut session = Session::new(Mode::Configure);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    let outputs = session.answer(MessageType::Ack, |_| {});
    assert_eq!(outputs, [Output::Probe(ADDRESS)]);
    assert_eq!(session.held(), None);
    assert_eq!(session.input(Input::Free(OTHER_ADDRESS)), []);
    assert_eq!(
        session.fire(),
        [Output::Probe(ADDRESS)],
        "nobody said how it ended"
    );
    let outputs = session.input(Input::Free(ADDRESS));
    assert_eq!(outputs, [Output::Changed(Change::Obtained)]);
    assert_eq!(session.held().unwrap().address, ADDRESS);
}

#[test]
fn in_configure_an_address_of_another_host_is_declined_and_not_asked_for_again() {
    let mut session = Session::new(Mode::Configure);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    session.answer(MessageType::Ack, |_| {});
    let (packet, to) = sent(&session.input(Input::Conflict(ADDRESS))).unwrap();
    assert_eq!(
        (packet.message_type, to),
        (MessageType::Decline, To::Everybody)
    );
    assert_eq!((packet.secs, packet.broadcast), (0, false));
    assert_eq!(packet.ciaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(packet.options.requested_address, Some(ADDRESS));
    assert_eq!(packet.options.server, Some(SERVER));
    assert!(packet.options.parameter_list.is_empty());
    assert!(session.pause() >= DECLINE_PAUSE);
    let (packet, _) = session.next_packet();
    assert_eq!(packet.options.requested_address, None);
}

#[test]
fn in_maintain_nobody_takes_the_address_away_by_answering_for_it() {
    let mut session = Session::bound(MAINTAIN);
    assert_eq!(session.input(Input::Conflict(ADDRESS)), []);
    assert!(session.held().is_some());
    let mut session = Session::bound(Mode::Configure);
    let outputs = session.input(Input::Conflict(ADDRESS));
    assert_eq!(change(&outputs), Some(Change::Lost(Loss::Conflict)));
    assert_eq!(session.held(), None);
}

#[test]
fn who_refuses_everything_is_asked_less_and_less() {
    let mut session = Session::new(Mode::Configure);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        session.next_packet();
        session.answer(MessageType::Offer, |_| {});
        let outputs = session.answer(MessageType::Nak, |_| {});
        assert_eq!(outputs, [], "there was no lease");
        pauses.push(session.pause().div_ceil(1_000));
    }
    assert_eq!(pauses, [4, 8, 16, 32, 64, 64]);
}

/// RFC 2131 section 4.4.1: from the time at which the request was sent, whichever request was answered.
#[test]
fn a_lease_counts_from_the_first_request() {
    for mode in BOTH {
        let mut session = Session::new(mode);
        session.next_packet();
        session.answer(MessageType::Offer, |_| {});
        let asked = session.now;
        session.next_packet();
        session.now += 1_000;
        session.answer(MessageType::Ack, |_| {});
        session.input(Input::Free(ADDRESS));
        let State::Bound(binding) = &session.lease.state else {
            panic!("{:?}", session.lease)
        };
        let end = BootTime(asked).after(u64::from(HOUR) * 1_000);
        assert_eq!(binding.term.expires_at(), Some(end));
    }
}
