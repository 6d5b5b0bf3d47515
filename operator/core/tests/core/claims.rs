//! One decision after the other, by name.

use operator_core::{
    Reason, Time,
    claim::{ConditionKind, Phase, Slot},
    cluster::Class,
    order::Order,
};
use vpc::world as aws;

use super::world::{World, a_class};

fn settled(pods: &[(&str, &str)]) -> World {
    let mut world = World::new(7);
    world.settle();
    for (pod, node) in pods {
        world.add_pod(pod, Some(node));
    }
    world.settle();
    world
}

fn waits_for(world: &World, pod: &str) -> Reason {
    world
        .claim_of(pod)
        .status
        .condition(ConditionKind::Ready)
        .unwrap()
        .reason
}

#[test]
fn a_pod_gets_its_eni_in_its_zone_and_from_the_top() {
    let world = settled(&[("web", "n1")]);
    let status = &world.claim_of("web").status;
    assert_eq!(status.phase, Some(Phase::Ready));
    assert_eq!(
        status.eni.as_ref().unwrap().subnet.as_str(),
        aws::SUBNET_NODES
    );
    let attachment = status.attachment.as_ref().unwrap();
    assert_eq!(attachment.slot, Slot { card: 0, index: 2 });
    assert!(
        status.addresses[0].address.ends_with("/24") && status.addresses[0].gateway == "10.0.1.1"
    );
    let stages = [
        status.timeline.requested,
        status.timeline.created,
        status.timeline.attached,
    ];
    assert!(stages.is_sorted() && stages[0].is_some());
    assert!(
        world
            .vpc
            .leaks()
            .all(|eni| eni.attachment().unwrap().delete_on_termination)
    );
}

#[test]
fn nothing_is_left_when_the_pod_is_gone() {
    let mut world = settled(&[("web", "n1")]);
    world.remove_pod("web");
    world.settle();
    assert_eq!((world.claims.len(), world.vpc.leaks().count()), (0, 0));
}

#[test]
fn five_calls_make_and_unmake_an_eni() {
    let mut world = settled(&[("web", "n1")]);
    let uid = world.claim_of("web").uid.clone();
    // Create, an Attach that came too early, Attach, DeleteOnTermination.
    assert_eq!(world.effects[&uid], 4);
    world.remove_pod("web");
    world.settle();
    assert_eq!(world.effects[&uid], 6);
}

#[test]
fn an_unscheduled_pod_has_a_claim_that_says_so() {
    let mut world = World::new(7);
    world.add_pod("web", None);
    world.settle();
    assert_eq!(waits_for(&world, "web"), Reason::NotScheduled);
    assert_eq!(world.vpc.leaks().count(), 0);
    assert!(
        world.told.iter().any(
            |note| note.reason == Reason::NotScheduled && note.message.contains("2 of 2 nodes")
        ),
        "{:?}",
        world.told
    );
}

#[test]
fn a_full_node_makes_no_eni_and_mends_itself() {
    let mut world = settled(&[("a", "n1"), ("b", "n1"), ("c", "n1")]);
    assert_eq!(waits_for(&world, "c"), Reason::NodeFull);
    assert_eq!(world.vpc.leaks().count(), 2);
    assert!(
        world
            .told
            .iter()
            .any(|note| note.reason == Reason::NodeFull)
    );
    world.remove_pod("a");
    world.settle();
    assert_eq!(world.phase_of("c"), Some(Phase::Ready));
}

#[test]
fn a_full_subnet_gives_way_to_the_next_with_a_new_token() {
    let mut world = World::new(7);
    world.set_class(Class {
        subnets: vec![aws::SUBNET_SMALL.into(), aws::SUBNET_NODES.into()],
        ..a_class()
    });
    fill_small_subnet(&mut world);
    world.add_pod("web", Some("n1"));
    world.settle();
    let status = &world.claim_of("web").status;
    assert_eq!(status.phase, Some(Phase::Ready));
    let creation = status.creation.as_ref().unwrap();
    assert_eq!(
        (creation.incarnation, creation.request.subnet.as_str()),
        (2, aws::SUBNET_NODES)
    );
    assert_eq!(status.last_error, None);
}

#[test]
fn a_class_whose_only_subnet_is_full_waits_and_says_so() {
    let mut world = World::new(7);
    world.set_class(Class {
        subnets: vec![aws::SUBNET_SMALL.into()],
        ..a_class()
    });
    fill_small_subnet(&mut world);
    world.add_pod("web", Some("n1"));
    world.live(600_000);
    let status = &world.claim_of("web").status;
    assert_eq!(
        status.last_error.as_ref().unwrap().code,
        "InsufficientFreeAddressesInSubnet"
    );
    assert!(
        world
            .told
            .iter()
            .any(|note| note.reason == Reason::SubnetFull)
    );
}

