//! Restarts: of the agent, of all agents, of the link, of the machine.

use std::collections::BTreeSet;

use node_agent_core::dhcp::{
    Boot, BootTime, Change, Loss,
    v4::{Input, LATEST_START, Lease, MessageType, Mode, Offer, Output, SOONEST_START, State, To},
};

use super::session::{ADDRESS, MAINTAIN, OTHER_ADDRESS, SERVER, Session, change, sent};

/// A session in each state that waits for something, by name.
fn in_each_state(mode: Mode) -> Vec<(&'static str, Session)> {
    let init = Session::new(mode);
    let mut selecting = init.clone();
    selecting.next_packet();
    selecting.next_packet();
    let mut requesting = selecting.clone();
    requesting.answer(MessageType::Offer, |_| {});
    let bound = Session::bound(mode);
    let mut rebooting = bound.clone();
    rebooting.input(Input::LinkRestarted);
    rebooting.next_packet();
    let mut renewing = bound.clone();
    renewing.next_packet();
    let mut rebinding = renewing.clone();
    while !matches!(rebinding.lease.state, State::Rebinding(..)) {
        rebinding.fire();
    }
    let mut refused = renewing.clone();
    refused.answer(MessageType::Nak, |_| {});
    vec![
        ("init", init),
        ("selecting", selecting),
        ("requesting", requesting),
        ("rebooting", rebooting),
        ("bound", bound),
        ("renewing", renewing),
        ("rebinding", rebinding),
        ("refused", refused),
    ]
}

#[test]
fn an_agent_that_restarts_finds_every_lease_as_it_was() {
    for mode in [MAINTAIN, Mode::Configure] {
        for (name, mut session) in in_each_state(mode) {
            let before = session.lease.clone();
            assert_eq!(session.input(Input::Resumed(Boot::Same)), [], "{name}");
            assert_eq!(session.lease, before, "{name}");
        }
    }
}

#[test]
fn an_answer_to_the_agent_before_the_restart_is_taken_after_it() {
    let mut session = Session::new(MAINTAIN);
    session.next_packet();
    session.input(Input::Resumed(Boot::Same));
    session.answer(MessageType::Offer, |_| {});
    session.input(Input::Resumed(Boot::Same));
    session.answer(MessageType::Ack, |_| {});
    assert!(session.held().is_some());
}

#[test]
fn what_became_due_while_no_agent_ran_is_spread_over_seconds() {
    for (name, session) in in_each_state(MAINTAIN) {
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
    for (name, session) in in_each_state(MAINTAIN) {
        let mut calm = session.clone();
        let mut restarted = session;
        let count = |session: &mut Session, restarts: bool| {
            let (end, mut packets) = (session.now + 600_000, 0);
            while session.lease.wake_at().is_some_and(|wake| wake.0 < end) {
                if restarts {
                    session.now += session.pause() / 2;
                    assert_eq!(session.input(Input::Resumed(Boot::Same)), []);
                }
                packets += usize::from(sent(&session.fire()).is_some());
            }
            packets
        };
        let (calm, restarted) = (count(&mut calm, false), count(&mut restarted, true));
        assert!(restarted <= calm, "{name}: {restarted} instead of {calm}");
    }
}

#[test]
fn a_whole_daemon_set_that_restarts_discovers_nothing() {
    for part in 0..300 {
        let mut session = Session::bound(MAINTAIN);
        session.jitter = u32::MAX / 300 * part;
        // All of them are overdue for their renewal.
        session.now += 1_900_000;
        assert_eq!(session.input(Input::Resumed(Boot::Same)), []);
        let (packet, to) = session.next_packet();
        let server = To::Server {
            from: ADDRESS,
            to: SERVER,
        };
        assert_eq!((packet.message_type, to), (MessageType::Request, server));
    }
}

#[test]
fn a_lease_that_ended_while_no_agent_ran_is_lost_at_the_start() {
    let mut session = Session::bound(Mode::Configure);
    session.now += 3_600_000;
    let outputs = session.input(Input::Resumed(Boot::Same));
    assert_eq!(outputs, [Output::Changed(Change::Lost(Loss::Expired))]);
}

#[test]
fn an_address_that_was_being_probed_is_probed_again() {
    let mut session = Session::new(Mode::Configure);
    session.next_packet();
    session.answer(MessageType::Offer, |_| {});
    session.answer(MessageType::Ack, |_| {});
    let outputs = session.input(Input::Resumed(Boot::Same));
    assert_eq!(outputs, [Output::Probe(ADDRESS)]);
    session.input(Input::Free(ADDRESS));
    assert!(session.held().is_some());
}

/// INIT-REBOOT (RFC 2131 section 3.2).
#[test]
fn after_a_boot_the_address_is_asked_for_and_not_used_before() {
    for mode in [MAINTAIN, Mode::Configure] {
        let mut session = Session::bound(mode);
        // The clock began anew.
        session.now = 5_000;
        session.input(Input::Resumed(Boot::Other));
        assert_eq!(session.held(), None);
        let pause = session.pause();
        assert!((SOONEST_START..=LATEST_START).contains(&pause), "{pause}");
        let (packet, to) = session.next_packet();
        assert_eq!(
            (packet.message_type, to),
            (MessageType::Request, To::Everybody)
        );
        assert_eq!(packet.options.requested_address, Some(ADDRESS));
        assert_eq!(packet.options.server, None);
        assert!(packet.ciaddr.is_unspecified());
        session.answer(MessageType::Ack, |_| {});
        session.input(Input::Free(ADDRESS));
        assert!(session.held().is_some());
    }
}

#[test]
fn after_a_boot_without_an_answer_the_client_discovers() {
    let mut session = Session::bound(MAINTAIN);
    session.now = 5_000;
    session.input(Input::Resumed(Boot::Other));
    for _ in 0..4 {
        let (packet, _) = session.next_packet();
        assert_eq!(packet.message_type, MessageType::Request);
    }
    let (packet, _) = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Discover);
}

