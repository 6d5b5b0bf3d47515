//! Pods that ask for several interfaces by name.

use api::{claim::Phase, id::EniId};
use operator_core::{
    Fact, MINUTE, Reason, SECOND,
    claim::Claim,
    cluster::{Ask, Key, Pod},
    order::{About, Action},
};

use vpc::{Detach, Request};

use super::{
    story::{LONG, a_class, pod_key},
    world::{World, set},
};

const FOUR: [(&str, &str); 4] = [
    ("eni1", "app"),
    ("eni2", "db"),
    ("eni3", "app"),
    ("eni4", "db"),
];

/// A node with room for them, and a second class.
fn a_world() -> World {
    let mut world = World::new();
    world.add_node("big", "m5.4xlarge");
    add_class(&mut world, "db");
    world
}

fn add_class(world: &mut World, name: &str) {
    let mut class = a_class();
    class.name = name.into();
    class.interface.mtu = Some(1500);
    world
        .store
        .classes
        .insert(class.name.clone(), class.clone());
    world.show(&Fact::Classes(set(&class)));
}

fn asks(named: &[(&str, &str)]) -> Vec<Ask> {
    let ask = |(interface, class): &(&str, &str)| Ask {
        interface: Some(interface.parse().unwrap()),
        class: (*class).into(),
    };
    named.iter().map(ask).collect()
}

/// A pod on the big node that asks for these.
fn a_pod(world: &mut World, name: &str, named: &[(&str, &str)]) -> Pod {
    Pod {
        asks: asks(named),
        requested: Some(u32::try_from(named.len()).unwrap()),
        ..world.a_pod(name, "big")
    }
}

fn add_pod(world: &mut World, name: &str, named: &[(&str, &str)]) {
    let pod = a_pod(world, name, named);
    world.put_pod(pod);
}

/// A pod that asks for four and is on no node yet.
fn add_pod_without_a_node(world: &mut World, name: &str) {
    let pod = a_pod(world, name, &FOUR);
    world.put_pod(Pod { node: None, ..pod });
}

/// A world in which the pod web has its four ENIs.
fn with_four() -> World {
    let mut world = a_world();
    add_pod(&mut world, "web", &FOUR);
    world.until(MINUTE, "four ENIs", |w| are_ready(w, "web", 4));
    world
}

/// The claims of a pod, by name.
fn claims<'a>(world: &'a World, pod: &str) -> Vec<&'a Claim> {
    let uid = world.store.pods.get(&pod_key(pod)).map(|pod| &pod.uid);
    let all = world.store.claims.values();
    all.filter(|claim| claim.owner.as_ref().map(|owner| &owner.uid) == uid)
        .collect()
}

fn is_ready(claim: &Claim) -> bool {
    claim.status.phase == Some(Phase::Ready)
}

fn are_ready(world: &World, pod: &str, count: usize) -> bool {
    let claims = claims(world, pod);
    claims.len() == count && claims.into_iter().all(is_ready)
}

fn claim<'a>(world: &'a World, pod: &str, interface: &str) -> &'a Claim {
    let is_it = |claim: &&Claim| {
        let name = claim.interface.as_ref();
        name.is_some_and(|name| name.as_str() == interface)
    };
    claims(world, pod).into_iter().find(is_it).unwrap()
}

fn eni(claim: &Claim) -> EniId {
    claim.status.eni.as_ref().unwrap().id.clone()
}

/// What Events said of the pods.
fn said(world: &World) -> Vec<&str> {
    let events = world.log.events.iter();
    let of_pods = events.filter(|(_, event)| matches!(event.about, About::Pod(..)));
    of_pods
        .map(|(_, event)| event.note.message.as_str())
        .collect()
}

#[test]
fn each_interface_has_an_eni_of_its_class_under_its_name_and_all_go_with_the_pod() {
    let mut world = with_four();
    for (interface, class) in FOUR {
        let claim = claim(&world, "web", interface);
        assert!(claim.key.name.ends_with(&format!("-{interface}")));
        assert_eq!(claim.class.as_str(), class);
        let shape = claim.status.interface.as_ref().unwrap();
        assert_eq!(shape.name.as_str(), interface);
        assert_eq!(shape.mtu, (class == "db").then_some(1500));
    }
    assert_eq!(world.calls(Action::CreateNetworkInterface), 4);
    assert_eq!(world.calls(Action::AttachNetworkInterface), 4);
    world.clear();
}

#[test]
fn four_are_ready_hardly_later_than_one() {
    let mut world = a_world();
    let mut millis_of = |count: usize| {
        let (start, name) = (world.now, format!("with-{count}"));
        add_pod(&mut world, &name, &FOUR[..count]);
        world.until(MINUTE, "its ENIs", |w| are_ready(w, &name, count));
        let millis = world.now.since(start);
        world.rest();
        millis
    };
    let (one, four) = (millis_of(1), millis_of(4));
    assert!(four <= one + SECOND, "{four} ms, and one {one} ms");
    world.clear();
}