#[test]
fn all_who_wait_for_a_subnet_go_on_when_it_has_addresses_again() {
    let mut world = World::new(7);
    world.set_class(Class {
        subnets: vec![aws::SUBNET_SMALL.into()],
        ..a_class()
    });
    let others = fill_small_subnet(&mut world);
    world.add_pod("a", Some("n1"));
    world.live(20_000);
    world.add_pod("b", Some("n2"));
    world.live(60_000);
    assert_eq!(waits_for(&world, "b"), Reason::SubnetFull);
    for eni in &others[..2] {
        let delete = vpc::Request::DeleteNetworkInterface(eni.clone());
        world.vpc.call(delete, 0).unwrap();
    }
    world.settle();
    assert_eq!(
        [world.phase_of("a"), world.phase_of("b")],
        [Some(Phase::Ready); 2]
    );
}

#[test]
fn a_group_that_does_not_exist_is_told_and_mended_by_the_class() {
    let mut world = World::new(7);
    world.set_class(Class {
        groups: vec!["sg-0bad0bad".into()],
        ..a_class()
    });
    world.add_pod("web", Some("n1"));
    world.live(600_000);
    assert_eq!(waits_for(&world, "web"), Reason::Refused);
    let error = world.claim_of("web").status.last_error.clone().unwrap();
    assert_eq!(error.code, "InvalidGroup.NotFound");
    assert!(error.attempts > 1 && error.request_id.is_some());
    assert_eq!(world.vpc.leaks().count(), 0);
    world.set_class(a_class());
    world.settle();
    assert_eq!(world.phase_of("web"), Some(Phase::Ready));
}

#[test]
fn a_subnet_that_does_not_exist_is_named() {
    let mut world = World::new(7);
    world.set_class(Class {
        subnets: vec!["subnet-0bad0bad".into()],
        ..a_class()
    });
    world.add_pod("web", Some("n1"));
    world.settle();
    assert_eq!(waits_for(&world, "web"), Reason::SubnetNotFound);
    assert!(
        world
            .told
            .iter()
            .any(|note| note.message.contains("subnet-0bad0bad"))
    );
}

#[test]
fn an_unknown_class_makes_no_claim_but_an_event() {
    let mut world = World::new(7);
    world.set_class(Class {
        name: "other".into(),
        ..a_class()
    });
    world.crash();
    world.add_pod("web", Some("n1"));
    world.settle();
    assert!(world.claims.is_empty());
    let told = world
        .told
        .iter()
        .filter(|note| note.reason == Reason::ClassNotFound)
        .count();
    assert!((1..4).contains(&told), "told {told} times");
}

#[test]
fn a_claim_without_eni_lets_go_at_once() {
    let mut world = World::new(7);
    world.add_pod("web", None);
    world.settle();
    world.remove_pod("web");
    world.settle();
    assert!(world.claims.is_empty());
    assert!(world.effects.is_empty(), "EC2 was called for nothing");
}

#[test]
fn an_enis_slot_is_published_as_taken_until_it_is_gone() {
    let mut world = settled(&[("web", "n1")]);
    let report = |world: &World| world.reports[&"n1".into()].report.clone();
    assert_eq!(report(&world).capacity, Some(2));
    assert_eq!(world.nodes[&"n1".into()].published, (Some(2), Some(2)));
    assert!(world.nodes[&"n1".into()].classes.contains(&"app".into()));
    let card = report(&world).cards[0];
    assert_eq!((card.limit, card.foreign, card.ours), (3, 1, 1));
    world.remove_pod("web");
    world.settle();
    assert_eq!(
        (report(&world).cards[0].ours, report(&world).slots.len()),
        (0, 1)
    );
}

#[test]
fn a_dead_instance_needs_no_release() {
    let mut world = settled(&[("web", "n1")]);
    let instance = world
        .claim_of("web")
        .status
        .binding
        .clone()
        .unwrap()
        .instance;
    let now = world.millis();
    world.vpc.terminate(&instance.as_str().into(), now).unwrap();
    world.remove_pod("web");
    world.nodes.remove(&"n1".into());
    world.crash();
    world.settle();
    assert_eq!((world.claims.len(), world.vpc.leaks().count()), (0, 0));
}

#[test]
fn at_rest_nothing_is_written_and_nothing_changed() {
    let mut world = settled(&[("a", "n1"), ("b", "n2")]);
    let until = world.now.after(3_600_000);
    while world.now < until {
        world.pass(5_000);
        while !world.orders.is_empty() {
            assert!(
                matches!(world.orders[0], Order::Ask(_)),
                "{:?}",
                world.orders
            );
            world.carry_out(0, false);
        }
    }
    assert!(world.now > Time(0));
}

/// Others take all addresses; what they made.
fn fill_small_subnet(world: &mut World) -> Vec<vpc::EniId> {
    let create = || {
        vpc::Request::CreateNetworkInterface(vpc::Create {
            subnet: aws::SUBNET_SMALL.into(),
            address: None,
            groups: [].into(),
            description: String::new(),
            tags: [].into(),
            client_token: None,
        })
    };
    let mut made = Vec::new();
    while let Ok(vpc::Response::Created(eni)) = world.vpc.call(create(), 0) {
        made.push(eni.id);
    }
    made
}
