//! What a pod's life costs: writes, calls, Events.

use operator_core::{Reason, SECOND, order::Action};

use super::{story::LONG, world::World};

#[test]
fn a_pods_life_costs_few_writes_calls_and_events() {
    let mut world = World::new();
    world.rest();
    let before = world.log.writes.len();
    world.ready("web", "n1");
    world.rest();
    let name = world.claim_of("web").unwrap().key.name.clone();
    let up = world.store.status_writes[&name];
    assert!(up <= 4, "{up} status writes up");
    world.remove_pod("web");
    world.rest();
    let down = world.store.status_writes[&name] - up;
    assert!(down <= 1, "{down} status writes down");
    let calls = |action| world.calls(action);
    assert_eq!(calls(Action::CreateNetworkInterface), 1);
    assert_eq!(calls(Action::AttachNetworkInterface), 1);
    assert_eq!(calls(Action::ModifyNetworkInterfaceAttribute), 1);
    assert_eq!(calls(Action::DetachNetworkInterface), 1);
    assert_eq!(calls(Action::DeleteNetworkInterface), 1);
    assert_eq!(world.log.events, [], "nothing went wrong: no Event");
    let writes = world.log.writes.len() - before;
    assert!(
        writes <= 12,
        "{writes} writes: {:?}",
        &world.log.writes[before..]
    );
}

#[test]
fn a_pod_that_comes_and_goes_at_once_costs_its_nodes_report_no_write() {
    let mut world = World::new();
    world.rest();
    let before = world.log.writes.len();
    world.ready("web", "n1");
    world.remove_pod("web");
    world.rest();
    let kinds: Vec<&str> = world.log.writes[before..].iter().map(|w| w.1).collect();
    assert!(
        !kinds.contains(&"report") && kinds.contains(&"status"),
        "{kinds:?}"
    );
}

#[test]
fn a_restart_tells_nothing_good_again() {
    let mut world = World::new();
    world.ready("web", "n1");
    let key = world.claim_of("web").unwrap().key.clone();
    world.delete_claim(&key);
    world.rest();
    for _ in 0..3 {
        world.crash(0);
        world.rest();
    }
    assert_eq!(world.told(Reason::InUse), 1);
    assert_eq!(world.log.events.len(), 1, "{:?}", world.log.events);
}

#[test]
fn at_rest_only_the_listing_is_read() {
    let mut world = World::new();
    for n in 0..2 {
        world.ready(&format!("p{n}"), "n1");
    }
    world.rest();
    let (orders, enis) = (
        world.log.orders,
        world.reads(Action::DescribeNetworkInterfaces),
    );
    world.run(LONG);
    assert!(world.reads(Action::DescribeNetworkInterfaces) - enis <= 21);
    assert!(
        world.log.orders - orders <= 30,
        "{}",
        world.log.orders - orders
    );
}

#[test]
fn one_attach_a_pod_however_long_the_eni_is_pending() {
    for create_ms in [0, 500, 1_000, 4_000, 20_000] {
        let mut world = World::new();
        world.vpc.delays.create_ms = create_ms;
        world.ready("web", "n1");
        assert_eq!(
            world.calls(Action::AttachNetworkInterface),
            1,
            "{create_ms}"
        );
        world.clear();
    }
}

#[test]
fn a_slow_agent_costs_one_write_more() {
    let mut world = World::new();
    world.agents.delay = 12 * SECOND;
    world.add_pod("web", "n1");
    world.until(120 * SECOND, "ready", |w| w.is_ready("web"));
    world.rest();
    let name = world.claim_of("web").unwrap().key.name.clone();
    assert!(
        world.store.status_writes[&name] <= 6,
        "{}",
        world.store.status_writes[&name]
    );
    world.clear();
}
