//! What the API server is told, and what is found out before.

use node_agent_core::{
    claim::Place,
    facts::{Liveness, PlugState, Retry},
    plan::{HIDDEN_AFTER, HIDDEN_AFTER_DEATH, Order, REPORT_ON_HOST_AFTER, plan},
};

use crate::makers::{
    Knowing, a_claim, a_plug, an_agent, key, mac, orders, plugged_place, released, report, saying,
};

#[test]
fn device_that_nobody_asked_for_is_reported_once() {
    let facts = an_agent().claim(a_claim()).device_on_host();
    let seen = Order::Report(key(), report(Place::Seen));
    assert_eq!(orders(&facts, REPORT_ON_HOST_AFTER), [seen]);

    let mut unconfirmed = facts;
    unconfirmed.unconfirmed.insert(key(), report(Place::Seen));
    assert_eq!(plan(&unconfirmed, 0), plan(&an_agent(), 0));
    let taken = an_agent()
        .claim(saying(a_claim(), Place::Seen))
        .device_on_host();
    assert_eq!(orders(&taken, REPORT_ON_HOST_AFTER), []);
}

#[test]
fn device_that_is_plugged_at_once_is_reported_once() {
    let facts = an_agent().claim(a_claim()).device_on_host();
    assert_eq!(orders(&facts, REPORT_ON_HOST_AFTER - 1), []);
    assert_eq!(plan(&facts, 0).wake_at, Some(REPORT_ON_HOST_AFTER));

    let mut busy = facts;
    busy.busy.insert(mac());
    assert_eq!(
        plan(&busy, REPORT_ON_HOST_AFTER),
        plan(&an_agent(), 0),
        "it is being plugged"
    );

    let plugged = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(
        orders(&plugged, 1),
        [Order::Report(key(), report(plugged_place()))]
    );
}

#[test]
fn device_on_the_host_is_given_back_at_once() {
    let facts = an_agent().claim(released(a_claim())).device_on_host();
    assert_eq!(
        orders(&facts, 0),
        [Order::Report(key(), report(Place::Released))]
    );
}

#[test]
fn device_that_is_hidden_for_a_while_is_reported_so_once() {
    let hidden = |now, claim| {
        let mut plug = a_plug(PlugState::Unplugging);
        plug.observed.hidden = Some(0);
        plug.observed.retry.at = HIDDEN_AFTER_DEATH;
        orders(&an_agent().claim(claim).plug("c1", plug), now)
    };
    let place = Place::Hidden {
        pod_uid: "u-1".into(),
        container_id: "c1".into(),
    };
    let plugged = released(saying(a_claim(), plugged_place()));
    assert_eq!(hidden(HIDDEN_AFTER - 1, plugged.clone()), []);
    assert_eq!(
        hidden(HIDDEN_AFTER, plugged),
        [Order::Report(key(), report(place.clone()))]
    );
    let told = saying(a_claim(), place);
    assert_eq!(hidden(HIDDEN_AFTER, released(told.clone())), []);
    assert_eq!(
        orders(
            &an_agent().claim(told).device_on_host(),
            REPORT_ON_HOST_AFTER
        ),
        [Order::Report(key(), report(Place::Home))]
    );
}

#[test]
fn device_of_a_dead_namespace_is_reported_as_hidden_once_the_kernel_has_had_time_to_end_it() {
    let mut plug = a_plug(PlugState::Unplugging);
    (plug.observed.hidden, plug.observed.liveness) = (Some(5), Liveness::Dead);
    plug.observed.retry.at = 2 * HIDDEN_AFTER_DEATH;
    let facts = an_agent()
        .claim(released(saying(a_claim(), plugged_place())))
        .plug("c1", plug);
    assert_eq!(orders(&facts, HIDDEN_AFTER_DEATH), []);
    let due = 5 + HIDDEN_AFTER_DEATH;
    assert_eq!(plan(&facts, HIDDEN_AFTER_DEATH).wake_at, Some(due));
    let reported = orders(&facts, due);
    assert!(
        matches!(&reported[..], [Order::Report(_, said)] if matches!(said.place, Place::Hidden { .. })),
        "{reported:?}"
    );
}

#[test]
fn device_without_an_entry_is_searched_for_before_it_is_given_back() {
    let mut facts = an_agent().claim(saying(released(a_claim()), plugged_place()));
    assert_eq!(orders(&facts, 0), [Order::Search(mac())]);
    facts.searches.insert(
        mac(),
        Retry {
            failures: 1,
            at: 1_000,
        },
    );
    assert_eq!(orders(&facts, 999), []);
    assert_eq!(orders(&facts, 1_000), [Order::Search(mac())]);
    facts.absent.insert(mac());
    assert_eq!(
        orders(&facts, 0),
        [Order::Report(key(), report(Place::Released))]
    );
    facts.arrived(mac(), 0);
    assert!(facts.absent.is_empty() && facts.searches.is_empty());
}

#[test]
fn nothing_is_said_of_another_instances_attachment() {
    for instance in [Some("i-2".to_owned()), None] {
        let mut facts = an_agent().claim(released(a_claim())).device_on_host();
        facts.instance = instance;
        assert_eq!(orders(&facts, REPORT_ON_HOST_AFTER), []);
    }
}

#[test]
fn lost_status_is_told_again() {
    let facts = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(
        orders(&facts, 0),
        [Order::Report(key(), report(plugged_place()))]
    );
}

#[test]
fn report_that_a_later_list_does_not_show_is_told_again() {
    let mut facts = an_agent().claim(a_claim()).device_on_host();
    facts.unconfirmed.insert(key(), report(Place::Seen));
    facts.list(vec![Ok(a_claim())], 0);
    assert_eq!(
        orders(&facts, REPORT_ON_HOST_AFTER),
        [Order::Report(key(), report(Place::Seen))]
    );
    facts.unconfirmed.insert(key(), report(Place::Seen));
    facts.learn(saying(a_claim(), Place::Seen), 0);
    assert!(facts.unconfirmed.is_empty());
    assert_eq!(orders(&facts, REPORT_ON_HOST_AFTER), []);
}

#[test]
fn new_attachment_of_the_same_claim_is_reported_anew() {
    let mut claim = saying(a_claim(), Place::Released);
    claim.attachment.as_mut().unwrap().id = "eni-attach-2".into();
    let reported = orders(
        &an_agent().claim(claim).device_on_host(),
        REPORT_ON_HOST_AFTER,
    );
    assert!(
        matches!(&reported[..], [Order::Report(_, r)] if r.attachment == "eni-attach-2" && r.place == Place::Seen)
    );
}

#[test]
fn report_that_crossed_what_it_had_to_name_is_told_again() {
    let plugged = Order::Report(key(), report(plugged_place()));
    let mut facts = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugged));
    facts.unconfirmed.insert(key(), report(plugged_place()));
    let mut crossed = saying(a_claim(), plugged_place());
    crossed.outdated = true;
    facts.learn(crossed.clone(), 0);
    assert_eq!(orders(&facts, 0), [plugged]);
    facts.unconfirmed.insert(key(), report(plugged_place()));
    assert_eq!(orders(&facts, 0), [], "once");
    crossed.outdated = false;
    facts.learn(crossed, 0);
    assert_eq!(orders(&facts, 0), []);
}
