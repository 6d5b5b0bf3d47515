//! Leases that are there: renewed, rebound, lost, given back.

use node_agent_core::dhcp::{
    BootTime, Change, Ignored, Loss,
    v6::{Association, Input, Leased, MessageType, Mode, Output, Packet, State, Status},
};

use super::session::{
    ADDRESS, CONFIGURE, OTHER_ADDRESS, Session, association, change, ignored, maintain,
    other_server, prefix, resources, sent, server,
};

/// One whose server is silent since T1.
fn renewing(mode: Mode) -> Session {
    let mut session = Session::bound(mode);
    session.next_packet();
    session
}

/// One whose server is silent until T2.
fn rebinding(mode: Mode) -> Session {
    let mut session = renewing(mode);
    while !matches!(session.lease.state, State::Rebinding(..)) {
        session.fire();
    }
    session
}

fn with_lifetimes(preferred: u32, valid: u32) -> Association {
    Association {
        leased: vec![Leased {
            net: ADDRESS.into(),
            preferred,
            valid,
        }],
        ..association(&[])
    }
}

#[test]
fn at_t1_its_server_is_asked_and_at_t2_any() {
    let mut session = Session::bound(maintain());
    let obtained = session.now;
    let packet = session.next_packet();
    assert!((65_000..=70_000).contains(&(session.now - obtained)));
    assert_eq!(packet.message_type, MessageType::Renew);
    assert_eq!(packet.options.server_id, Some(server()));
    assert!(packet.options.addresses.is_some() && packet.options.prefixes.is_some());
    let mut session = rebinding(maintain());
    assert!((105_000..=112_000).contains(&(session.now - obtained)));
    let packet = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Rebind);
    assert_eq!(packet.options.server_id, None);
}

/// `REN_TIMEOUT`, `REN_MAX_RT`.
#[test]
fn a_renewal_is_repeated_after_10_seconds_and_then_twice_as_late_each_time() {
    let mut session = renewing(CONFIGURE);
    assert!((9_000..=11_000).contains(&session.pause()));
    session.next_packet();
    assert!((18_000..=22_000).contains(&session.pause()));
}

#[test]
fn a_renewal_that_changes_nothing_is_no_news_and_one_that_does_is() {
    let mut session = renewing(maintain());
    let outputs = session.answer(MessageType::Reply, |_| {});
    assert_eq!(outputs, [Output::Changed(Change::Renewed)]);
    session.next_packet();
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.dns = vec![ADDRESS];
    });
    assert_eq!(outputs, [Output::Changed(Change::Altered)]);
}

#[test]
fn what_a_renewal_does_not_name_stays_and_what_it_names_with_no_lifetime_goes() {
    let mut session = renewing(Mode::Configure { prefixes: true });
    session.answer(MessageType::Reply, |packet| packet.options.prefixes = None);
    assert_eq!(session.has(), resources(&[ADDRESS], &[prefix()]));
    session.next_packet();
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(with_lifetimes(0, 0));
    });
    assert_eq!(outputs, [Output::Changed(Change::Altered)]);
    assert_eq!(session.has(), resources(&[], &[prefix()]));
}

#[test]
fn a_server_that_takes_back_everything_ends_the_lease() {
    let mut session = renewing(CONFIGURE);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(with_lifetimes(0, 0));
    });
    assert_eq!(outputs, [Output::Changed(Change::Lost(Loss::Refused))]);
}

#[test]
fn an_address_that_comes_with_a_renewal_is_probed_and_the_others_stay() {
    let mut session = renewing(CONFIGURE);
    let both = association(&[ADDRESS.into(), OTHER_ADDRESS.into()]);
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(both);
    });
    let renewed = Output::Changed(Change::Renewed);
    assert_eq!(outputs, [Output::Probe(OTHER_ADDRESS), renewed]);
    assert_eq!(session.has(), resources(&[ADDRESS], &[]));
    let outputs = session.input(Input::Free(OTHER_ADDRESS));
    assert_eq!(change(&outputs), Some(Change::Altered));
    assert_eq!(session.has(), resources(&[ADDRESS, OTHER_ADDRESS], &[]));
}

#[test]
fn another_server_may_prolong_a_lease_only_after_t2() {
    let theirs = |session: &mut Session| {
        session.answer(MessageType::Reply, |packet| {
            packet.options.server_id = Some(other_server());
        })
    };
    assert_eq!(
        theirs(&mut renewing(maintain())),
        ignored(Ignored::OtherServer)
    );
    let mut session = rebinding(maintain());
    assert_eq!(theirs(&mut session), [Output::Changed(Change::Altered)]);
    let packet = session.next_packet();
    assert_eq!(packet.options.server_id, Some(other_server()));
}

#[test]
fn a_server_that_does_not_know_the_lease_ends_it() {
    for mut session in [renewing(CONFIGURE), rebinding(CONFIGURE)] {
        let outputs = session.answer(MessageType::Reply, |packet| {
            packet.options.addresses = Some(Association {
                status: Status::NoBinding,
                ..Association::default()
            });
        });
        assert_eq!(outputs, [Output::Changed(Change::Lost(Loss::Refused))]);
        assert_eq!(session.held(), None);
        assert_eq!(session.next_packet().message_type, MessageType::Solicit);
    }
}

#[test]
fn a_server_that_never_knew_the_lease_does_not_end_it() {
    let mut session = rebinding(CONFIGURE);
    let before = session.lease.clone();
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.server_id = Some(other_server());
        packet.options.status = Status::NoBinding;
    });
    assert_eq!(outputs, ignored(Ignored::OtherServer));
    assert_eq!(session.lease, before);
}

