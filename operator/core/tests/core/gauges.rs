//! What is measured of the fleet, and what log lines name.

use operator_core::{
    Fleet, Order, SECOND, Subject,
    order::{Effect, Read},
};

use super::{story::pod_key, world::World};

fn fleet(world: &World) -> &Fleet {
    &world.ops[0].fleet
}

#[test]
fn room_of_nodes_and_subnets_is_measured() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let rooms: Vec<_> = fleet(&world).node_rooms().collect();
    let room = |node: &str| {
        let room = rooms.iter().find(|room| room.node.as_str() == node);
        room.map(|room| (room.capacity, room.used))
    };
    assert_eq!((room("n1"), room("n2")), (Some((2, 1)), Some((2, 0))));
    let subnets: Vec<_> = fleet(&world).subnet_rooms().collect();
    assert!(!subnets.is_empty() && subnets.iter().all(|subnet| subnet.free > 0));
}

#[test]
fn only_a_pod_that_is_on_a_node_without_its_interface_waits() {
    let mut world = World::new();
    world.agents.delay = 40 * SECOND;
    world.add_pod("web", "n1");
    world.run(20 * SECOND);
    let wait = fleet(&world).longest_wait(world.now).unwrap();
    assert!((15 * SECOND..=20 * SECOND).contains(&wait), "{wait}");
    world.until(60 * SECOND, "ready", |world| world.is_ready("web"));
    world.rest();
    assert_eq!(fleet(&world).longest_wait(world.now), None);
}

#[test]
fn an_order_about_a_claim_names_its_pod_node_instance_and_eni() {
    let mut world = World::new();
    world.ready("web", "n1");
    let claim = world.claim_of("web").unwrap();
    let eni = claim.status.eni.as_ref().unwrap().id.clone();
    let order = Order::Ec2(operator_core::order::Ec2Order {
        target: operator_core::Target::Claim(claim.key.clone()),
        effect: Effect::Delete { eni: eni.clone() },
        not_after: world.now,
    });
    let subject = fleet(&world).subject(&order);
    assert_eq!(subject.claim.as_ref(), Some(&claim.key));
    assert_eq!(subject.pod, Some(pod_key("web")));
    assert_eq!(
        subject.node.as_ref().map(api::id::NodeName::as_str),
        Some("n1")
    );
    assert_eq!(subject.eni, Some(eni));
    let instance = world.instance_of("n1").to_string();
    assert_eq!(subject.instance.unwrap().to_string(), instance);
    let read = Order::Read(Read::Listing("c1".to_owned()));
    assert_eq!(fleet(&world).subject(&read), Subject::default());
}
