//! What a claim says of its pod.

use operator_core::order::Action;

use super::{story::LONG, world::World};

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
    world.put_pod(operator_core::cluster::Pod {
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