#[test]
fn after_a_boot_a_refused_address_is_forgotten() {
    let mut session = Session::bound(Mode::Configure);
    session.input(Input::Resumed(Boot::Other));
    session.next_packet();
    assert_eq!(session.answer(MessageType::Nak, |_| {}), []);
    let (packet, _) = session.next_packet();
    assert_eq!(packet.message_type, MessageType::Discover);
    assert_eq!(packet.options.requested_address, None);
}

#[test]
fn a_link_that_was_down_makes_the_client_verify_its_lease_and_keep_it_meanwhile() {
    let mut session = Session::bound(Mode::Configure);
    assert_eq!(session.input(Input::LinkRestarted), []);
    for _ in 0..4 {
        let (packet, _) = session.next_packet();
        assert_eq!(packet.options.requested_address, Some(ADDRESS));
        assert!(session.held().is_some());
    }
    // Nobody answered: the lease holds until its end.
    assert_eq!(session.fire(), []);
    assert!(matches!(session.lease.state, State::Bound(_)));
    assert!(session.held().is_some());
}

#[test]
fn a_link_that_blinks_makes_nobody_ask_more_often() {
    for (name, mut session) in in_each_state(MAINTAIN) {
        let before = session.lease.clone();
        assert_eq!(session.input(Input::LinkRestarted), [], "{name}");
        if name == "bound" {
            let verifying = session.lease.clone();
            session.now += 500;
            session.input(Input::LinkRestarted);
            assert_eq!(session.lease, verifying);
            assert!(session.pause() + 500 >= SOONEST_START);
        } else {
            assert_eq!(session.lease, before, "{name}");
        }
    }
}

#[test]
fn a_lease_that_is_not_for_the_claims_address_is_given_back() {
    for (name, mut session) in in_each_state(Mode::Configure) {
        session.client.mode = Mode::Maintain(OTHER_ADDRESS);
        let held = session.held().is_some();
        let outputs = session.input(Input::Resumed(Boot::Same));
        let released = sent(&outputs).map(|(packet, _)| packet.message_type);
        assert_eq!(released, held.then_some(MessageType::Release), "{name}");
        let lost = held.then_some(Change::Lost(Loss::Unwanted));
        assert_eq!(change(&outputs), lost, "{name}");
        while !matches!(session.lease.state, State::Selecting(_)) {
            session.fire();
        }
        let offer = session.answer(MessageType::Offer, |packet| packet.yiaddr = OTHER_ADDRESS);
        assert!(sent(&offer).is_some(), "{name}");
    }
}

#[test]
fn an_offer_that_differed_is_no_news_once_the_claim_has_its_address() {
    let mut session = Session::new(MAINTAIN);
    session.lease = Lease {
        differing: Some(Offer {
            address: OTHER_ADDRESS,
            server: SERVER,
        }),
        ..session.lease
    };
    session.input(Input::Resumed(Boot::Same));
    assert!(session.lease.differing.is_some());
    session.client.mode = Mode::Maintain(OTHER_ADDRESS);
    session.input(Input::Resumed(Boot::Same));
    assert_eq!(session.lease.differing, None);
}

#[test]
fn what_was_released_stays_released_through_every_restart() {
    let mut session = Session::bound(MAINTAIN);
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
    assert_eq!(session.lease.held(BootTime(session.now)), None);
}
