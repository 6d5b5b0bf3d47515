//! When a device returns to the host.

use node_agent_core::{
    claim::Place,
    facts::{Liveness, PlugState, Retry},
    plan::{Order, REPORT_ON_HOST_AFTER, Traces, plan},
};

use crate::makers::{
    Knowing, a_claim, a_plug, a_plug_key, a_sandbox, an_agent, an_unreadable_claim, key, mac,
    orders, plugged_place, released, report, saying,
};

fn unplugs(traces: Traces) -> Order {
    Order::Unplug(a_plug_key("c1"), traces)
}

#[test]
fn released_device_returns_before_it_is_given_back() {
    let facts = an_agent()
        .claim(released(a_claim()))
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(orders(&facts, 0), [unplugs(Traces::Remove)]);
}

#[test]
fn device_of_another_attachment_or_eni_of_the_claim_returns() {
    let mut attached_again = a_claim();
    attached_again.attachment.as_mut().unwrap().id = "eni-attach-2".into();
    let mut made_again = a_claim();
    made_again.eni.as_mut().unwrap().mac = "02:00:00:00:00:0b".parse().unwrap();
    for claim in [attached_again, made_again] {
        let facts = an_agent()
            .claim(claim)
            .plug("c1", a_plug(PlugState::Plugged));
        assert_eq!(orders(&facts, 0), [unplugs(Traces::Remove)]);
    }
}

#[test]
fn device_that_came_back_from_a_dead_namespace_is_tidied_and_reported() {
    let claim = saying(a_claim(), plugged_place());
    let mut plug = a_plug(PlugState::Plugged);
    plug.observed.liveness = Liveness::Dead;
    let facts = an_agent()
        .claim(claim.clone())
        .plug("c1", plug)
        .device_on_host();
    assert_eq!(orders(&facts, 0), [unplugs(Traces::Leave)]);
    let tidied = an_agent().claim(claim).device_on_host();
    assert_eq!(orders(&tidied, REPORT_ON_HOST_AFTER - 1), []);
    assert_eq!(plan(&tidied, 0).wake_at, Some(REPORT_ON_HOST_AFTER));
    assert_eq!(
        orders(&tidied, REPORT_ON_HOST_AFTER),
        [Order::Report(key(), report(Place::Home))]
    );
}

#[test]
fn running_pod_is_left_alone_by_a_restart_and_by_a_forgetful_api_server() {
    let plugged = || an_agent().plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(
        orders(&plugged().claim(saying(a_claim(), plugged_place())), 0),
        []
    );
    assert_eq!(orders(&plugged(), 0), []);
}

#[test]
fn entry_of_a_dead_namespace_without_a_claim_is_cleared_only_with_a_list() {
    let mut plug = a_plug(PlugState::Plugged);
    plug.observed.liveness = Liveness::Dead;
    let mut facts = an_agent().plug("c1", plug);
    assert_eq!(orders(&facts, 0), [unplugs(Traces::Leave)]);
    facts.listed = false;
    assert_eq!(orders(&facts, 0), []);
}

#[test]
fn namespace_that_cannot_be_looked_at_counts_as_alive() {
    let mut plug = a_plug(PlugState::Plugged);
    plug.observed.liveness = Liveness::Unknown;
    assert_eq!(orders(&an_agent().plug("c1", plug), 0), []);
}

#[test]
fn gc_returns_what_the_runtime_forgot_and_whose_namespace_is_dead() {
    let known = cni_protocol::Attachment {
        container_id: "c1".into(),
        if_name: "eth0".into(),
    };
    let collected = |liveness, network: &str, valid: &[_]| {
        let mut plug = a_plug(PlugState::Plugged);
        plug.observed.liveness = liveness;
        let mut facts = an_agent()
            .claim(saying(a_claim(), plugged_place()))
            .plug("c1", plug);
        facts.collect(network, valid);
        orders(&facts, 0) == [unplugs(Traces::Leave)]
    };
    let network = a_sandbox("c1").network;
    assert!(collected(Liveness::Dead, &network, &[]));
    assert!(!collected(
        Liveness::Dead,
        &network,
        std::slice::from_ref(&known)
    ));
    assert!(!collected(Liveness::Dead, "another", &[]));
    assert!(!collected(Liveness::Alive, &network, &[]));
    assert!(!collected(Liveness::Unknown, &network, &[]));
}

#[test]
fn device_that_comes_back_by_itself_is_tidied_soon_whatever_failed_before() {
    let mut plug = a_plug(PlugState::Unplugging);
    plug.observed.retry = Retry {
        failures: 9,
        at: 30_000,
    };
    let mut facts = an_agent().plug("c1", plug);
    facts.arrived(mac(), 100);
    assert_eq!(orders(&facts, 1_099), []);
    assert_eq!(orders(&facts, 1_100), [unplugs(Traces::Remove)]);
    facts.arrived(mac(), 1_050);
    assert_eq!(plan(&facts, 0).wake_at, Some(1_100));
}

#[test]
fn pause_doubles_to_half_a_minute_and_stays_there() {
    let mut retry = Retry::default();
    let mut pauses = Vec::new();
    for _ in 0..100 {
        retry = retry.failed(0);
        pauses.push(retry.at);
    }
    assert_eq!(pauses[..6], [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
    assert!(pauses[6..].iter().all(|pause| *pause == 30_000));
}

#[test]
fn device_of_a_claim_that_cannot_be_read_stays_where_it_is() {
    let mut facts = an_agent()
        .claim(released(a_claim()))
        .plug("c1", a_plug(PlugState::Plugged));
    facts.learn_unreadable(an_unreadable_claim(None));
    assert_eq!(orders(&facts, 0), []);
    facts
        .plugs
        .get_mut(&a_plug_key("c1"))
        .unwrap()
        .observed
        .liveness = Liveness::Dead;
    assert_eq!(orders(&facts, 0), []);
    facts.forget(&key());
    let unplug = Order::Unplug(a_plug_key("c1"), Traces::Leave);
    assert_eq!(orders(&facts, 0), [unplug]);
}
