//! What is written on pods: once, for all their interfaces, and again when somebody takes it away.

use api::SmolStr;
use operator_core::{
    Fact, Reason, SECOND,
    cluster::Pod,
    marks::{Network, Networks},
};

use super::{
    lost,
    story::{LONG, pod_key},
    world::{World, set},
};

fn pod(world: &World) -> &Pod {
    &world.store.pods[&pod_key("web")]
}

fn ours(world: &World) -> Vec<Network> {
    match &pod(world).marks.networks {
        Networks::List { ours, .. } => ours.to_vec(),
        Networks::Unreadable => panic!("no list"),
    }
}

/// Somebody else writes the whole annotation.
fn overwrite(world: &mut World, networks: Networks) {
    world.change_pod("web", |pod| pod.marks.networks = networks);
}

fn of_multus() -> Networks {
    Networks::List {
        others: [SmolStr::new(r#"{"name":"pods"}"#)].into(),
        ours: Box::default(),
    }
}

fn writes(world: &World) -> usize {
    world.log.writes.iter().filter(|w| w.1 == "marks").count()
}

#[test]
fn addresses_are_on_the_pod_before_its_eni_is_attached() {
    let mut world = World::new();
    world.vpc.delays.attach_ms = 20_000;
    world.add_pod("web", "n1");
    world.until(20 * SECOND, "named", |w| !ours(w).is_empty());
    let claim = world.claim_of("web").unwrap();
    assert_eq!(claim.status.attachment_id(), None);
    let (eni, ipam) = (
        claim.status.eni.clone().unwrap(),
        claim.status.ipam.clone().unwrap(),
    );
    assert_eq!(
        ours(&world),
        [Network {
            class: "app".into(),
            interface: "eni0".parse().unwrap(),
            ips: [ipam.addresses[0].address].into(),
            mac: eni.mac,
        }]
    );
    assert_eq!(pod(&world).marks.ready, None);
    world.until(60 * SECOND, "ready", |w| pod(w).marks.ready == Some(true));
    assert!(world.is_ready("web"));
    // As first plugin, or behind one that moved the device, the agent gives it another name.
    let mut claim = world.claim_of("web").unwrap().clone();
    claim.device.as_mut().unwrap().if_name = Some("eth0".into());
    assert_eq!(claim.interface_name(), "eth0");
    world.rest();
    assert_eq!(writes(&world), 2);
    world.run(LONG);
    assert_eq!(writes(&world), 2);
}

#[test]
fn entries_of_others_stay_and_ours_is_put_back_once() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let (before, wanted) = (writes(&world), ours(&world));
    overwrite(&mut world, of_multus());
    world.rest();
    assert_eq!((ours(&world), writes(&world)), (wanted.clone(), before + 1));
    let Networks::List { others, .. } = &pod(&world).marks.networks else {
        panic!("no list");
    };
    assert_eq!(others.len(), 1);
    // Taken away again and again, it is written every ten seconds at most.
    for _ in 0..100 {
        overwrite(&mut world, of_multus());
        world.run(SECOND);
    }
    let again = writes(&world) - before - 1;
    assert!((5..=11).contains(&again), "{again}");
    overwrite(&mut world, Networks::Unreadable);
    world.rest();
    assert_eq!(pod(&world).marks.networks, Networks::Unreadable);
}

#[test]
fn a_pod_that_lost_its_eni_is_not_ready_any_more() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    lost::delete_eni(&mut world, "web");
    world.until(120 * SECOND, "not ready", |w| {
        pod(w).marks.ready == Some(false)
    });
}

#[test]
fn a_late_watch_and_a_restart_write_nothing_again() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let mut late = pod(&world).clone();
    late.marks.networks = Networks::default();
    late.marks.ready = None;
    late.marks.version = "1".into();
    let before = writes(&world);
    world.show(&Fact::Pods(set(&late)));
    world.rest();
    world.crash(0);
    world.rest();
    assert_eq!(writes(&world), before);
}

#[test]
fn a_refused_write_is_told_on_the_pod_and_holds_up_nothing() {
    let mut world = World::new();
    world.store.refuses_marks = true;
    world.ready("web", "n1");
    world.run(60 * SECOND);
    assert_eq!(world.told(Reason::WriteRefused), 1);
    world.store.refuses_marks = false;
    world.until(60 * SECOND, "written", |w| pod(w).marks.ready == Some(true));
    world.clear();
}