#[test]
fn a_pod_gets_all_or_none() {
    let mut world = a_world();
    add_pod(&mut world, "web", &[("eni1", "app"), ("eni2", "none")]);
    world.run(LONG);
    assert_eq!(claims(&world, "web"), Vec::<&Claim>::new());
    assert!(said(&world)[0].starts_with("there is no EniClass none"));
    add_class(&mut world, "none");
    world.until(MINUTE, "both", |w| are_ready(w, "web", 2));
    world.clear();
}

#[test]
fn no_eni_is_made_once_one_class_is_closed() {
    let mut world = a_world();
    add_pod_without_a_node(&mut world, "web");
    world.until(MINUTE, "the claims", |w| claims(w, "web").len() == 4);
    world.set_class(|class| class.namespaces = None);
    world.change_pod("web", |pod| pod.node = Some("big".into()));
    world.run(LONG);
    assert_eq!(world.calls(Action::CreateNetworkInterface), 0);
    world.set_class(|class| class.namespaces = Some(operator_core::cluster::Selector::default()));
    world.until(MINUTE, "all four", |w| are_ready(w, "web", 4));
    world.clear();
}

#[test]
fn annotation_that_cannot_be_read_is_told_and_nothing_is_made() {
    let mut world = a_world();
    let pod = world.a_pod("web", "big");
    world.put_pod(Pod {
        malformed: Some(Box::new(api::interfaces::parse("eni1").unwrap_err().into())),
        ..pod
    });
    world.run(MINUTE);
    assert_eq!(world.told(Reason::WrongInterfaces), 1);
    assert!(world.store.claims.is_empty());
}

#[test]
fn eni_that_somebody_takes_away_leaves_the_others_as_they_are() {
    let mut world = with_four();
    world.rest();
    let others = |world: &World| -> Vec<Claim> {
        let claims = claims(world, "web").into_iter();
        let others = claims.filter(|claim| !claim.key.name.ends_with("-eni2"));
        others.cloned().collect()
    };
    let before = others(&world);
    let lost = eni(claim(&world, "web", "eni2"));
    let attachment = claim(&world, "web", "eni2").status.attachment_id().cloned();
    world.somebody(Request::DetachNetworkInterface(Detach {
        attachment: attachment.unwrap().as_str().into(),
        force: false,
    }));
    world.run(2 * SECOND);
    world.somebody(Request::DeleteNetworkInterface(lost.as_str().into()));
    world.until(2 * MINUTE, "another ENI", |w| {
        let claim = claim(w, "web", "eni2");
        let now = claim.status.eni.as_ref();
        now.is_some_and(|eni| eni.id != lost) && claim.status.attachment_id().is_some()
    });
    world.run(LONG);
    assert_eq!(others(&world), before, "not one of them was written");
    let said = said(&world);
    assert!(
        said.iter()
            .any(|text| text.starts_with("interface eni2: ") && text.contains(lost.as_str())),
        "{said:?}"
    );
    world.clear();
}

#[test]
fn events_of_one_pod_name_the_interface() {
    let mut world = a_world();
    add_pod_without_a_node(&mut world, "web");
    world.run(20 * SECOND);
    let said = said(&world);
    let mut once = said.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(said.len(), once.len(), "the same twice: {said:#?}");
    for (interface, _) in FOUR {
        let start = format!("interface {interface}: ");
        let of_it = said.iter().filter(|text| text.starts_with(&start));
        assert_eq!(of_it.count(), 1, "{said:#?}");
    }
}

#[test]
fn claim_of_an_interface_that_its_pod_does_not_ask_for_is_served_to_nobody() {
    let mut world = a_world();
    add_pod(&mut world, "web", &FOUR[..1]);
    world.until(MINUTE, "its ENI", |w| are_ready(w, "web", 1));
    let mut forged = claim(&world, "web", "eni1").clone();
    let name = forged.key.name.replace("-eni1", "-eni9");
    forged.key = Key::new("shop", &name);
    forged.uid = "forged".into();
    forged.interface = Some("eni9".parse().unwrap());
    (forged.status, forged.device) = (api::ClaimStatus::default(), None);
    world.put_claim(forged);
    world.run(LONG);
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    world.clear();
}

#[test]
fn longest_wait_is_that_for_the_last_interface() {
    let mut world = with_four();
    world.rest();
    assert_eq!(world.ops[0].fleet.longest_wait(world.now), None);
    world.change_pod("web", |pod| {
        pod.asks.extend(asks(&[("eni5", "none")]));
        pod.requested = None;
    });
    world.run(10 * SECOND);
    assert!(world.ops[0].fleet.longest_wait(world.now).is_some());
}
