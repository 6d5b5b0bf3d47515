//! A device that another plugin moved into the pod.

use node_agent_core::{
    claim::Place,
    facts::{Facts, PlugState, Retry},
    plan::{Answer, LENDER_RETURNS_WITHIN, Order, REPORT_ON_HOST_AFTER, Traces, plan},
};

use crate::makers::{
    Knowing, a_borrowed_plug, a_claim, a_plug_key, an_agent, key, mac, orders, plugged_place,
    plugs, released, report, saying,
};

fn restores() -> Order {
    Order::Restore(a_plug_key("c1"))
}

fn unplugs(traces: Traces) -> Order {
    Order::Unplug(a_plug_key("c1"), traces)
}

fn forgets() -> Order {
    Order::Forget(a_plug_key("c1"))
}

/// An agent that restored a borrowed device at this time.
fn restored(at: u64) -> Facts {
    let mut plug = a_borrowed_plug(PlugState::Restored);
    plug.observed.restored = at;
    an_agent().plug("c1", plug)
}

#[test]
fn device_that_is_not_on_the_host_is_looked_for_in_the_pod_once() {
    let mut facts = an_agent().claim(a_claim()).asked_to_add(1, "c1");
    assert_eq!(orders(&facts, 0), []);
    facts.requests.get_mut(&1).unwrap().missed.clear();
    assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
}

#[test]
fn del_leaves_the_device_where_it_is_and_succeeds_then() {
    let plug = a_borrowed_plug(PlugState::Plugged);
    let facts = an_agent().plug("c1", plug).asked_to_del(1, "c1");
    assert_eq!(orders(&facts, 0), [restores()]);
    let deleted = [Order::Answer(1, Answer::Deleted)];
    assert_eq!(orders(&restored(0).asked_to_del(1, "c1"), 0), deleted);
}

#[test]
fn plugin_that_moved_it_has_a_minute_and_then_we_take_over() {
    let facts = restored(5);
    assert_eq!(orders(&facts, 4 + LENDER_RETURNS_WITHIN), []);
    let due = 5 + LENDER_RETURNS_WITHIN;
    assert_eq!(plan(&facts, 5).wake_at, Some(due));
    assert_eq!(orders(&facts, due), [unplugs(Traces::Remove)]);
    // From then on it is ours: an attempt that failed is repeated, and waits for nobody.
    let mut taken = facts;
    let plug = taken.plugs.get_mut(&a_plug_key("c1")).unwrap();
    plug.take_back();
    plug.observed.retry = Retry::default().failed(due);
    assert_eq!(orders(&taken, due), []);
    assert_eq!(orders(&taken, due + 1_000), [unplugs(Traces::Remove)]);
}

#[test]
fn device_that_its_plugin_returned_is_forgotten_and_reported_at_home() {
    let claim = || saying(a_claim(), plugged_place());
    let back = restored(0).claim(claim()).device_on_host();
    assert_eq!(orders(&back, 0), [forgets()]);
    let forgotten = an_agent().claim(claim()).device_on_host();
    let reports = Order::Report(key(), report(Place::Home));
    assert_eq!(orders(&forgotten, REPORT_ON_HOST_AFTER), [reports]);
}

#[test]
fn device_that_was_returned_before_our_del_leaves_nothing_in_the_pod() {
    let plug = a_borrowed_plug(PlugState::Plugged);
    let back = an_agent().plug("c1", plug).device_on_host();
    assert_eq!(orders(&back, 0), [restores()]);
}

#[test]
fn released_device_is_restored_and_not_given_back_before_it_is_home() {
    let claim = || saying(released(a_claim()), plugged_place());
    let plug = a_borrowed_plug(PlugState::Plugged);
    let facts = an_agent().claim(claim()).plug("c1", plug);
    assert_eq!(orders(&facts, 0), [restores()]);
    assert_eq!(orders(&restored(0).claim(claim()), 0), []);
}

#[test]
fn add_of_the_same_sandbox_configures_a_restored_device_again_and_another_one_waits() {
    let again = restored(0).claim(a_claim()).asked_to_add(1, "c1");
    assert_eq!(orders(&again, 0), [plugs(1, "c1")]);
    let other = restored(0).claim(a_claim()).asked_to_add(1, "c2");
    assert_eq!(orders(&other, 0), []);
}

#[test]
fn add_that_ended_without_an_answer_restores() {
    let facts = an_agent().plug("c1", a_borrowed_plug(PlugState::Plugging));
    assert_eq!(orders(&facts, 0), [restores()]);
    let mut busy = facts;
    busy.busy.insert(mac());
    assert_eq!(orders(&busy, 0), []);
}
