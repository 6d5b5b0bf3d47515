//! From nothing to leases, or to information.

use node_agent_core::dhcp::{
    Change, Ignored,
    v6::{
        Association, DECLINE_PAUSE, Duid, Input, LATEST_START, MessageType, Mode, Output, Packet,
        Resources, SOONEST_START, State, Status,
    },
};

use super::session::{
    ADDRESS, CONFIGURE, OTHER_ADDRESS, Session, association, ignored, maintain, other_server,
    prefix, resources, sent, server,
};

fn hint(association: Option<&Association>) -> Option<Vec<ipnet::Ipv6Net>> {
    association.map(|ia| ia.leased.iter().map(|leased| leased.net).collect())
}

#[test]
fn a_pod_that_waits_asks_within_a_second_and_one_that_has_its_address_after_one_to_ten() {
    for jitter in [0, u32::MAX] {
        assert!(Session::with_jitter(CONFIGURE, jitter).pause() <= 1_000);
        let pause = Session::with_jitter(maintain(), jitter).pause();
        assert!((SOONEST_START..=LATEST_START).contains(&pause), "{pause}");
    }
}

#[test]
fn a_solicitation_asks_for_what_the_claim_has() {
    let packet = Session::new(maintain()).next_packet();
    assert_eq!(packet.message_type, MessageType::Solicit);
    let options = packet.options;
    // DUID-LL (RFC 8415 section 11.4).
    let duid = Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 10]);
    assert_eq!((options.client_id, options.server_id), (Some(duid), None));
    assert_eq!(hint(options.addresses.as_ref()), Some(vec![ADDRESS.into()]));
    assert_eq!(hint(options.prefixes.as_ref()), Some(vec![prefix()]));
    assert_eq!(options.addresses.map(|ia| ia.iaid), Some(10));
    assert_eq!(options.elapsed, Some(0));
    for option in [23, 24, 56, 82] {
        assert!(options.option_request.contains(&option), "{option}");
    }
}

#[test]
fn prefixes_are_asked_for_only_where_somebody_wants_them() {
    let packet = Session::new(CONFIGURE).next_packet();
    assert_eq!(hint(packet.options.addresses.as_ref()), Some(vec![]));
    assert_eq!(packet.options.prefixes, None);
    let packet = Session::new(Mode::Configure { prefixes: true }).next_packet();
    assert_eq!(hint(packet.options.prefixes.as_ref()), Some(vec![]));
    let only_prefixes = Mode::Maintain(resources(&[], &[prefix()]));
    assert_eq!(
        Session::new(only_prefixes).next_packet().options.addresses,
        None
    );
}

/// RFC 8415 section 15.
#[test]
fn each_pause_is_twice_the_last_one_give_or_take_a_tenth_up_to_the_longest() {
    for (jitter, tenths) in [(0, 19), (u32::MAX, 21)] {
        let mut session = Session::with_jitter(CONFIGURE, jitter);
        session.next_packet();
        let first = session.pause();
        assert!((1_000..=1_100).contains(&first), "{first}");
        let mut last = first;
        while last < 1_500_000 {
            let packet = session.next_packet();
            assert_eq!(packet.message_type, MessageType::Solicit);
            let pause = session.pause();
            assert!(
                pause.abs_diff(last * tenths / 10) <= 1,
                "{pause} after {last}"
            );
            last = session.pause();
        }
        for _ in 0..3 {
            session.next_packet();
        }
        let longest = if jitter == 0 { 3_240_000 } else { 3_960_000 };
        assert_eq!(session.pause(), longest);
    }
}

#[test]
fn a_server_says_how_long_the_pauses_get_and_no_server_how_short() {
    let longest = |limit: u32| {
        let mut session = Session::with_jitter(CONFIGURE, 0);
        session.next_packet();
        session.answer(MessageType::Advertise, |packet| {
            packet.options.addresses = None;
            packet.options.prefixes = None;
            packet.options.solicit_limit = Some(limit);
        });
        for _ in 0..15 {
            session.next_packet();
        }
        session.pause()
    };
    assert_eq!(longest(60), 54_000);
    assert_eq!(longest(59), 3_240_000);
    assert_eq!(longest(0), 3_240_000);
    assert_eq!(longest(u32::MAX), 3_240_000);
}

