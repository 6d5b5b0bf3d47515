//! Restarts: of the agent, of the link, of the machine, and other claims.

use std::collections::BTreeSet;

use node_agent_core::dhcp::{
    Boot, Change, Loss,
    v6::{Input, LATEST_START, MessageType, Mode, Output, Resources, SOONEST_START, State, Status},
};

use super::session::{
    ADDRESS, CONFIGURE, OTHER_ADDRESS, Session, change, maintain, prefix, resources, sent,
};

/// A session in each state that waits for something, by name.
fn in_each_state(mode: &Mode) -> Vec<(&'static str, Session)> {
    let init = Session::new(mode.clone());
    let mut soliciting = init.clone();
    soliciting.next_packet();
    soliciting.next_packet();
    let bound = Session::bound(mode.clone());
    let mut confirming = bound.clone();
    confirming.input(Input::LinkRestarted);
    confirming.next_packet();
    let mut renewing = bound.clone();
    renewing.next_packet();
    let mut rebinding = renewing.clone();
    while !matches!(rebinding.lease.state, State::Rebinding(..)) {
        rebinding.fire();
    }
    let mut informing = Session::new(Mode::Maintain(Resources::default()));
    informing.next_packet();
    let mut informed = informing.clone();
    informed.answer(MessageType::Reply, |_| {});
    vec![
        ("init", init),
        ("soliciting", soliciting),
        ("requesting", Session::requesting(mode.clone())),
        ("bound", bound),
        ("confirming", confirming),
        ("renewing", renewing),
        ("rebinding", rebinding),
        ("informing", informing),
        ("informed", informed),
    ]
}

#[test]
fn an_agent_that_restarts_finds_every_lease_as_it_was() {
    for mode in [maintain(), CONFIGURE] {
        for (name, mut session) in in_each_state(&mode) {
            let before = session.lease.clone();
            assert_eq!(session.input(Input::Resumed(Boot::Same)), [], "{name}");
            assert_eq!(session.lease, before, "{name}");
        }
    }
}

#[test]
fn what_became_due_while_no_agent_ran_is_spread_over_seconds() {
    for (name, session) in in_each_state(&maintain()) {
        let mut wakes = BTreeSet::new();
        for part in 0..10 {
            let mut session = session.clone();
            session.now += session.pause() + 1;
            session.jitter = u32::MAX / 10 * part;
            assert_eq!(session.input(Input::Resumed(Boot::Same)), [], "{name}");
            let pause = session.pause();
            assert!(
                (SOONEST_START..=LATEST_START).contains(&pause),
                "{name}: {pause}"
            );
            wakes.insert(pause);
        }
        assert_eq!(wakes.len(), 10, "{name}");
    }
}

#[test]
fn restarts_in_a_row_make_nobody_ask_more_often() {
    for (name, session) in in_each_state(&maintain()) {
        let count = |mut session: Session, restarts: bool| {
            let (end, mut packets) = (session.now + 600_000, 0);
            while session.lease.wake_at().is_some_and(|wake| wake.0 < end) {
                if restarts {
                    session.now += session.pause() / 2;
                    session.input(Input::Resumed(Boot::Same));
                }
                packets += usize::from(sent(&session.fire()).is_some());
            }
            packets
        };
        let (calm, restarted) = (count(session.clone(), false), count(session, true));
        assert!(restarted <= calm, "{name}: {restarted} instead of {calm}");
    }
}

#[test]
fn addresses_that_were_being_probed_are_probed_again() {
    let mut session = Session::requesting(CONFIGURE);
    session.answer(MessageType::Reply, |_| {});
    let outputs = session.input(Input::Resumed(Boot::Same));
    assert_eq!(outputs, [Output::Probe(ADDRESS)]);
}