#[test]
fn a_server_that_fails_for_the_moment_is_asked_again() {
    let mut session = renewing(CONFIGURE);
    let before = session.lease.clone();
    let outputs = session.answer(MessageType::Reply, |packet| {
        packet.options.status = Status::Failure;
    });
    assert_eq!(outputs, ignored(Ignored::Incomplete));
    assert_eq!(session.lease, before);
}

#[test]
fn leases_that_nobody_prolongs_end_and_are_asked_for_again() {
    let mut session = rebinding(CONFIGURE);
    let lost = loop {
        if let Some(change) = change(&session.fire()) {
            break change;
        }
    };
    assert_eq!(lost, Change::Lost(Loss::Expired));
    assert_eq!(session.held(), None);
    let packet = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Solicit);
    let hint = packet.options.addresses.unwrap().leased;
    assert_eq!(hint.first().map(|leased| leased.net), Some(ADDRESS.into()));
}

#[test]
fn what_ends_first_goes_first() {
    let mut session = Session::requesting(Mode::Configure { prefixes: true });
    session.answer(MessageType::Reply, |packet| {
        packet.options.addresses = Some(with_lifetimes(140, 200));
    });
    session.input(Input::Free(ADDRESS));
    let obtained = session.now;
    while session.now < obtained + 200_000 {
        session.fire();
    }
    assert_eq!(session.has(), resources(&[], &[prefix()]));
    assert!(matches!(session.lease.state, State::Rebinding(..)));
}

#[test]
fn what_is_over_is_not_held_however_late_the_timer_is() {
    let mut session = Session::bound(maintain());
    let obtained = session.now;
    session.now = obtained + 449_999;
    assert!(session.held().is_some());
    session.now += 1;
    assert_eq!(session.held(), None);
    // Nor does an answer bring it back that comes before the timer.
    session.now = obtained;
    session.next_packet();
    session.now = obtained + 450_000;
    let outputs = session.answer(MessageType::Reply, |_| {});
    assert_eq!(change(&outputs), Some(Change::Lost(Loss::Expired)));
    assert_eq!(session.held(), None);
}

#[test]
fn lifetimes_count_from_the_first_packet() {
    let mut session = Session::requesting(maintain());
    let asked = session.now;
    session.next_packet();
    session.answer(MessageType::Reply, |_| {});
    assert!(session.lease.held(BootTime(asked + 449_999)).is_some());
    assert_eq!(session.lease.held(BootTime(asked + 450_000)), None);
}

#[test]
fn a_machine_that_slept_does_next_what_is_due_then() {
    let slept = |secs: u64| {
        let mut session = Session::bound(maintain());
        session.now += secs * 1_000;
        let outputs = session.input(Input::Timer);
        let packet = sent(&outputs).map(|packet| packet.message_type);
        (packet, change(&outputs))
    };
    assert_eq!(slept(30), (None, None));
    assert_eq!(slept(90), (Some(MessageType::Renew), None));
    assert_eq!(slept(300), (Some(MessageType::Rebind), None));
    assert_eq!(slept(3_000), (None, Some(Change::Lost(Loss::Expired))));
}

/// Cases: A09.
#[test]
fn times_of_the_server_count_where_they_are_possible() {
    const FOREVER: u32 = u32::MAX;
    // Preferred, valid, T1, T2; T1 and T2 as they are without a random part, in seconds.
    let cases = [
        ((140, 450, 70, 112), (Some(70), Some(112))),
        ((140, 450, 0, 0), (Some(70), Some(112))),
        ((0, 450, 0, 0), (Some(225), Some(360))),
        ((140, 450, 1, 2), (Some(70), Some(112))),
        ((140, 450, 500, 600), (Some(70), Some(112))),
        ((140, 450, FOREVER, FOREVER), (Some(70), Some(112))),
        ((2, 450, 0, 0), (Some(5), Some(5))),
        ((FOREVER, FOREVER, 0, 0), (None, None)),
        ((FOREVER, FOREVER, 100, 200), (Some(100), Some(200))),
        ((140, FOREVER, FOREVER, FOREVER), (None, None)),
    ];
    for ((preferred, valid, t1, t2), expected) in cases {
        let mut session = Session::requesting(Mode::Maintain(resources(&[ADDRESS], &[])));
        session.jitter = 0;
        session.answer(MessageType::Reply, |packet| {
            packet.options.addresses = Some(Association {
                renewal_time: t1,
                rebinding_time: t2,
                ..with_lifetimes(preferred, valid)
            });
            packet.options.prefixes = None;
        });
        let State::Bound(binding) = &session.lease.state else {
            panic!("{:?}", session.lease)
        };
        let secs = |time: Option<BootTime>| time.map(|time| (time.0 - session.now) / 1_000);
        let times = (secs(binding.renew_at), secs(binding.rebind_at));
        assert_eq!(times, expected, "{preferred} {valid} {t1} {t2}");
    }
}

#[test]
fn leases_are_given_back_to_their_server_and_never_asked_for_again() {
    let with_leases = [
        Session::bound(maintain()),
        renewing(maintain()),
        rebinding(maintain()),
    ];
    for mut session in with_leases {
        let outputs = session.input(Input::Release);
        let Packet {
            message_type,
            options,
            ..
        } = sent(&outputs).unwrap();
        assert_eq!(message_type, MessageType::Release);
        assert_eq!(options.server_id, Some(server()));
        assert!(options.addresses.is_some() && options.prefixes.is_some());
        assert_eq!(change(&outputs), Some(Change::Lost(Loss::Released)));
        assert_eq!((session.held(), session.lease.wake_at()), (None, None));
        assert_eq!(session.input(Input::Release), [], "once");
    }
    let mut session = Session::requesting(maintain());
    assert_eq!(session.input(Input::Release), []);
}
