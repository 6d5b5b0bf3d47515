//! What a claim says of its pod.

use operator_core::{
    cluster::{Pod, PodSource},
    order::Action,
};

use super::{
    story::{LONG, pod_key},
    world::World,
};

fn net_admin(world: &World, pod: &str) -> Option<String> {
    let binding = world.claim_of(pod)?.status.binding.as_ref()?;
    binding.net_admin.as_ref().map(ToString::to_string)
}

fn writes(world: &World, pod: &str) -> u32 {
    let name = &world.claim_of(pod).unwrap().key.name;
    world.store.status_writes[name]
}

#[test]
fn a_container_that_can_change_the_network_is_named_without_a_further_write() {
    let mut world = World::new();
    world.ready("plain", "n1");
    let pod = world.a_pod("tool", "n1");
    world.put_pod(Pod {
        net_admin: Some("tcpdump".into()),
        ..pod
    });
    world.until(60_000, "its ENI", |w| w.is_ready("tool"));
    world.rest();
    assert_eq!(net_admin(&world, "plain"), None);
    assert_eq!(net_admin(&world, "tool").as_deref(), Some("tcpdump"));
    assert_eq!(writes(&world, "tool"), writes(&world, "plain"));
    world.clear();
}

#[test]
fn an_ephemeral_container_of_a_running_pod_is_named_by_one_write() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let (before, calls) = (writes(&world, "web"), world.log.mutations.len());
    world.change_pod("web", |pod| pod.net_admin = Some("debugger".into()));
    world.run(LONG);
    assert_eq!(net_admin(&world, "web").as_deref(), Some("debugger"));
    assert!(world.is_ready("web"));
    assert_eq!(writes(&world, "web"), before + 1);
    assert_eq!(world.log.mutations.len(), calls);
    // Without its label no watch shows the pod: what was known of it stays.
    world.change_pod("web", |pod| pod.asks.clear());
    world.run(LONG);
    assert_eq!(net_admin(&world, "web").as_deref(), Some("debugger"));
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
    world.clear();
}

/// As kubelet makes the mirror of a static pod whose manifest has this hash.
fn mirror(world: &mut World, name: &str, hash: &str) {
    let pod = world.a_pod(name, "n1");
    world.put_pod(Pod {
        uid: hash.into(),
        source: PodSource::Static,
        ..pod
    });
}

fn is_bound_to(world: &World, pod: &str, uid: &str) -> bool {
    let claim = world.claim_of(pod).unwrap();
    let bound = claim.status.binding.as_ref().unwrap();
    bound.pod_uid.as_str() == uid
}

#[test]
fn a_static_pod_keeps_its_eni_when_its_mirror_is_deleted_and_made_again() {
    let mut world = World::new();
    mirror(&mut world, "proxy-n1", "0a1b2c");
    world.until(60_000, "its ENI", |w| w.is_ready("proxy-n1"));
    assert!(is_bound_to(&world, "proxy-n1", "0a1b2c"));
    let eni = world.eni_of("proxy-n1");
    for missing in [100, 5_000, 25_000] {
        world.remove_pod("proxy-n1");
        world.run(missing);
        mirror(&mut world, "proxy-n1", "0a1b2c");
        world.run(LONG);
        assert!(world.is_ready("proxy-n1"));
        assert_eq!(world.eni_of("proxy-n1"), eni);
    }
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
    world.clear();
}

#[test]
fn a_static_pod_whose_mirror_stays_away_has_ended_and_may_come_again() {
    let mut world = World::new();
    for made in 1..=2 {
        mirror(&mut world, "proxy-n1", "0a1b2c");
        world.until(60_000, "its ENI", |w| w.is_ready("proxy-n1"));
        assert_eq!(world.calls(Action::CreateNetworkInterface), made);
        world.clear();
    }
}

#[test]
fn another_manifest_is_another_static_pod() {
    let mut world = World::new();
    mirror(&mut world, "proxy-n1", "0a1b2c");
    world.until(60_000, "its ENI", |w| w.is_ready("proxy-n1"));
    let old = world.claim_of("proxy-n1").unwrap().key.clone();
    mirror(&mut world, "proxy-n1", "ffff00");
    world.until(60_000, "another ENI", |w| w.is_ready("proxy-n1"));
    assert!(is_bound_to(&world, "proxy-n1", "ffff00"));
    world.rest();
    assert!(!world.store.claims.contains_key(&old));
    assert_eq!(world.made().len(), 1);
    assert!(world.store.pods.contains_key(&pod_key("proxy-n1")));
    world.clear();
}
