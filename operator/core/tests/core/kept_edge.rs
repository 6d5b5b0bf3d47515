//! Claims that were made by hand while other things happen: classes are edited, namespaces and statuses are lost, leaders change.

use api::{
    claim::{ClaimStatus, Phase},
    id::SecurityGroupId,
};
use operator_core::{Reason, order::Action};
use vpc::world as aws;

use super::{
    kept::{gone, gone_with_pod, with_claim},
    story::{LONG, pod_key},
    world::World,
};

fn groups(world: &World) -> Vec<String> {
    let mut enis = world.vpc.enis().filter(|eni| !eni.is_primary());
    let eni = enis.next().expect("an ENI");
    eni.groups.iter().map(ToString::to_string).collect()
}

#[test]
fn eni_that_waits_follows_the_groups_of_its_class_at_once() {
    let (mut world, _) = with_claim();
    world.set_class(|class| class.groups.ids = vec![aws::GROUP_DEFAULT.parse().unwrap()]);
    world.run(LONG);
    assert_eq!(groups(&world), [aws::GROUP_DEFAULT]);
    assert_eq!(world.ready_reason("db"), "Available");
    let status = &world.claim("db").status;
    assert_eq!(status.phase, Some(Phase::Available));
    let default: SecurityGroupId = aws::GROUP_DEFAULT.parse().unwrap();
    assert_eq!(status.eni.as_ref().unwrap().security_group_ids, [default]);
    world.rest();
    gone(&mut world, "db");
}

#[test]
fn pod_gets_the_eni_only_with_the_groups_of_its_class() {
    let (mut world, _) = with_claim();
    // EC2 has been read for another class: nothing is waited for.
    let mut other = world.store.classes[&"app".into()].clone();
    other.name = "two".into();
    other.groups.ids = vec![aws::GROUP_DEFAULT.parse().unwrap()];
    world.put_class(other);
    world.run(LONG);
    world.set_class(|class| class.groups.ids = vec![aws::GROUP_DEFAULT.parse().unwrap()]);
    world.use_by("web", "db", "n1");
    assert_eq!(groups(&world), [aws::GROUP_DEFAULT]);
    let calls = &world.log.mutations;
    let first = |action| calls.iter().position(|(_, a, _)| *a == action);
    assert!(first(Action::ModifyNetworkInterfaceAttribute) < first(Action::AttachNetworkInterface));
    world.rest();
    gone_with_pod(&mut world);
}

#[test]
fn claim_that_waits_or_changes_pods_halts_no_rollout() {
    let (mut world, _) = with_claim();
    world.use_by("web", "db", "n1");
    world.run(LONG);
    world.set_class(|class| class.groups.ids = vec![aws::GROUP_DEFAULT.parse().unwrap()]);
    world.run(60_000);
    world.remove_pod("web");
    world.run(LONG);
    world.use_by("next", "db", "n2");
    world.run(LONG);
    assert_eq!(world.told(Reason::RolloutHalted), 0);
    world.remove_pod("next");
    gone(&mut world, "db");
}

#[test]
fn class_of_several_zones_waits_for_a_pod_while_its_subnets_are_read() {
    let mut world = World::new();
    world.in_one_zone();
    world.run(LONG);
    let mut other = world.store.classes[&"app".into()].clone();
    other.name = "two".into();
    other.subnets.ids = [aws::SUBNET_NODES, aws::SUBNET_ZONE_B]
        .map(|id| id.parse().unwrap())
        .into();
    world.put_class(other);
    world.claim_by_hand("db");
    world.change_claim(&pod_key("db"), |claim| claim.class = "two".into());
    world.run(LONG);
    assert_eq!(world.ready_reason("db"), "WaitingForPod");
    assert_eq!(world.made(), []);
    gone(&mut world, "db");
}

/// As after a backup that lacks it.
fn lose_status(world: &mut World) {
    world.change_claim(&pod_key("db"), |claim| {
        claim.status = ClaimStatus::default();
        claim.device = None;
    });
    world.crash(0);
    world.run(LONG);
}

#[test]
fn lost_status_is_rebuilt_for_the_pod_that_has_the_eni() {
    for is_deleting in [false, true] {
        let (mut world, eni) = with_claim();
        world.add_user("older", "db", "n2");
        world.change_pod("older", |pod| pod.node = None);
        world.use_by("web", "db", "n1");
        world.change_pod("older", |pod| pod.node = Some("n2".into()));
        world.change_pod("web", |pod| pod.deleting = is_deleting);
        world.run(LONG);
        lose_status(&mut world);
        let held = world.agents.plugged.get(&eni).map(|(_, pod)| pod.clone());
        let web = world.store.pods[&pod_key("web")].uid.clone();
        assert_eq!(held, Some(web), "{}", world.picture());
        assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
        world.remove_pod("web");
        world.until(60_000, "the next one has it", |w| w.uses("older", "db"));
        world.remove_pod("older");
        gone(&mut world, "db");
    }
}

#[test]
fn status_that_was_lost_while_the_claim_is_deleted_leaves_nothing_behind() {
    let (mut world, _) = with_claim();
    world.use_by("web", "db", "n1");
    world.delete_claim(&pod_key("db"));
    world.run(LONG);
    lose_status(&mut world);
    assert!(
        world.store.claims.contains_key(&pod_key("db")),
        "{}",
        world.picture()
    );
    world.remove_pod("web");
    world.run(LONG);
    assert_eq!(world.made(), [], "{}", world.picture());
    world.clear();
}

#[test]
fn eni_whose_claim_is_lost_stays_and_is_told() {
    let (mut world, eni) = with_claim();
    world.lose_claim("db");
    for _ in 0..6 {
        world.run(LONG);
    }
    assert_eq!(world.made(), [eni]);
    assert_eq!(world.told(Reason::ClaimLost), 1);
    assert_eq!(world.told(Reason::Swept), 0);
}

#[test]
fn pod_whose_claim_waits_for_its_node_is_told_why() {
    let mut world = World::new();
    world.set_class(|class| {
        class.subnets.ids = [aws::SUBNET_NODES, aws::SUBNET_ZONE_B]
            .map(|id| id.parse().unwrap())
            .into();
    });
    world.claim_by_hand("db");
    let mut node = world.store.nodes[&"n1".into()].clone();
    node.instance = Err("it is a Fargate node".into());
    world.put_node(node);
    world.add_user("web", "db", "n1");
    world.run(LONG);
    let events = world.log.events.iter();
    let about = events.filter(|(_, event)| event.note.reason == Reason::NodeUnsupported);
    let about: Vec<_> = about
        .map(|(_, event)| format!("{:?}", event.about))
        .collect();
    assert!(about.iter().any(|about| about.contains("web")), "{about:?}");
    world.remove_pod("web");
    gone(&mut world, "db");
}

#[test]
fn pod_that_has_the_eni_is_told_nothing_when_claim_and_class_go() {
    let (mut world, _) = with_claim();
    world.use_by("web", "db", "n1");
    world.delete_claim(&pod_key("db"));
    world.run(LONG);
    world.run(LONG);
    assert_eq!(world.told(Reason::ClaimUnusable), 0);
    world.remove_pod("web");
    world.clear();
}

#[test]
fn new_leader_does_not_repeat_what_is_well() {
    let (mut world, _) = with_claim();
    let told = world.told(Reason::Available);
    world.crash(0);
    world.run(LONG);
    assert_eq!(world.told(Reason::Available), told);
    gone(&mut world, "db");
}
