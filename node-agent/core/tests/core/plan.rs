//! Single decisions.

use node_agent_core::{
    claim::Place,
    facts::PlugState,
    plan::{Answer, LONGEST_ADD, NO_PROGRESS, Order, REPORT_ON_HOST_AFTER, next_on_host, plan},
};

use crate::makers::{
    Knowing, a_claim, a_plug, a_sandbox, an_agent, key, mac, not_attached, plugged_place, released,
    report, saying,
};

fn reason(orders: &[Order]) -> &str {
    match orders {
        [Order::Answer(_, Answer::Later(why))] => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn device_that_nobody_asked_for_is_reported_once() {
    let facts = an_agent().claim(a_claim()).device_on_host();
    let seen = Order::Report(key(), report(Place::Seen));
    assert_eq!(plan(&facts, REPORT_ON_HOST_AFTER), [seen]);

    let mut told = facts.clone();
    told.told.insert(key(), report(Place::Seen));
    assert_eq!(plan(&told, REPORT_ON_HOST_AFTER), []);
    assert_eq!(next_on_host(&told), None);
    let taken = an_agent()
        .claim(saying(a_claim(), Place::Seen))
        .device_on_host();
    assert_eq!(plan(&taken, REPORT_ON_HOST_AFTER), []);
}

#[test]
fn device_that_is_plugged_at_once_is_reported_once() {
    let facts = an_agent().claim(a_claim()).device_on_host();
    assert_eq!(plan(&facts, REPORT_ON_HOST_AFTER - 1), []);
    assert_eq!(next_on_host(&facts), Some(REPORT_ON_HOST_AFTER));

    let mut busy = facts.clone().asked_to_add(1, "c1");
    busy.busy.insert(mac());
    assert_eq!(plan(&busy, REPORT_ON_HOST_AFTER), [], "it is being plugged");
    assert_eq!(next_on_host(&busy), None);

    let plugged = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(
        plan(&plugged, 1),
        [Order::Report(key(), report(plugged_place()))]
    );
}

#[test]
fn waiting_pod_gets_its_device_without_a_report_before() {
    let facts = an_agent()
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(plan(&facts, 0), [Order::Plug(1, key())]);
}

#[test]
fn device_before_its_attachment_is_known_is_left_alone() {
    let facts = an_agent()
        .claim(not_attached(a_claim()))
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(plan(&facts, 0), []);
}

#[test]
fn claim_of_another_pod_is_never_plugged() {
    for (uid, namespace) in [("u-2", "shop"), ("u-1", "other")] {
        let mut claim = a_claim();
        claim.pod_uid = Some(uid.into());
        claim.key.namespace = namespace.into();
        let facts = an_agent()
            .claim(saying(claim, Place::Seen))
            .device_on_host()
            .asked_to_add(1, "c1");
        assert_eq!(plan(&facts, 0), [], "{uid} {namespace}");
        assert!(
            reason(&plan(&facts, NO_PROGRESS)).contains("no EniClaim is bound to pod shop/web-0")
        );
    }
}

#[test]
fn released_attachment_is_never_plugged_and_its_device_is_given_back() {
    let facts = an_agent().claim(released(a_claim())).device_on_host();
    assert_eq!(
        plan(&facts, 0),
        [Order::Report(key(), report(Place::Released))]
    );
    let orders = plan(&facts.asked_to_add(1, "c1"), 0);
    assert!(
        matches!(&orders[..], [Order::Answer(1, Answer::Later(why)), Order::Report(..)] if why.contains("released"))
    );
}

#[test]
fn released_device_goes_home_before_it_is_given_back() {
    let facts = an_agent()
        .claim(released(a_claim()))
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(plan(&facts, 0), [Order::Home(a_sandbox("c1"))]);
    let gone = an_agent().claim(released(a_claim()));
    assert_eq!(
        plan(&gone, 0),
        [Order::Report(key(), report(Place::Released))]
    );
}

#[test]
fn waiting_add_is_answered_when_nothing_moves() {
    let facts = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1");
    assert_eq!(plan(&facts, NO_PROGRESS - 1), []);
    assert!(reason(&plan(&facts, NO_PROGRESS)).contains("the ENI is being attached"));
}

#[test]
fn progress_prolongs_the_wait_up_to_the_end() {
    let mut facts = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1");
    facts.learn(a_claim(), 29_000);
    assert_eq!(plan(&facts, 31_000), []);
    facts.learn(a_claim(), 50_000);
    assert!(
        reason(&plan(&facts, 59_000)).contains("has not appeared"),
        "the same again is no progress"
    );

    let mut facts = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1");
    facts.asks.get_mut(&1).unwrap().progress = LONGEST_ADD - 1;
    assert!(!reason(&plan(&facts, LONGEST_ADD)).is_empty());
}

#[test]
fn repeated_add_is_plugged_again_and_so_is_one_after_a_restart() {
    for state in [PlugState::Plugged, PlugState::Plugging] {
        let claim = saying(a_claim(), plugged_place());
        let facts = an_agent()
            .claim(claim)
            .plug("c1", a_plug(state))
            .asked_to_add(1, "c1");
        assert_eq!(plan(&facts, 0), [Order::Plug(1, key())]);
    }
}

#[test]
fn newer_sandbox_wins_and_the_older_del_finds_nothing() {
    let claim = saying(a_claim(), plugged_place());
    let facts = an_agent()
        .claim(claim)
        .plug("c1", a_plug(PlugState::Plugged))
        .asked_to_add(1, "c2");
    assert_eq!(plan(&facts, 0), [Order::Home(a_sandbox("c1"))]);

    let claim = saying(
        a_claim(),
        Place::Plugged {
            pod_uid: "u-1".into(),
            container_id: "c2".into(),
        },
    );
    let facts = an_agent()
        .claim(claim)
        .plug("c2", a_plug(PlugState::Plugged))
        .asked_to_del(2, "c1");
    assert_eq!(plan(&facts, 0), [Order::Answer(2, Answer::Deleted)]);
}

#[test]
fn del_takes_home_and_needs_no_claim() {
    let mut facts = an_agent()
        .plug("c1", a_plug(PlugState::Plugged))
        .asked_to_del(1, "c1");
    facts.listed = false;
    assert_eq!(plan(&facts, 0), [Order::Home(a_sandbox("c1"))]);
}

#[test]
fn del_succeeds_after_two_failures_and_the_device_is_tried_again_later() {
    let mut plug = a_plug(PlugState::Leaving);
    (plug.failures, plug.retry_at) = (2, 5_000);
    let facts = an_agent().plug("c1", plug).asked_to_del(1, "c1");
    assert_eq!(plan(&facts, 0), [Order::Answer(1, Answer::Deleted)]);
    let mut answered = facts;
    answered.asks.clear();
    assert_eq!(plan(&answered, 4_999), []);
    assert_eq!(plan(&answered, 5_000), [Order::Home(a_sandbox("c1"))]);
}

#[test]
fn del_ends_an_add_that_waits_and_not_one_that_is_being_done() {
    let waiting = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1")
        .asked_to_del(2, "c1");
    let orders = plan(&waiting, 0);
    assert!(
        matches!(
            &orders[..],
            [
                Order::Answer(1, Answer::Later(_)),
                Order::Answer(2, Answer::Deleted)
            ]
        ),
        "{orders:?}"
    );

    let mut busy = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugging))
        .asked_to_add(1, "c1")
        .asked_to_del(2, "c1");
    busy.busy.insert(mac());
    assert_eq!(plan(&busy, 0), []);
}