/// RFC 8415 sections 18.2.1 and 18.2.9.
#[test]
fn servers_have_a_second_and_the_most_preferred_one_is_asked() {
    let mut session = Session::new(CONFIGURE);
    session.next_packet();
    for (preference, id) in [(10, server()), (20, other_server()), (20, server())] {
        let outputs = session.answer(MessageType::Advertise, |packet| {
            packet.options.preference = preference;
            packet.options.server_id = Some(id);
        });
        assert_eq!(outputs, []);
    }
    let packet = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Request);
    assert_eq!(packet.options.server_id, Some(other_server()));
}

#[test]
fn a_server_that_wants_to_be_taken_is_taken_at_once_and_so_is_the_first_late_one() {
    let session = Session::requesting(CONFIGURE);
    assert!(matches!(session.lease.state, State::Requesting(..)));
    let mut session = Session::new(CONFIGURE);
    session.next_packet();
    session.next_packet();
    let outputs = session.answer(MessageType::Advertise, |_| {});
    assert_eq!(sent(&outputs).unwrap().message_type, MessageType::Request);
}

/// `REQ_MAX_RC`.
#[test]
fn a_request_without_an_answer_is_given_up_after_ten_packets() {
    let mut session = Session::requesting(CONFIGURE);
    for _ in 0..9 {
        assert_eq!(session.next_packet().message_type, MessageType::Request);
        assert!(session.pause() <= 33_000);
    }
    assert_eq!(session.fire(), []);
    assert_eq!(session.next_packet().message_type, MessageType::Solicit);
}

#[test]
fn leases_for_what_the_claim_has_are_there_once_a_server_says_so() {
    let mut session = Session::requesting(maintain());
    assert_eq!(session.held(), None);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.dns = vec!["fd00:ec2::253".parse().unwrap()];
        packet.options.search = vec!["shop.example".into(), "a b".into()];
    });
    assert_eq!(outputs, [Output::Changed(Change::Obtained)]);
    let held = session.held().unwrap();
    assert_eq!(held.resources, resources(&[ADDRESS], &[prefix()]));
    assert_eq!((held.server, held.dns.len()), (server(), 1));
    assert_eq!(held.search, ["shop.example"]);
}

#[test]
fn in_maintain_what_is_not_the_claims_is_reported_once_and_never_taken() {
    let mut session = Session::new(Mode::Maintain(resources(&[ADDRESS], &[])));
    session.next_packet();
    let theirs = |session: &mut Session| {
        session.answer(MessageType::Advertise, |packet| {
            packet.options.addresses = Some(association(&[OTHER_ADDRESS.into()]));
            packet.options.prefixes = None;
        })
    };
    assert_eq!(theirs(&mut session), [Output::Changed(Change::Differs)]);
    assert_eq!(theirs(&mut session), [], "it is known");
    let differing = resources(&[OTHER_ADDRESS], &[]);
    assert_eq!(session.lease.differing, Some(differing.clone()));
    assert_eq!(session.next_packet().message_type, MessageType::Solicit);
    // One that knows better is heard all the same, and what it adds is not taken, either.
    session.answer(MessageType::Advertise, |_| {});
    let both = association(&[ADDRESS.into(), OTHER_ADDRESS.into()]);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(both);
        packet.options.prefixes = None;
    });
    assert_eq!(outputs, [Output::Changed(Change::Obtained)]);
    assert_eq!(session.has(), resources(&[ADDRESS], &[]));
    // Nor is it news that something else differs now.
    let outputs = renew(&mut session, |_| {});
    assert_eq!(outputs, [Output::Changed(Change::Renewed)]);
    assert_eq!(session.lease.differing, Some(differing));
    renew(&mut session, |packet| packet.options.prefixes = None);
    assert_eq!(session.lease.differing, None);
}

fn renew(session: &mut Session, change: impl FnOnce(&mut Packet)) -> Vec<Output> {
    session.next_packet();
    session.answer(MessageType::Reply, change)
}

#[test]
fn a_server_that_adds_the_same_to_every_renewal_is_no_news() {
    let mut session = Session::new(Mode::Maintain(resources(&[ADDRESS], &[])));
    session.next_packet();
    session.answer(MessageType::Advertise, |packet| {
        packet.options.preference = 255;
    });
    session.answer(MessageType::Reply, |_| {});
    for _ in 0..3 {
        let outputs = renew(&mut session, |_| {});
        assert_eq!(outputs, [Output::Changed(Change::Renewed)]);
    }
}

