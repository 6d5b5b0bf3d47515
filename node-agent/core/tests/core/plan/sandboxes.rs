//! Which sandbox of a pod has its devices, and how long.

use node_agent_core::{
    claim::Place,
    facts::{Facts, PlugState, Retry, Verb},
    plan::{Answer, NO_PROGRESS, Order, Traces, plan},
};

use super::requests::reason;
use crate::makers::{
    Knowing, a_claim, a_plug, a_plug_key, a_pod, a_sandbox, an_agent, key, mac, not_attached,
    orders, plugged_place, plugs, report, saying,
};

#[test]
fn what_an_add_left_that_was_not_answered_returns_to_the_host() {
    let unplug = Order::Unplug(a_plug_key("c1"), Traces::Remove);
    let mut second = not_attached(a_claim());
    second.key.name = "web-0-fghij".into();
    let mut facts = an_agent()
        .claim(a_claim())
        .claim(second)
        .plug("c1", a_plug(PlugState::Plugging))
        .asked_to_add(1, "c1");
    facts.requests.get_mut(&1).unwrap().done.insert(mac());
    assert_eq!(orders(&facts, 0), [], "the ADD waits for the second ENI");
    assert!(reason(&orders(&facts, NO_PROGRESS)).contains("web-0-fghij"));
    facts.requests.clear();
    assert_eq!(orders(&facts, NO_PROGRESS), [unplug]);

    let mut answered = facts;
    answered.added(&a_sandbox("c2"), &[mac()]);
    assert_eq!(answered.plugs[&a_plug_key("c1")].state, PlugState::Plugging);
    answered.added(&a_sandbox("c1"), &[mac()]);
    assert_eq!(
        orders(&answered, 0),
        [Order::Report(key(), report(plugged_place()))]
    );
}

#[test]
fn device_that_left_the_pod_before_the_answer_is_plugged_again() {
    let mut facts = an_agent()
        .claim(saying(a_claim(), plugged_place()))
        .plug("c1", a_plug(PlugState::Plugging))
        .device_on_host()
        .asked_to_add(1, "c1");
    facts.requests.get_mut(&1).unwrap().done.insert(mac());
    assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
}

#[test]
fn newer_sandbox_wins_and_the_older_del_finds_nothing() {
    let facts = an_agent()
        .claim(saying(a_claim(), plugged_place()))
        .plug("c1", a_plug(PlugState::Plugged))
        .asked_to_add(1, "c2");
    let unplug = Order::Unplug(a_plug_key("c1"), Traces::Remove);
    assert_eq!(orders(&facts, 0), [unplug]);

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
    assert_eq!(orders(&facts, 0), [Order::Answer(2, Answer::Deleted)]);
}

#[test]
fn older_of_two_sandboxes_that_ask_is_answered_at_once_and_never_gets_the_device_back() {
    let sentence = "pod shop/web-0 has a newer sandbox, c2, which gets its ENIs; this one is c1";
    let older = Order::Answer(1, Answer::Later(sentence.into()));
    let both = an_agent()
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1")
        .asked_to_add(2, "c2");
    assert_eq!(orders(&both, 0), [older, plugs(2, "c2")]);

    let mut again = both.asked_to_add(3, "c1");
    again.requests.remove(&1);
    again.requests.remove(&2);
    let again = again.plug("c2", a_plug(PlugState::Plugged));
    assert!(orders(&again, 0).contains(&Order::Answer(3, Answer::Later(sentence.into()))));

    let mut deleted = again.asked_to_del(4, "c2");
    deleted.plugs.clear();
    assert!(orders(&deleted, 0).contains(&plugs(3, "c1")));
}

#[test]
fn other_networks_of_a_container_are_no_newer_sandboxes_and_keep_its_place() {
    let mut second = a_sandbox("c1");
    second.network = "storage".into();
    let mut facts = an_agent()
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1");
    facts.ask(2, second.clone(), Verb::Add(a_pod().into()), 0);
    assert_eq!(facts.newer(&a_sandbox("c1")), None);
    assert_eq!(facts.newer(&second), None);

    let mut third = a_sandbox("c1");
    third.if_name = "eth1".into();
    let mut facts = facts.asked_to_add(3, "c2");
    facts.ask(4, third.clone(), Verb::Add(a_pod().into()), 0);
    assert_eq!(facts.newer(&third), Some(&a_sandbox("c2")));
    assert_eq!(facts.newer(&a_sandbox("c2")), None);
}

#[test]
fn sandbox_whose_del_found_no_agent_is_no_newer_one_any_more() {
    let mut facts = an_agent()
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1")
        .asked_to_add(2, "c2");
    facts.requests.remove(&2);
    assert!(!orders(&facts, 0).contains(&plugs(1, "c1")));
    facts.deleted(&a_sandbox("c2"));
    assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
}

#[test]
fn sandbox_of_the_journal_is_older_than_one_that_asks_now() {
    let plugs = [(a_plug_key("c1"), a_plug(PlugState::Plugged))];
    let mut facts = Facts::of_journal(plugs.into())
        .claim(a_claim())
        .asked_to_add(1, "c2")
        .asked_to_add(2, "c1");
    facts.instance = Some("i-1".into());
    assert!(matches!(
        &orders(&facts, 0)[..],
        [Order::Unplug(..), Order::Answer(2, Answer::Later(_))]
    ));
}

#[test]
fn device_that_an_older_sandbox_does_not_give_up_is_not_tried_without_pause() {
    let mut plug = a_plug(PlugState::Unplugging);
    plug.observed.retry = Retry {
        failures: 1,
        at: 1_000,
    };
    let facts = an_agent()
        .claim(saying(a_claim(), plugged_place()))
        .plug("c1", plug)
        .asked_to_add(1, "c2");
    assert_eq!(orders(&facts, 999), []);
    assert_eq!(plan(&facts, 999).wake_at, Some(1_000));
    assert_eq!(orders(&facts, 1_000).len(), 1);
}
