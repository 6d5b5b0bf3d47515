//! Packets that are not believed.

use ipnet::Ipv6Net;
use node_agent_core::dhcp::{
    Change, Ignored,
    v6::{Association, Duid, Input, Leased, MessageType, Mode, Packet, State, Status},
};

use super::session::{
    ADDRESS, CONFIGURE, OTHER_ADDRESS, Session, association, change, ignored, maintain,
    other_server, prefix, resources, sent,
};

type Forgery = (&'static str, fn(&mut Packet), Ignored);

/// What is wrong with an answer in every state.
const FORGERIES: [Forgery; 6] = [
    ("another transaction", |p| p.xid ^= 1, Ignored::NotOurs),
    (
        "no client",
        |p| p.options.client_id = None,
        Ignored::NotOurs,
    ),
    (
        "another client",
        |p| p.options.client_id = Some(Duid(vec![0, 3, 0, 1, 9, 9, 9, 9, 9, 9])),
        Ignored::NotOurs,
    ),
    (
        "no server",
        |p| p.options.server_id = None,
        Ignored::Incomplete,
    ),
    (
        "what a client sends",
        |p| p.message_type = MessageType::Rebind,
        Ignored::Unexpected,
    ),
    (
        "what nobody waits for",
        |p| {
            p.message_type = match p.message_type {
                MessageType::Advertise => MessageType::Reply,
                _ => MessageType::Advertise,
            }
        },
        Ignored::Unexpected,
    ),
];

/// Sessions that wait for an answer, and the answer.
fn waiting() -> Vec<(Session, MessageType)> {
    let mode = Mode::Configure { prefixes: true };
    let mut soliciting = Session::new(mode.clone());
    soliciting.next_packet();
    soliciting.next_packet();
    let bound = Session::bound(mode.clone());
    let mut renewing = bound.clone();
    renewing.next_packet();
    let mut rebinding = renewing.clone();
    while !matches!(rebinding.lease.state, State::Rebinding(..)) {
        rebinding.fire();
    }
    let mut confirming = bound;
    confirming.input(Input::LinkRestarted);
    confirming.next_packet();
    let mut informing = Session::new(Mode::Maintain(resources(&[], &[])));
    informing.next_packet();
    vec![
        (soliciting, MessageType::Advertise),
        (Session::requesting(mode), MessageType::Reply),
        (renewing, MessageType::Reply),
        (rebinding, MessageType::Reply),
        (confirming, MessageType::Reply),
        (informing, MessageType::Reply),
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
fn a_server_identifier_that_cannot_be_one_is_never_repeated() {
    for (session, message_type) in waiting() {
        let one = matches!(
            session.lease.state,
            State::Requesting(..) | State::Renewing(..)
        );
        for duid in [vec![], vec![0, 3], vec![0; 131]] {
            let outputs = session.clone().answer(message_type, |packet| {
                packet.options.server_id = Some(Duid(duid));
            });
            let why = if one {
                Ignored::OtherServer
            } else {
                Ignored::Impossible
            };
            assert_eq!(outputs, ignored(why));
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
fn what_was_answered_is_not_answered_again() {
    for mode in [maintain(), CONFIGURE] {
        let mut session = Session::requesting(mode);
        let xid = session.exchange_xid().unwrap();
        session.answer(MessageType::Reply, |_| {});
        let before = session.lease.clone();
        for message_type in [MessageType::Advertise, MessageType::Reply] {
            let outputs = session.answer(message_type, |packet| packet.xid = xid);
            assert_eq!(outputs, ignored(Ignored::Unexpected));
            assert_eq!(session.lease, before);
        }
    }
}

#[test]
fn a_request_is_answered_by_the_server_that_was_asked() {
    let mut session = Session::requesting(CONFIGURE);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.server_id = Some(other_server());
        packet.options.status = Status::Failure;
    });
    assert_eq!(outputs, ignored(Ignored::OtherServer));
}

fn after(addresses: Association, prefixes: Association) -> Session {
    let mut session = Session::requesting(Mode::Configure { prefixes: true });
    session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(addresses);
        packet.options.prefixes = Some(prefixes);
    });
    for address in [ADDRESS, OTHER_ADDRESS] {
        session.input(Input::Free(address));
    }
    session
}

#[test]
fn what_no_interface_can_have_is_left_out() {
    let nets = |texts: &[&str]| -> Vec<Ipv6Net> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    };
    let addresses = nets(&[
        "::/128",
        "::1/128",
        "ff02::1/128",
        "fe80::1/128",
        "::ffff:10.0.0.1/128",
        "2001:db8:1::/64",
        "2001:db8:1::50/128",
        "2001:db8:1::50/128",
    ]);
    let prefixes = nets(&[
        "::/0",
        "2000::/3",
        "fe80::/64",
        "ff00::/16",
        "2001:db8:1:0:8000::/80",
    ]);
    let session = after(association(&addresses), association(&prefixes));
    assert_eq!(session.has(), resources(&[ADDRESS], &[prefix()]));
}

#[test]
fn lifetimes_that_cannot_be_are_left_out() {
    let with = |preferred, valid| {
        let mut association = association(&[ADDRESS.into()]);
        association.leased = vec![Leased {
            net: ADDRESS.into(),
            preferred,
            valid,
        }];
        after(association, self::association(&[prefix()]))
            .has()
            .addresses
            .len()
    };
    assert_eq!(with(140, 450), 1);
    assert_eq!(with(450, 140), 0, "preferred for longer than valid");
    assert_eq!(with(1, 3), 0, "over at once");
}

#[test]
fn an_association_whose_t1_is_behind_its_t2_is_left_out() {
    let mut backwards = association(&[ADDRESS.into()]);
    backwards.renewal_time = 113;
    let session = after(backwards, association(&[prefix()]));
    assert_eq!(session.has(), resources(&[], &[prefix()]));
}

#[test]
fn no_list_is_longer_than_anybody_needs() {
    let many: Vec<Ipv6Net> = (1..200_u128)
        .map(|i| std::net::Ipv6Addr::from(u128::from(ADDRESS) + (i << 8)).into())
        .collect();
    let mut session = Session::requesting(CONFIGURE);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(association(&many));
    });
    assert_eq!(outputs.len(), 64);
}