#[test]
fn after_a_boot_what_was_leased_is_asked_for_and_not_used_before() {
    let mut session = Session::bound(Mode::Configure { prefixes: true });
    session.now = 5_000;
    session.input(Input::Resumed(Boot::Other));
    assert_eq!(session.held(), None);
    let pause = session.pause();
    assert!((SOONEST_START..=LATEST_START).contains(&pause), "{pause}");
    let packet = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Solicit);
    let hints = [packet.options.addresses, packet.options.prefixes];
    let hints = hints.map(|ia| ia.unwrap().leased.first().map(|leased| leased.net));
    assert_eq!(hints, [Some(ADDRESS.into()), Some(prefix())]);
}

/// RFC 8415 sections 18.2.3 and 18.2.12.
#[test]
fn after_the_link_was_down_addresses_are_confirmed_and_prefixes_rebound() {
    let asks = |mode: Mode| {
        let mut session = Session::bound(mode);
        session.input(Input::LinkRestarted);
        let message_type = session.next_packet().message_type;
        assert!(session.held().is_some());
        message_type
    };
    assert_eq!(asks(CONFIGURE), MessageType::Confirm);
    assert_eq!(asks(maintain()), MessageType::Rebind);
}

#[test]
fn addresses_of_another_link_are_lost_and_without_an_answer_they_stay() {
    let mut session = Session::bound(CONFIGURE);
    session.input(Input::LinkRestarted);
    session.next_packet();
    let mut moved = session.clone();
    let outputs = moved.answer(MessageType::Reply, |packet| {
        packet.options.status = Status::NotOnLink;
    });
    assert_eq!(outputs, [Output::Changed(Change::Lost(Loss::Refused))]);
    let mut confirmed = session.clone();
    confirmed.answer(MessageType::Reply, |packet| packet.options.addresses = None);
    assert!(matches!(confirmed.lease.state, State::Bound(_)));
    for _ in 0..3 {
        assert_eq!(session.next_packet().message_type, MessageType::Confirm);
    }
    session.fire();
    assert!(matches!(session.lease.state, State::Bound(_)));
    assert!(session.held().is_some());
}

#[test]
fn a_link_that_blinks_makes_nobody_ask_more_often() {
    for (name, mut session) in in_each_state(&maintain()) {
        let before = session.lease.clone();
        session.input(Input::LinkRestarted);
        if name == "bound" {
            let verifying = session.lease.clone();
            assert!(session.pause() >= SOONEST_START);
            session.input(Input::LinkRestarted);
            assert_eq!(session.lease, verifying);
        } else {
            assert_eq!(session.lease, before, "{name}");
        }
    }
}

#[test]
fn leases_for_what_the_claim_does_not_have_are_given_back() {
    for (name, mut session) in in_each_state(&CONFIGURE) {
        session.client.mode = Mode::Maintain(resources(&[OTHER_ADDRESS], &[]));
        let had = !session.has().is_empty();
        let outputs = session.input(Input::Resumed(Boot::Same));
        let released = sent(&outputs).map(|packet| packet.message_type);
        assert_eq!(released, had.then_some(MessageType::Release), "{name}");
        let lost = had.then_some(Change::Lost(Loss::Unwanted));
        assert_eq!(change(&outputs), lost, "{name}");
        while !matches!(session.lease.state, State::Soliciting(..)) {
            session.fire();
        }
    }
}

#[test]
fn a_claim_that_has_nothing_any_more_gets_information() {
    for (name, mut session) in in_each_state(&maintain()) {
        session.client.mode = Mode::Maintain(Resources::default());
        session.input(Input::Resumed(Boot::Same));
        while !matches!(session.lease.state, State::Informing(..)) {
            session.fire();
        }
        session.answer(MessageType::Reply, |_| {});
        assert!(session.held().is_some(), "{name}");
    }
}

#[test]
fn what_was_released_stays_released_through_every_restart() {
    let mut session = Session::bound(maintain());
    session.input(Input::Release);
    for input in [
        Input::Resumed(Boot::Same),
        Input::Resumed(Boot::Other),
        Input::LinkRestarted,
        Input::Timer,
    ] {
        assert_eq!(session.input(input), []);
        assert_eq!(session.lease.state, State::Released);
    }
}
