//! Packets that are not believed.

use std::net::Ipv4Addr;

use node_agent_core::{
    dhcp::{
        Change, Ignored,
        v4::{Input, MessageType, Mode, Output, Packet, State},
    },
    mac::Mac,
};

use super::session::{
    ADDRESS, MAINTAIN, OTHER_ADDRESS, OTHER_SERVER, SERVER, Session, ignored, reply,
};

type Forgery = (&'static str, fn(&mut Packet), Ignored);

type Refusal = (fn(&mut Packet), Ignored);

/// What is wrong with an answer in every state.
const FORGERIES: [Forgery; 12] = [
    ("another transaction", |p| p.xid ^= 1, Ignored::NotOurs),
    (
        "another client",
        |p| p.chaddr = Mac::from([2, 0, 0, 0, 0, 0xb]),
        Ignored::NotOurs,
    ),
    (
        "another client's identifier",
        |p| p.options.client_id = Some(vec![1, 2, 0, 0, 0, 0, 0xb]),
        Ignored::NotOurs,
    ),
    (
        "no server",
        |p| p.options.server = None,
        Ignored::Incomplete,
    ),
    (
        "no lease time",
        |p| p.options.lease_time = None,
        Ignored::Incomplete,
    ),
    (
        "over at once",
        |p| p.options.lease_time = Some(1),
        Ignored::TooShort,
    ),
    (
        "no address",
        |p| p.yiaddr = Ipv4Addr::UNSPECIFIED,
        Ignored::Impossible,
    ),
    (
        "everybody's address",
        |p| p.yiaddr = Ipv4Addr::BROADCAST,
        Ignored::Impossible,
    ),
    (
        "a group's address",
        |p| p.yiaddr = Ipv4Addr::new(224, 0, 0, 1),
        Ignored::Impossible,
    ),
    (
        "this host's address",
        |p| p.yiaddr = Ipv4Addr::LOCALHOST,
        Ignored::Impossible,
    ),
    (
        "no IPv4 in this subnet",
        |p| p.yiaddr = Ipv4Addr::new(169, 254, 3, 4),
        Ignored::Impossible,
    ),
    (
        "the server's own address",
        |p| p.yiaddr = SERVER,
        Ignored::Impossible,
    ),
];

/// Sessions that wait for an answer, and the answer.
fn waiting() -> Vec<(Session, MessageType)> {
    let mut selecting = Session::new(Mode::Configure);
    selecting.next_packet();
    let mut requesting = selecting.clone();
    requesting.answer(MessageType::Offer, |_| {});
    let mut rebooting = Session::bound(Mode::Configure);
    rebooting.input(Input::LinkRestarted);
    rebooting.next_packet();
    let mut renewing = Session::bound(Mode::Configure);
    renewing.next_packet();
    let mut rebinding = renewing.clone();
    while !matches!(rebinding.lease.state, State::Rebinding(..)) {
        rebinding.fire();
    }
    vec![
        (selecting, MessageType::Offer),
        (requesting, MessageType::Ack),
        (rebooting, MessageType::Ack),
        (renewing, MessageType::Ack),
        (rebinding, MessageType::Ack),
    ]
}

#[test]
fn a_forged_answer_changes_nothing_in_any_state() {
    for (session, message_type) in waiting() {
        for (name, forge, why) in FORGERIES {
            let mut session = session.clone();
            let before = session.lease.clone();
            let outputs = session.answer(message_type, forge);
            assert_eq!(outputs, ignored(why), "{name} in {before:?}");
            assert_eq!(session.lease, before, "{name}");
        }
    }
}

#[test]
fn the_answer_itself_is_believed_in_each_of_these_states() {
    for (mut session, message_type) in waiting() {
        let before = session.lease.clone();
        session.answer(message_type, |_| {});
        assert_ne!(session.lease, before);
    }
}

#[test]
fn a_server_that_cannot_be_one_is_never_sent_anything() {
    let impossible = [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(239, 255, 255, 250),
    ];
    for server in impossible {
        let mut session = Session::new(MAINTAIN);
        session.next_packet();
        let outputs = session.answer(MessageType::Offer, |p| p.options.server = Some(server));
        assert_eq!(outputs, ignored(Ignored::Impossible), "{server}");
    }
}

#[test]
fn a_refusal_of_who_was_not_asked_changes_nothing() {
    let forgeries: [Refusal; 4] = [
        (
            |p| p.options.server = Some(OTHER_SERVER),
            Ignored::OtherServer,
        ),
        (|p| p.options.server = None, Ignored::Incomplete),
        (|p| p.xid ^= 1, Ignored::NotOurs),
        (|p| p.chaddr = Mac::from([0; 6]), Ignored::NotOurs),
    ];
    for (mut session, message_type) in waiting() {
        let asks_one = matches!(
            session.lease.state,
            State::Requesting(..) | State::Renewing(..)
        );
        let before = session.lease.clone();
        for (forge, why) in forgeries {
            if why == Ignored::OtherServer && !asks_one {
                continue;
            }
            let outputs = session.answer(MessageType::Nak, forge);
            let expected = match (message_type, why) {
                (MessageType::Offer, Ignored::Incomplete) => Ignored::Unexpected,
                (_, why) => why,
            };
            assert_eq!(outputs, ignored(expected));
            assert_eq!(session.lease, before);
        }
    }
}

#[test]
fn what_was_answered_is_not_answered_again() {
    for mode in [MAINTAIN, Mode::Configure] {
        let mut session = Session::new(mode);
        session.next_packet();
        let xid = session.exchange_xid().unwrap();
        session.answer(MessageType::Offer, |_| {});
        session.answer(MessageType::Ack, |_| {});
        let before = session.lease.clone();
        for message_type in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
            let packet = Box::new(reply(message_type, xid));
            let outputs = session.input(Input::Received(packet));
            assert_eq!(outputs, ignored(Ignored::Unexpected));
            assert_eq!(session.lease, before);
        }
    }
}