/// A pod sees the packets of its own interface, and can answer them as if it were the server. It gets no other address by that, and
/// makes the agent ask no more often than a server could.
#[test]
fn a_pod_that_plays_its_own_server_gets_no_other_address_than_its_claims() {
    let claimed = resources(&[ADDRESS], &[]);
    let mut session = Session::new(Mode::Maintain(claimed.clone()));
    let begun = session.now;
    let (mut packets, mut news) = (0, 0);
    while session.now < begun + 3_600_000 {
        packets += usize::from(sent(&session.fire()).is_some());
        for message_type in [MessageType::Advertise, MessageType::Reply] {
            let outputs = session.answer(message_type, |packet| {
                let both = [ADDRESS.into(), OTHER_ADDRESS.into()];
                let mut theirs = association(&both);
                theirs.renewal_time = 1;
                theirs.rebinding_time = 1;
                for leased in &mut theirs.leased {
                    (leased.preferred, leased.valid) = (1, 11);
                }
                packet.options.preference = 255;
                packet.options.addresses = Some(theirs);
            });
            let change = change(&outputs);
            news += usize::from(change.is_some_and(|change| change != Change::Renewed));
        }
        assert!(session.has().addresses.is_subset(&claimed.addresses));
        assert!(session.has().prefixes.is_empty());
    }
    assert!(packets <= 3_600 / 5 + 1, "{packets} packets in an hour");
    assert!(news <= 2, "{news} times news for the API server");
}
