//! Pods that ask for several interfaces by name: one ADD, whole or nothing, in their order.

use node_agent_core::{
    claim::{Claim, Wait},
    facts::{Facts, PlugKey, PlugState, Pod, Verb},
    mac::Mac,
    picture::PodSlot,
    plan::{Answer, NO_CLAIM, Order},
};

use crate::makers::{
    Knowing, a_claim, a_plug, a_pod, a_sandbox, an_agent, not_attached, orders, released,
};

/// The names in the order of the pod, which is not that of the claims' names.
const NAMES: [&str; 3] = ["eni2", "eni1", "eni3"];

fn asking() -> Pod {
    Pod {
        interfaces: NAMES.map(str::to_owned).into(),
        ..a_pod()
    }
}

fn mac(name: &str) -> Mac {
    format!("02:00:00:00:01:0{}", &name[3..]).parse().unwrap()
}

fn claim(name: &str) -> Claim {
    let mut claim = a_claim();
    claim.key.name = format!("web-0-abcde-{name}");
    claim.asked_as = Some(name.into());
    claim.interface.name = name.into();
    claim.eni.as_mut().unwrap().mac = mac(name);
    claim
}

fn key(name: &str) -> PlugKey {
    PlugKey {
        sandbox: a_sandbox("c1"),
        mac: mac(name),
    }
}

/// An agent with these claims, whose devices are on the host, and an ADD.
fn waiting(claims: impl IntoIterator<Item = Claim>) -> Facts {
    let mut facts = an_agent();
    for claim in claims {
        facts.arrived(claim.eni.as_ref().unwrap().mac, 0);
        facts = facts.claim(claim);
    }
    facts.asked(1, "c1", Verb::Add(asking().into()))
}

fn plugged(orders: &[Order]) -> Vec<(Mac, PodSlot)> {
    let plug = |order: &Order| match order {
        Order::Plug { key, slot, .. } => (key.mac, *slot),
        other => panic!("{other:?}"),
    };
    orders.iter().map(plug).collect()
}

/// Why the ADD is to be made again later.
fn later(orders: &[Order]) -> String {
    let answer = orders.iter().find_map(|order| match order {
        Order::Answer(1, Answer::Later(why)) => Some(why.clone()),
        _ => None,
    });
    answer.unwrap_or_else(|| panic!("{orders:?}"))
}

#[test]
fn all_are_plugged_at_once_in_the_order_of_the_pod() {
    let facts = waiting(NAMES.map(claim));
    let slots: Vec<_> = NAMES
        .iter()
        .zip(0..)
        .map(|(name, slot)| (mac(name), PodSlot(slot)))
        .collect();
    assert_eq!(plugged(&orders(&facts, 0)), slots);
}

#[test]
fn answer_is_in_the_order_of_the_pod() {
    let mut facts = waiting(NAMES.map(claim));
    facts.devices.clear();
    for (name, slot) in NAMES.iter().rev().zip(0..) {
        let mut plug = a_plug(PlugState::Plugging);
        plug.slot = PodSlot(slot);
        facts.plugs.insert(key(name), plug);
        facts.requests.get_mut(&1).unwrap().done.insert(mac(name));
    }
    let macs = NAMES.map(mac).into();
    assert!(orders(&facts, 0).contains(&Order::Answer(1, Answer::Added(macs))));
}

#[test]
fn nothing_is_moved_before_all_are_there() {
    let without_claim = waiting(["eni2", "eni3"].map(claim));
    assert_eq!(orders(&without_claim, 0), [Order::ReadLease]);
    let said = later(&orders(&without_claim, NO_CLAIM));
    assert!(said.contains("interface eni1 of pod shop/web-0"), "{said}");

    let mut without_attachment = waiting(["eni2", "eni1"].map(claim));
    without_attachment = without_attachment.claim(not_attached(claim("eni3")));
    assert_eq!(orders(&without_attachment, 0), []);

    let mut without_device = waiting(NAMES.map(claim));
    without_device.devices.remove(&mac("eni3"));
    // A plugin before ours may have moved it into the pod.
    let looks = orders(&without_device, 0);
    assert_eq!(plugged(&looks), [(mac("eni3"), PodSlot(0))], "{looks:?}");
    let missed = &mut without_device.requests.get_mut(&1).unwrap().missed;
    missed.insert(mac("eni3"));
    assert_eq!(orders(&without_device, 0), []);
}

#[test]
fn what_is_in_the_way_of_one_is_answered_at_once() {
    let mut blocked = not_attached(claim("eni3"));
    blocked.waits_for = Wait::Blocked("SubnetFull: no free address".into());
    let facts = waiting([claim("eni2")]).claim(blocked);
    let said = later(&orders(&facts, 0));
    assert!(
        said.contains("web-0-abcde-eni3 is not ready: SubnetFull"),
        "{said}"
    );

    let facts = waiting(["eni2", "eni1"].map(claim)).claim(released(claim("eni3")));
    let said = later(&orders(&facts, 0));
    assert!(
        said.contains("eni3 is not ready: its attachment is released"),
        "{said}"
    );
}

#[test]
fn claim_that_the_pod_does_not_name_is_not_plugged() {
    let facts = waiting(NAMES.map(claim).into_iter().chain([claim("eni9")]));
    let macs: Vec<Mac> = plugged(&orders(&facts, 0))
        .into_iter()
        .map(|(mac, _)| mac)
        .collect();
    assert_eq!(macs, NAMES.map(mac));
}

#[test]
fn older_sandbox_gives_all_of_them_up_at_once() {
    let mut facts = an_agent();
    for (name, slot) in NAMES.iter().zip(0..) {
        let mut plug = a_plug(PlugState::Plugged);
        plug.slot = PodSlot(slot);
        facts.plugs.insert(key(name), plug);
        facts = facts.claim(claim(name));
    }
    facts.ask(1, a_sandbox("c1"), Verb::Add(asking().into()), 0);
    facts.requests.clear();
    let facts = facts.asked(2, "c2", Verb::Add(asking().into()));
    let unplugged = orders(&facts, 0)
        .into_iter()
        .filter(|order| matches!(order, Order::Unplug(..)));
    assert_eq!(unplugged.count(), 3);
}

#[test]
fn check_wants_every_interface_that_the_pod_names() {
    let mut facts = an_agent();
    for name in NAMES {
        facts.plugs.insert(key(name), a_plug(PlugState::Plugged));
        facts = facts.claim(claim(name));
    }
    facts = facts.asked(1, "c1", Verb::Check(asking().into()));
    let checks = orders(&facts, 0);
    let checked = checks.iter().filter(|o| matches!(o, Order::Check { .. }));
    assert_eq!(checked.count(), 3);
    facts.forget(&claim("eni3").key);
    let orders = orders(&facts, 0);
    let missing = orders.iter().find_map(|order| match order {
        Order::Answer(1, Answer::Missing(what)) => Some(what),
        _ => None,
    });
    assert!(
        missing.unwrap().contains("interface eni3 of pod"),
        "{orders:?}"
    );
}
