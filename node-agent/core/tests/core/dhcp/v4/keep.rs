//! A lease that is there: renewed, rebound, lost, given back.

use std::net::Ipv4Addr;

use node_agent_core::dhcp::{
    Change, Ignored, Loss,
    v4::{Input, LEAST_RENEWAL_PAUSE, MessageType, Mode, Output, State, Term, To},
};

use super::session::{
    ADDRESS, HOUR, MAINTAIN, OTHER_ADDRESS, OTHER_SERVER, SERVER, Session, change, ignored, sent,
};

const MINUTE: u64 = 60_000;
const UNICAST: To = To::Server {
    from: ADDRESS,
    to: SERVER,
};

/// One whose server is silent since T1.
fn renewing() -> Session {
    let mut session = Session::bound(MAINTAIN);
    session.next_packet();
    session
}

/// One whose server is silent until T2.
fn rebinding() -> Session {
    let mut session = renewing();
    while !matches!(session.lease.state, State::Rebinding(..)) {
        session.fire();
    }
    session
}

#[test]
fn at_t1_its_server_is_asked_and_at_t2_any() {
    let mut session = Session::bound(MAINTAIN);
    let obtained = session.now;
    let (packet, to) = session.next_packet();
    // Half of an hour, and up to a sixteenth of that sooner.
    assert!((28 * MINUTE..=30 * MINUTE).contains(&(session.now - obtained)));
    assert_eq!((packet.message_type, to), (MessageType::Request, UNICAST));
    assert_eq!((packet.ciaddr, packet.broadcast), (ADDRESS, false));
    assert_eq!(packet.options.requested_address, None);
    assert_eq!(packet.options.server, None);

    let mut session = rebinding();
    let (packet, to) = session.next_packet();
    assert_eq!(
        (packet.message_type, to),
        (MessageType::Request, To::Everybody)
    );
    assert_eq!((packet.ciaddr, packet.broadcast), (ADDRESS, false));
    assert_eq!(packet.options.server, None);
}

/// RFC 2131 section 4.4.5.
#[test]
fn a_renewal_is_repeated_after_half_of_what_remains_and_not_within_a_minute() {
    let mut session = renewing();
    let State::Renewing(_, binding) = session.lease.state.clone() else {
        panic!("{:?}", session.lease)
    };
    let (t2, end) = (
        binding.term.rebind_at().unwrap().0,
        binding.term.expires_at().unwrap().0,
    );
    let mut rebound = false;
    while session.now < end {
        let limit = if rebound { end } else { t2 };
        let expected = ((limit - session.now) / 2).max(LEAST_RENEWAL_PAUSE);
        assert_eq!(session.pause(), expected.min(limit - session.now));
        session.fire();
        rebound |= session.now == t2;
    }
    assert!(rebound);
    assert_eq!(session.held(), None);
}

#[test]
fn a_renewal_that_changes_nothing_is_no_news() {
    let mut session = renewing();
    let outputs = session.answer(MessageType::Ack, |_| {});
    assert_eq!(outputs, [Output::Changed(Change::Renewed)]);
    assert!(session.pause() > 28 * MINUTE);
}

#[test]
fn a_renewal_that_says_something_else_is_news() {
    let dns = Ipv4Addr::new(10, 0, 0, 2);
    let mut session = renewing();
    let outputs = session.answer(MessageType::Ack, |packet| packet.options.dns = vec![dns]);
    assert_eq!(outputs, [Output::Changed(Change::Altered)]);
    assert_eq!(session.held().unwrap().dns, [dns]);
}

#[test]
fn a_renewed_address_is_not_probed_again() {
    let mut session = Session::bound(Mode::Configure);
    session.next_packet();
    let outputs = session.answer(MessageType::Ack, |_| {});
    assert_eq!(outputs, [Output::Changed(Change::Renewed)]);
}

#[test]
fn another_server_may_prolong_a_lease_only_after_t2() {
    let theirs = |session: &mut Session| {
        session.answer(MessageType::Ack, |packet| {
            packet.options.server = Some(OTHER_SERVER);
        })
    };
    assert_eq!(theirs(&mut renewing()), ignored(Ignored::OtherServer));
    let mut session = rebinding();
    assert_eq!(theirs(&mut session), [Output::Changed(Change::Altered)]);
    let (_, to) = session.next_packet();
    let to_it = To::Server {
        from: ADDRESS,
        to: OTHER_SERVER,
    };
    assert_eq!(to, to_it);
}

#[test]
fn a_server_does_not_exchange_the_address_of_a_lease() {
    for mut session in [renewing(), rebinding()] {
        let outputs = session.answer(MessageType::Ack, |packet| packet.yiaddr = OTHER_ADDRESS);
        assert_eq!(outputs, ignored(Ignored::OtherAddress));
    }
}

#[test]
fn a_refused_lease_is_gone_at_once() {
    for mut session in [renewing(), rebinding()] {
        let outputs = session.answer(MessageType::Nak, |_| {});
        assert_eq!(outputs, [Output::Changed(Change::Lost(Loss::Refused))]);
        assert_eq!(session.held(), None);
        let (packet, _) = session.next_packet();
        assert_eq!(packet.message_type, MessageType::Discover);
    }
    let outputs = renewing().answer(MessageType::Nak, |packet| {
        packet.options.server = Some(OTHER_SERVER);
    });
    assert_eq!(outputs, ignored(Ignored::OtherServer));
}