#[test]
fn what_only_clients_send_is_not_heard() {
    let types = [
        MessageType::Discover,
        MessageType::Request,
        MessageType::Decline,
        MessageType::Release,
    ];
    for (mut session, _) in waiting() {
        for message_type in types {
            let outputs = session.answer(message_type, |_| {});
            assert_eq!(outputs, ignored(Ignored::Unexpected));
        }
    }
}

#[test]
fn whoever_offers_one_address_after_the_other_is_reported_once() {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    let offers = (60..200).map(|last| Ipv4Addr::new(10, 0, 1, last));
    let reports = offers
        .flat_map(|address| session.answer(MessageType::Offer, |packet| packet.yiaddr = address));
    assert_eq!(
        reports.collect::<Vec<_>>(),
        [Output::Changed(Change::Differs)]
    );
}

/// A pod sees the packets of its own interface, and can answer them as if it were the server. It gets no other address by that, and
/// makes the agent ask no more often than a server could.
#[test]
fn a_pod_that_plays_its_own_server_gets_no_other_address_than_its_claims() {
    let mut session = Session::new(MAINTAIN);
    let begun = session.now;
    let mut packets = 0;
    while session.now < begun + 3_600_000 {
        if session.lease.wake_at().is_some() {
            session.next_packet();
            packets += 1;
        }
        session.answer(MessageType::Offer, |p| p.yiaddr = OTHER_ADDRESS);
        session.answer(MessageType::Offer, |_| {});
        session.answer(MessageType::Ack, |p| p.yiaddr = OTHER_ADDRESS);
        session.answer(MessageType::Ack, |p| p.options.lease_time = Some(11));
        assert!(session.held().is_none_or(|held| held.address == ADDRESS));
    }
    // At T1 of the shortest lease that is taken.
    assert!(packets <= 3_600 / 5, "{packets} packets in an hour");
}
