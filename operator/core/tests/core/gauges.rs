//! What is measured of the fleet, and what log lines name.

use operator_core::{
    Fleet, Order, SECOND, Subject,
    cluster::Pod,
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

/// Seconds that the pod has waited which has waited longest; none: none waits.
fn longest_wait(world: &World) -> Option<i64> {
    Some(fleet(world).longest_wait(world.now)? / SECOND)
}

#[test]
fn a_pod_that_asks_waits_until_it_has_its_interface() {
    let mut world = World::new();
    world.agents.delay = 40 * SECOND;
    world.add_pod("web", "n1");
    world.run(20 * SECOND);
    let wait = longest_wait(&world).unwrap();
    assert!((15..=20).contains(&wait), "{wait}");
    world.until(60 * SECOND, "ready", |world| world.is_ready("web"));
    world.rest();
    assert_eq!(longest_wait(&world), None);
}

#[test]
fn a_pod_waits_whatever_stands_in_the_way_before_its_claim_is_bound() {
    type Obstacle = (&'static str, fn(&mut World, &mut Pod));
    let obstacles: [Obstacle; 5] = [
        ("no node", |_, pod| pod.node = None),
        ("no class", |_, pod| pod.asks[0].class = "none".into()),
        ("a wrong count", |_, pod| pod.requested = Some(2)),
        ("no subnet in the zone", |world, _| {
            world.set_class(|class| class.subnets.ids.truncate(1));
        }),
        ("a full node", |world, _| {
            world.ready("one", "n1");
            world.ready("two", "n1");
        }),
    ];
    for (what, put) in obstacles {
        let mut world = World::new();
        let mut pod = world.a_pod("web", "n1");
        put(&mut world, &mut pod);
        pod.created = world.now;
        world.put_pod(pod);
        world.run(100 * SECOND);
        let bound = world
            .claim_of("web")
            .is_some_and(|c| c.status.binding.is_some());
        assert!(!bound, "{what}");
        let wait = longest_wait(&world).unwrap_or_default();
        assert!((90..=100).contains(&wait), "{what}: {wait} s");
        world.change_pod("web", |pod| pod.deleting = true);
        world.run(SECOND);
        assert_eq!(longest_wait(&world), None, "{what}");
    }
}

#[test]
fn a_pod_that_runs_without_an_eni_does_not_wait() {
    let without: [fn(&mut Pod); 2] = [|pod| pod.host_network = true, |pod| pod.annotated = false];
    for without in without {
        let mut world = World::new();
        let mut pod = world.a_pod("web", "n1");
        without(&mut pod);
        world.put_pod(pod);
        world.run(100 * SECOND);
        assert_eq!(longest_wait(&world), None);
    }
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