#[test]
fn in_configure_each_address_is_probed_before_it_is_used() {
    let mut session = Session::requesting(Mode::Configure { prefixes: true });
    let both = association(&[ADDRESS.into(), OTHER_ADDRESS.into()]);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(both);
    });
    assert_eq!(
        outputs,
        [
            Output::Probe(ADDRESS),
            Output::Probe(OTHER_ADDRESS),
            Output::Changed(Change::Obtained)
        ]
    );
    assert_eq!(
        session.has(),
        resources(&[], &[prefix()]),
        "a prefix needs no probe"
    );
    let outputs = session.input(Input::Free(ADDRESS));
    assert_eq!(outputs, [Output::Changed(Change::Altered)]);
    assert_eq!(session.has(), resources(&[ADDRESS], &[prefix()]));
    assert_eq!(
        session.fire(),
        [Output::Probe(OTHER_ADDRESS)],
        "nobody said how it ended"
    );
    session.input(Input::Free(OTHER_ADDRESS));
    assert_eq!(
        session.has(),
        resources(&[ADDRESS, OTHER_ADDRESS], &[prefix()])
    );
    assert!(matches!(session.lease.state, State::Bound(_)));
}

#[test]
fn an_address_of_another_host_is_declined_and_what_else_is_leased_stays() {
    let mut session = Session::requesting(Mode::Configure { prefixes: true });
    session.answer(MessageType::Reply, |_| {});
    let outputs = session.input(Input::Conflict(ADDRESS));
    let packet = sent(&outputs).unwrap();
    assert_eq!(packet.message_type, MessageType::Decline);
    assert_eq!(packet.options.server_id, Some(server()));
    assert_eq!(
        hint(packet.options.addresses.as_ref()),
        Some(vec![ADDRESS.into()])
    );
    assert_eq!(packet.options.prefixes, None);
    assert!(matches!(session.lease.state, State::Bound(_)));
    assert_eq!(session.has(), resources(&[], &[prefix()]));

    let mut session = Session::requesting(CONFIGURE);
    session.answer(MessageType::Reply, |_| {});
    assert!(sent(&session.input(Input::Conflict(ADDRESS))).is_some());
    assert!(session.pause() >= DECLINE_PAUSE);
    let packet = session.next_packet();
    assert_eq!(hint(packet.options.addresses.as_ref()), Some(vec![]));
}

#[test]
fn in_maintain_nobody_takes_an_address_away_by_answering_for_it() {
    let mut session = Session::bound(maintain());
    assert_eq!(session.input(Input::Conflict(ADDRESS)), []);
    assert!(session.has().addresses.contains(&ADDRESS));
}

#[test]
fn a_server_that_has_nothing_is_not_taken() {
    let mut session = Session::new(CONFIGURE);
    session.next_packet();
    let outputs = session.answer(MessageType::Advertise, |packet| {
        packet.options.addresses = Some(Association {
            status: Status::NothingAvailable,
            ..Association::default()
        });
    });
    assert_eq!(outputs, ignored(Ignored::Incomplete));
    assert_eq!(session.next_packet().message_type, MessageType::Solicit);
}

#[test]
fn who_refuses_everything_is_asked_less_and_less() {
    let mut session = Session::new(CONFIGURE);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        session.next_packet();
        session.answer(MessageType::Advertise, |packet| {
            packet.options.preference = 255;
        });
        let outputs = session.answer(MessageType::Reply, |packet| {
            packet.options.status = Status::Failure;
        });
        assert_eq!(outputs, [], "there was no lease");
        pauses.push(session.pause().div_ceil(1_000));
    }
    assert_eq!(pauses, [4, 8, 16, 32, 64, 64]);
}

#[test]
fn without_an_address_of_its_own_a_claim_gets_information_only() {
    let mut session = Session::new(Mode::Maintain(Resources::default()));
    let packet = session.next_packet();
    assert_eq!(packet.message_type, MessageType::InformationRequest);
    assert_eq!(
        (packet.options.addresses, packet.options.prefixes),
        (None, None)
    );
    for option in [23, 24, 32, 56, 83] {
        assert!(packet.options.option_request.contains(&option), "{option}");
    }
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.dns = vec!["fd00:ec2::253".parse().unwrap()];
    });
    assert_eq!(outputs, [Output::Changed(Change::Obtained)]);
    let held = session.held().unwrap();
    assert!(held.resources.is_empty(), "what it adds is not taken");
    assert_eq!(held.dns.len(), 1);
    // Once a day, and what is known stays known meanwhile.
    assert!(session.pause() > 80_000_000);
    session.next_packet();
    assert_eq!(session.held(), Some(held));
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.refresh_time = Some(1);
    });
    assert_eq!(outputs, [Output::Changed(Change::Altered)]);
    assert!(session.pause() > 500_000, "not sooner than the RFC allows");
}
