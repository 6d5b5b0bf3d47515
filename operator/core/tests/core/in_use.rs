//! A claim whose pod lives stays, whatever anybody deletes or makes.

use operator_core::{
    Reason,
    claim::Owner,
    cluster::{Key, PodSource},
    order::Action,
};

use super::{
    story::{LONG, pod_key},
    world::World,
};

#[test]
fn a_pod_gets_its_eni_and_everything_goes_with_it() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    assert_eq!(world.made().len(), 1);
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    assert_eq!(world.calls(Action::AttachNetworkInterface), 1, "one Attach");
    world.clear();
}

/// Cases: A07.
#[test]
fn a_deleted_claim_of_a_living_pod_stays_in_use_and_goes_with_the_pod() {
    let mut world = World::new();
    world.ready("web", "n1");
    let (key, eni) = (
        world.claim_of("web").unwrap().key.clone(),
        world.eni_of("web"),
    );
    world.delete_claim(&key);
    world.run(LONG);
    assert!(world.is_ready("web"));
    assert_eq!(world.eni_of("web"), eni);
    assert_eq!(world.reason_of("web").as_deref(), Some("InUse"));
    assert_eq!(world.told(Reason::InUse), 1);
    assert_eq!(world.made().len(), 1, "no second ENI");
    world.clear();
}

#[test]
fn a_claim_deleted_on_its_way_up_still_comes_up() {
    for wait in [5, 50, 400, 900, 1_700, 2_200, 3_000] {
        let mut world = World::new();
        world.add_pod("web", "n1");
        world.until(5_000, "a claim", |w| w.claim_of("web").is_some());
        world.run(wait);
        let key = world.claim_of("web").unwrap().key.clone();
        world.delete_claim(&key);
        world.until(60_000, "it comes up", |w| w.is_ready("web"));
        world.rest();
        assert!(world.is_ready("web"));
        assert_eq!(
            world.calls(Action::AttachNetworkInterface),
            1,
            "deleted after {wait}"
        );
        world.clear();
    }
}

#[test]
fn a_second_claim_of_the_same_pod_is_served_to_nobody_and_loops_nothing() {
    let mut world = World::new();
    world.ready("web", "n1");
    let first = world.claim_of("web").unwrap().clone();
    let second = operator_core::claim::Claim {
        key: Key::new("shop", "another"),
        uid: "another".into(),
        finalizer: false,
        status: api::ClaimStatus::default(),
        device: None,
        leased: None,
        ..first.clone()
    };
    world.put_claim(second.clone());
    world.rest();
    let pod = &world.store.pods[&pod_key("web")];
    assert_eq!(pod.marks.ready, Some(true), "the second says nothing of it");
    let orders = world.log.orders;
    world.delete_claim(&second.key);
    world.run(LONG);
    assert!(world.is_ready("web"), "the first one serves the pod");
    assert!(
        world.log.orders - orders < 40,
        "{}",
        world.log.orders - orders
    );
    assert_eq!(world.made().len(), 1);
    world.clear();
}

#[test]
fn a_claim_name_taken_by_another_owner_is_told_and_free_again_once_that_is_gone() {
    for owner in [
        None,
        Some(Owner {
            name: "other".into(),
            uid: "other".into(),
            source: PodSource::Api,
        }),
    ] {
        let mut world = World::new();
        world.ready("template", "n1");
        let template = world.claim_of("template").unwrap().clone();
        world.remove_pod("template");
        world.rest();
        let uid = "web-uid-of-mine";
        let name = operator_core::token::claim_name(&"web".into(), &uid.into(), None);
        let squatter = operator_core::claim::Claim {
            key: pod_key(&name),
            uid: "squatter".into(),
            finalizer: false,
            owner,
            status: api::ClaimStatus::default(),
            device: None,
            leased: None,
            ..template
        };
        world.put_claim(squatter.clone());
        let pod = world.a_pod("web", "n1");
        world.put_pod(operator_core::cluster::Pod {
            uid: uid.into(),
            ..pod
        });
        world.run(5_000);
        assert_eq!(world.told(Reason::ClaimNameTaken), 1);
        world.rest();
        world.delete_claim(&squatter.key);
        world.until(10_000, "the name is free", |w| w.is_ready("web"));
        world.rest();
        world.clear();
    }
}

#[test]
fn a_pod_that_lost_its_label_keeps_its_eni_and_a_claim_for_nobody_goes_with_its_pod() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.change_pod("web", |pod| pod.asks.clear());
    world.run(LONG);
    assert!(world.is_plugged("web"));
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
    world.clear();
}

#[test]
fn nobody_waits_for_the_slot_of_a_claim_that_is_deleted_and_still_in_use() {
    let mut world = World::new();
    world.ready("a", "n1");
    world.agents.away.insert("n1".into());
    world.add_pod("b", "n1");
    world.run(20_000);
    for pod in ["a", "b"] {
        let key = world.claim_of(pod).unwrap().key.clone();
        world.delete_claim(&key);
    }
    world.run(5_000);
    world.add_pod("c", "n1");
    world.run(20_000);
    assert_eq!(world.reason_of("c").as_deref(), Some("NodeFull"));
    assert_eq!(
        world.eni_of("c"),
        None,
        "no ENI for a slot that will not come"
    );
    world.agents.away.clear();
    world.stir();
    world.until(10_000, "b comes up", |w| w.is_ready("b"));
    world.remove_pod("a");
    world.until(30_000, "its slot", |w| w.is_ready("c"));
    world.rest();
    world.clear();
}