#[test]
fn device_that_came_home_from_a_dead_namespace_is_tidied_and_told() {
    let claim = saying(a_claim(), plugged_place());
    let facts = an_agent()
        .claim(claim.clone())
        .plug("c1", a_plug(PlugState::Plugged))
        .device_on_host();
    assert_eq!(plan(&facts, 0), [Order::Home(a_sandbox("c1"))]);
    let tidied = an_agent().claim(claim).device_on_host();
    assert_eq!(plan(&tidied, REPORT_ON_HOST_AFTER - 1), []);
    assert_eq!(next_on_host(&tidied), Some(REPORT_ON_HOST_AFTER));
    assert_eq!(
        plan(&tidied, REPORT_ON_HOST_AFTER),
        [Order::Report(key(), report(Place::Home))]
    );
}

#[test]
fn running_pod_is_left_alone_by_a_restart_and_by_a_forgetful_api_server() {
    let claim = saying(a_claim(), plugged_place());
    let restarted = an_agent()
        .claim(claim)
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(plan(&restarted, 0), []);
    let forgotten = an_agent().plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(plan(&forgotten, 0), []);
}

#[test]
fn journal_of_a_dead_namespace_without_a_claim_is_cleared_only_with_a_list() {
    let mut plug = a_plug(PlugState::Plugged);
    plug.alive = false;
    let mut facts = an_agent().plug("c1", plug);
    assert_eq!(plan(&facts, 0), [Order::Home(a_sandbox("c1"))]);
    facts.listed = false;
    assert_eq!(plan(&facts, 0), []);
}

#[test]
fn lost_status_is_told_again() {
    let facts = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(
        plan(&facts, 0),
        [Order::Report(key(), report(plugged_place()))]
    );
}

#[test]
fn report_that_a_later_list_does_not_show_is_told_again() {
    let mut facts = an_agent().claim(a_claim()).device_on_host();
    facts.told.insert(key(), report(Place::Seen));
    facts.list(vec![a_claim()], 0);
    assert_eq!(
        plan(&facts, REPORT_ON_HOST_AFTER),
        [Order::Report(key(), report(Place::Seen))]
    );
    facts.told.insert(key(), report(Place::Seen));
    facts.learn(saying(a_claim(), Place::Seen), 0);
    assert!(facts.told.is_empty());
    assert_eq!(plan(&facts, REPORT_ON_HOST_AFTER), []);
}

#[test]
fn new_attachment_of_the_same_claim_is_reported_anew() {
    let mut claim = saying(a_claim(), Place::Released);
    claim.attachment.as_mut().unwrap().id = "eni-attach-2".into();
    let orders = plan(
        &an_agent().claim(claim).device_on_host(),
        REPORT_ON_HOST_AFTER,
    );
    assert!(
        matches!(&orders[..], [Order::Report(_, r)] if r.attachment == "eni-attach-2" && r.place == Place::Seen)
    );
}
