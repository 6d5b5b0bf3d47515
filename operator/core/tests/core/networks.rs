//! Classes whose ENI is primary: claims wait until the networks of Services are known, which are frozen with the interface.

use api::{interface::DefaultRoute, ipnet::IpNet};
use operator_core::{
    Change, Fact, Fleet, Reason, SECOND, Settings,
    cluster::{Class, ServiceCidr},
    order::Action,
};

use crate::world::World;

fn primary(class: &mut Class) {
    class.interface.default_route = DefaultRoute::Primary;
}

fn cidr(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn services(cidrs: &[&str]) -> Fact {
    Fact::ServiceCidrs(Change::All(vec![ServiceCidr {
        name: "kubernetes".into(),
        cidrs: cidrs.iter().map(|one| cidr(one)).collect(),
    }]))
}

fn frozen(world: &World) -> Vec<String> {
    let interface = world
        .claim_of("web")
        .and_then(|claim| claim.status.interface.clone());
    let cidrs = interface
        .map(|interface| interface.cluster_cidrs)
        .unwrap_or_default();
    cidrs.iter().map(ToString::to_string).collect()
}

#[test]
fn a_primary_class_waits_for_the_networks_of_services_and_freezes_them_with_the_interface() {
    let mut world = World::new();
    world.set_class(primary);
    world.add_pod("web", "n1");
    world.run(20 * SECOND);
    assert_eq!(world.reason_of("web").as_deref(), Some("ServicesUnknown"));
    assert_eq!(world.calls(Action::CreateNetworkInterface), 0);
    assert!(world.told(Reason::ServicesUnknown) >= 1);
    // An API server that serves them and shows none tells nothing.
    world.show(&services(&[]));
    world.run(5 * SECOND);
    assert_eq!(world.reason_of("web").as_deref(), Some("ServicesUnknown"));
    world.show(&services(&["10.96.0.0/12", "fd00:10:96::/112"]));
    world.until(20 * SECOND, "ready", |world| world.is_ready("web"));
    assert_eq!(frozen(&world), ["10.96.0.0/12", "fd00:10:96::/112"]);
    // Not under a running pod.
    world.show(&services(&["10.100.0.0/16"]));
    world.rest();
    assert_eq!(frozen(&world), ["10.96.0.0/12", "fd00:10:96::/112"]);
    world.clear();
}

#[test]
fn networks_from_outside_and_of_the_class_are_taken_together_with_those_of_the_api() {
    let mut world = World::with(Settings {
        cluster_id: Some("c1".into()),
        cluster_cidrs: vec![cidr("10.244.0.0/16")],
        ..Settings::default()
    });
    world.set_class(|class| {
        primary(class);
        class.interface.cluster_cidrs = vec![cidr("10.9.0.0/16"), cidr("10.96.0.0/12")];
    });
    world.show(&services(&["10.96.0.0/12"]));
    world.add_pod("web", "n1");
    world.until(20 * SECOND, "ready", |world| world.is_ready("web"));
    assert_eq!(
        frozen(&world),
        ["10.9.0.0/16", "10.96.0.0/12", "10.244.0.0/16"]
    );
    world.clear();
}

/// A class with networks of its own would freeze those alone, and the pod would not reach Services.
#[test]
fn nothing_is_decided_before_the_networks_of_services_are_listed() {
    let world = World::new();
    let mut fleet = Fleet::new(Settings::default());
    let lists = world.store.lists().into_iter();
    let (services, others): (Vec<_>, Vec<_>) =
        lists.partition(|fact| matches!(fact, Fact::ServiceCidrs(_)));
    for fact in others {
        fleet.learn(fact, world.now);
    }
    assert!(fleet.next(world.now).is_empty());
    assert!(fleet.readiness().unwrap_err().contains("servicecidrs"));
    for fact in services {
        fleet.learn(fact, world.now);
    }
    assert!(!fleet.next(world.now).is_empty());
}

/// Their own routes decide: nothing of the cluster's is needed, and nothing is frozen.
#[test]
fn other_classes_wait_for_no_networks_and_freeze_none() {
    for mode in [DefaultRoute::Never, DefaultRoute::Fallback] {
        let mut world = World::new();
        world.set_class(|class| class.interface.default_route = mode);
        world.show(&services(&["10.96.0.0/12"]));
        world.add_pod("web", "n1");
        world.until(20 * SECOND, "ready", |world| world.is_ready("web"));
        assert_eq!(frozen(&world), Vec::<String>::new());
        world.clear();
    }
}