#[test]
fn a_lease_that_nobody_prolongs_ends_and_is_asked_for_again() {
    let mut session = rebinding();
    let lost = loop {
        if let Some(change) = change(&session.fire()) {
            break change;
        }
    };
    assert_eq!(lost, Change::Lost(Loss::Expired));
    assert_eq!(session.held(), None);
    let (packet, _) = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Discover);
    assert_eq!(packet.options.requested_address, Some(ADDRESS));
    session.answer(MessageType::Offer, |_| {});
    session.answer(MessageType::Ack, |_| {});
    assert!(session.held().is_some());
}

#[test]
fn what_is_over_is_not_held_however_late_the_timer_is() {
    let mut session = Session::bound(Mode::Configure);
    let obtained = session.now;
    session.now = obtained + u64::from(HOUR) * 1_000 - 1;
    assert!(session.held().is_some());
    session.now += 1;
    assert_eq!(session.held(), None);
    // Nor does an answer bring it back that comes before the timer.
    session.now = obtained;
    session.next_packet();
    session.now = obtained + u64::from(HOUR) * 1_000;
    let outputs = session.answer(MessageType::Ack, |_| {});
    assert_eq!(change(&outputs), Some(Change::Lost(Loss::Expired)));
    assert_eq!(session.held(), None);
}

#[test]
fn a_machine_that_slept_does_next_what_is_due_then() {
    let slept = |minutes: u64| {
        let mut session = Session::bound(MAINTAIN);
        session.now += minutes * MINUTE;
        let outputs = session.input(Input::Timer);
        (sent(&outputs).map(|(_, to)| to), change(&outputs))
    };
    assert_eq!(slept(20), (None, None));
    assert_eq!(slept(40), (Some(UNICAST), None));
    assert_eq!(slept(55), (Some(To::Everybody), None));
    assert_eq!(slept(600), (None, Some(Change::Lost(Loss::Expired))));
}

#[test]
fn a_lease_for_ever_needs_no_timer() {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    session.answer(MessageType::Ack, |packet| {
        packet.options.lease_time = Some(u32::MAX);
    });
    assert_eq!(session.lease.wake_at(), None);
    session.now = u64::MAX;
    assert!(session.held().is_some());
}

#[test]
fn times_of_the_server_count_where_they_are_possible() {
    // Lease, T1, T2 of the server; T1 and T2 as they are without a random part, in seconds.
    let cases = [
        ((3_600, None, None), (1_800, 3_150)),
        ((3_600, Some(600), Some(1_200)), (600, 1_200)),
        ((3_600, Some(600), None), (600, 3_150)),
        ((3_600, None, Some(2_000)), (1_800, 2_000)),
        ((3_600, Some(0), Some(0)), (1_800, 3_150)),
        ((3_600, Some(1), Some(2)), (1_800, 3_150)),
        ((3_600, Some(1_200), Some(1_200)), (1_800, 3_150)),
        ((3_600, Some(3_000), Some(2_000)), (1_800, 3_150)),
        ((3_600, Some(1_800), Some(3_600)), (1_800, 3_150)),
        ((3_600, Some(u32::MAX), Some(u32::MAX)), (1_800, 3_150)),
        ((u32::MAX - 1, None, None), (2_147_483_647, 3_758_096_382)),
        ((80, None, None), (40, 70)),
    ];
    for ((lease, t1, t2), (renew, rebind)) in cases {
        let mut session = Session::new(MAINTAIN);
        session.jitter = 0;
        session.next_packet();
        session.answer(MessageType::Offer, |_| {});
        session.answer(MessageType::Ack, |packet| {
            packet.options.lease_time = Some(lease);
            packet.options.renewal_time = t1;
            packet.options.rebinding_time = t2;
        });
        let State::Bound(binding) = &session.lease.state else {
            panic!("{:?}", session.lease)
        };
        let Term::Until {
            renew_at,
            rebind_at,
            expires_at,
        } = binding.term
        else {
            panic!("{binding:?}")
        };
        let secs = [renew_at, rebind_at, expires_at].map(|time| (time.0 - session.now) / 1_000);
        assert_eq!(
            secs,
            [renew, rebind, u64::from(lease)],
            "{lease} {t1:?} {t2:?}"
        );
    }
}

#[test]
fn a_lease_is_given_back_to_its_server_and_never_asked_for_again() {
    let with_a_lease = [
        Session::bound(MAINTAIN),
        Session::bound(Mode::Configure),
        renewing(),
        rebinding(),
    ];
    for mut session in with_a_lease {
        let outputs = session.input(Input::Release);
        let (packet, to) = sent(&outputs).unwrap();
        assert_eq!((packet.message_type, to), (MessageType::Release, UNICAST));
        assert_eq!((packet.secs, packet.ciaddr), (0, ADDRESS));
        assert_eq!(packet.options.server, Some(SERVER));
        assert_eq!(packet.options.requested_address, None);
        assert_eq!(change(&outputs), Some(Change::Lost(Loss::Released)));
        assert_eq!((session.held(), session.lease.wake_at()), (None, None));
        assert_eq!(session.input(Input::Release), [], "once");
    }
}

#[test]
fn without_a_lease_there_is_nothing_to_give_back() {
    let mut session = Session::new(Mode::Configure);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    assert_eq!(session.input(Input::Release), []);
    assert_eq!(session.lease.wake_at(), None);
}
