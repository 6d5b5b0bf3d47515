//! What is done about ports, and what is answered.

use std::collections::BTreeSet;

use node_agent_core::{
    facts::{Facts, Liveness, Netns, Retry, Survey, Verb, Wanted},
    plan::{Answer, Order, PortOrder, plan},
    port::{Bridge, Port, PortAsked, PortKey, PortSeen, PortState},
    replaced::Release,
};

use super::{a_pool, addresses_alone, net, on_bridge};
use crate::makers::{a_sandbox, orders};

const SUBNET: &str = "10.0.0.0/29";

fn add(asked: PortAsked) -> Verb {
    Verb::Add(Wanted::Port(Box::new(asked)))
}

/// An agent that has looked at the bridge and found nobody.
pub fn an_agent() -> Facts {
    let mut facts = Facts::default();
    facts.ports.surveyed("ecs-br0", 0, Ok(BTreeSet::new()));
    facts
}

/// The port that a container gets who asks first.
pub fn a_port(asked: &PortAsked) -> Port {
    let mut facts = Facts::default();
    let name = asked.bridge.as_ref().map(|bridge| &*bridge.name);
    facts
        .ports
        .surveyed(name.unwrap_or_default(), 0, Ok(BTreeSet::new()));
    facts.ask(1, a_sandbox("c1"), add(asked.clone()), 0);
    ordered(&facts).remove(0)
}

/// The ports that are to be added now.
fn ordered(facts: &Facts) -> Vec<Port> {
    let ports = plan(facts, 0).orders.into_iter().map(|order| match order {
        Order::Port(PortOrder::Add { port, .. }) => *port,
        other => panic!("{other:?}"),
    });
    ports.collect()
}

/// Takes in that the port is being added for the request.
fn begin(facts: &mut Facts, id: u64, port: Port) -> PortKey {
    let key = port.key().unwrap();
    facts.ports.begin(key, port);
    facts.requests.get_mut(&id).unwrap().port = Some(key);
    key
}

/// An agent whose container `c1` has a port, as it asked.
fn with_port(asked: &PortAsked) -> (Facts, PortKey) {
    let mut facts = an_agent();
    let port = Port {
        state: PortState::Added,
        ..a_port(asked)
    };
    let key = port.key().unwrap();
    facts.ports.all.insert(key, port);
    (facts, key)
}

fn answer(facts: &Facts) -> Answer {
    match orders(facts, 0).as_slice() {
        [Order::Answer(_, answer)] => answer.clone(),
        other => panic!("{other:?}"),
    }
}

fn later(facts: &Facts) -> String {
    match answer(facts) {
        Answer::Later(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bridge_is_looked_at_before_an_address_is_given() {
    let mut facts = Facts::default();
    facts.ask(1, a_sandbox("c1"), add(on_bridge(SUBNET)), 0);
    facts.ask(2, a_sandbox("c2"), add(on_bridge(SUBNET)), 0);
    let survey = Order::Port(PortOrder::Survey("ecs-br0".into()));
    assert_eq!(orders(&facts, 0), [survey]);
    facts.ports.surveys.insert("ecs-br0".into(), Survey::Begun);
    assert_eq!(orders(&facts, 0), []);
    // A container of the plugin that is replaced has the first address, and nothing in a journal.
    let found = ["10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap()];
    facts.ports.surveyed("ecs-br0", 0, Ok(found.into()));
    let given: Vec<_> = ordered(&facts)
        .iter()
        .map(|port| port.key().unwrap().0.to_string())
        .collect();
    assert_eq!(given, ["10.0.0.3", "10.0.0.4"]);
}

#[test]
fn bridge_that_cannot_be_looked_at_is_the_answer() {
    let mut facts = Facts::default();
    facts.ask(1, a_sandbox("c1"), add(on_bridge(SUBNET)), 5);
    facts
        .ports
        .surveyed("ecs-br0", 5, Err("the kernel does not say".into()));
    assert_eq!(later(&facts), "the kernel does not say");
    // Who asks afterwards has it tried again.
    facts.requests.clear();
    facts.ask(2, a_sandbox("c1"), add(on_bridge(SUBNET)), 6);
    let survey = Order::Port(PortOrder::Survey("ecs-br0".into()));
    assert_eq!(orders(&facts, 6), [survey]);
}

#[test]
fn add_is_answered_once_its_port_is_there() {
    let mut facts = an_agent();
    facts.ask(1, a_sandbox("c1"), add(on_bridge(SUBNET)), 0);
    let port = ordered(&facts).remove(0);
    assert_eq!(port.addresses[0].address, net("10.0.0.2/29"));
    let key = begin(&mut facts, 1, port);
    assert_eq!(orders(&facts, 0), []);
    facts.ports.busy.clear();
    facts.requests.get_mut(&1).unwrap().port_done = true;
    assert_eq!(answer(&facts), Answer::Port(key));
}

#[test]
fn add_again_is_the_same_port_and_another_configuration_is_refused() {
    let (mut facts, key) = with_port(&on_bridge(SUBNET));
    facts.ask(1, a_sandbox("c1"), add(on_bridge(SUBNET)), 0);
    assert_eq!(ordered(&facts)[0].key(), Some(key));
    facts.requests.clear();
    let other = PortAsked {
        bridge: Some(Bridge {
            name: "ecs-br1".into(),
            mtu: 1500,
        }),
        ..on_bridge(SUBNET)
    };
    facts.ask(2, a_sandbox("c1"), add(other), 0);
    let why = later(&facts);
    assert!(
        why.contains("eth0 of container c1 has 10.0.0.2 by another configuration"),
        "{why}"
    );
}

#[test]
fn id_and_address_are_one_container_s() {
    let named = |address: &str, id: &str| {
        let mut asked = addresses_alone(SUBNET, id);
        asked.pools[0].address = Some(net(address));
        asked
    };
    let (mut facts, key) = with_port(&named("10.0.0.4/29", "a"));
    for (container, asked, expected) in [
        (
            "c2",
            named("10.0.0.4/29", "b"),
            "10.0.0.4 is the address of eth0 of container c1",
        ),
        (
            "c2",
            named("10.0.0.5/29", "a"),
            "ipam.id \"a\" is that of 10.0.0.4",
        ),
        // Which of its interfaces is meant, nothing says.
        (
            "c1",
            addresses_alone(SUBNET, "a"),
            "ipam.id \"a\" is that of 10.0.0.4",
        ),
    ] {
        facts.requests.clear();
        facts.ask(1, a_sandbox(container), add(asked), 0);
        let why = later(&facts);
        assert!(why.contains(expected), "{why}");
    }
    facts.requests.clear();
    facts.ask(1, a_sandbox("c1"), add(named("10.0.0.4/29", "a")), 0);
    assert_eq!(ordered(&facts)[0].key(), Some(key));
    // What is the node's cannot become a container's, nor the other way round.
    facts.requests.clear();
    let mut asked = named("10.0.0.1/29", "c");
    asked.pools[0].gateway = "10.0.0.6".parse().unwrap();
    facts.ask(1, a_sandbox("c2"), add(asked), 0);
    assert!(later(&facts).starts_with("10.0.0.1 is the node's own address"));
    facts.requests.clear();
    let mut asked = addresses_alone(SUBNET, "c");
    asked.pools[0].gateway = "10.0.0.4".parse().unwrap();
    facts.ask(1, a_sandbox("c2"), add(asked), 0);
    let why = later(&facts);
    assert!(
        why.starts_with("it cannot be the gateway: 10.0.0.4"),
        "{why}"
    );
}

#[test]
fn exhausted_subnet_is_named_once_the_bridge_was_looked_at_again() {
    let (mut facts, _) = with_port(&on_bridge("10.0.0.0/30"));
    facts.ask(1, a_sandbox("c2"), add(on_bridge("10.0.0.0/30")), 7);
    // Somebody whom the journal does not know may be gone.
    let survey = Order::Port(PortOrder::Survey("ecs-br0".into()));
    assert_eq!(orders(&facts, 7), [survey]);
    facts.ports.surveyed("ecs-br0", 7, Ok(BTreeSet::new()));
    let why = later(&facts);
    assert!(
        why.contains("all addresses of the subnet 10.0.0.0/30 are in use"),
        "{why}"
    );
}

#[test]
fn of_two_that_ask_at_once_one_gets_the_last_address() {
    let mut facts = an_agent();
    facts.ports.surveyed("ecs-br0", 1, Ok(BTreeSet::new()));
    for (id, container) in [(1, "c1"), (2, "c2")] {
        facts.ask(id, a_sandbox(container), add(on_bridge("10.0.0.0/30")), 0);
    }
    match orders(&facts, 0).as_slice() {
        [
            Order::Port(PortOrder::Add { request: 1, .. }),
            Order::Answer(2, Answer::Later(why)),
        ] => assert!(why.contains("10.0.0.0/30"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn del_answers_when_the_port_is_gone_or_cannot_be_deleted_twice() {
    let (mut facts, key) = with_port(&on_bridge(SUBNET));
    facts.ask(1, a_sandbox("c1"), Verb::Del, 0);
    assert_eq!(orders(&facts, 0), [Order::Port(PortOrder::Delete(key))]);
    let mut failing = facts.clone();
    let port = failing.ports.all.get_mut(&key).unwrap();
    port.seen.retry = Retry { failures: 2, at: 9 };
    port.state = PortState::Deleting;
    assert_eq!(answer(&failing), Answer::Deleted);
    facts.ports.end(key);
    assert_eq!(answer(&facts), Answer::Deleted);
    // Another container's is left alone.
    let (mut facts, _) = with_port(&on_bridge(SUBNET));
    facts.ask(1, a_sandbox("c2"), Verb::Del, 0);
    assert_eq!(answer(&facts), Answer::Deleted);
}

/// Cases: P07.
#[test]
fn addresses_are_given_back_by_address_or_id_or_container() {
    let by = |id: Option<&str>, addresses: &[&str]| {
        Verb::Release(Release {
            id: id.map(str::to_owned),
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        })
    };
    for (container, verb, expected) in [
        ("c9", by(Some("a"), &[]), true),
        ("c9", by(Some("b"), &["10.0.0.2"]), true),
        ("c1", by(None, &[]), true),
        ("c9", by(None, &[]), false),
        ("c1", by(Some("b"), &[]), false),
        // The gateway is nobody's.
        ("c1", by(Some("a"), &["10.0.0.1"]), false),
    ] {
        let (mut facts, key) = with_port(&addresses_alone(SUBNET, "a"));
        facts.ask(1, a_sandbox(container), verb.clone(), 0);
        let order = if expected {
            Order::Port(PortOrder::Delete(key))
        } else {
            Order::Answer(1, Answer::Deleted)
        };
        assert_eq!(orders(&facts, 0), [order], "{container} {verb:?}");
    }
}

/// Cases: P06.
#[test]
fn id_is_known_and_given_back_whatever_digit_the_subnet_begins_with() {
    for digit in 1..=9 {
        let asked = addresses_alone(&format!("{digit}0.0.0.0/29"), "a");
        let (mut facts, key) = with_port(&asked);
        facts.ask(1, a_sandbox("c2"), add(asked), 0);
        let why = later(&facts);
        assert!(why.contains("ipam.id \"a\" is that of"), "{why}");
        facts.requests.clear();
        let release = Release {
            id: Some("a".to_owned()),
            addresses: Vec::new(),
        };
        facts.ask(2, a_sandbox("c9"), Verb::Release(release), 0);
        assert_eq!(orders(&facts, 0), [Order::Port(PortOrder::Delete(key))]);
    }
}

/// Cases: P04.
#[test]
fn both_families_are_given_or_none() {
    let dual = |id: &str| {
        let mut asked = addresses_alone(SUBNET, id);
        asked.pools.push(a_pool("fd00::/126"));
        asked
    };
    let mut facts = an_agent();
    for container in ["c1", "c2"] {
        facts.ask(1, a_sandbox(container), add(dual(container)), 0);
        let port = Port {
            state: PortState::Added,
            ..ordered(&facts).remove(0)
        };
        facts.ports.all.insert(port.key().unwrap(), port);
        facts.requests.clear();
    }
    facts.ask(1, a_sandbox("c3"), add(dual("c3")), 0);
    let why = later(&facts);
    assert!(
        why.contains("all addresses of the subnet fd00::/126 are in use"),
        "{why}"
    );
    // The IPv4 address is still there.
    facts.requests.clear();
    facts.ask(1, a_sandbox("c3"), add(addresses_alone(SUBNET, "c3")), 0);
    let port = ordered(&facts).remove(0);
    assert_eq!(port.key().unwrap().0.to_string(), "10.0.0.4");
}

#[test]
fn port_goes_with_its_namespace_and_with_an_add_that_nobody_waits_for() {
    let (facts, key) = with_port(&on_bridge(SUBNET));
    assert_eq!(orders(&facts, 0), []);
    let change = |change: &dyn Fn(&mut Port)| {
        let mut facts = facts.clone();
        change(facts.ports.all.get_mut(&key).unwrap());
        orders(&facts, 0)
    };
    let deleted = [Order::Port(PortOrder::Delete(key))];
    assert_eq!(change(&|port| port.state = PortState::Adding), deleted);
    assert_eq!(change(&|port| port.state = PortState::Deleting), deleted);
    assert_eq!(change(&|port| port.seen.liveness = Liveness::Dead), deleted);
    assert_eq!(change(&|port| port.seen.liveness = Liveness::Unknown), []);
    let waits = PortSeen {
        retry: Retry { failures: 1, at: 9 },
        liveness: Liveness::Dead,
        unguarded: true,
    };
    assert_eq!(change(&|port| port.seen = waits), []);
    // One whose filters somebody removed is filtered again, and not by two at once.
    let unguarded = |port: &mut Port| port.seen.unguarded = true;
    let guarded = [Order::Port(PortOrder::Guard(key))];
    assert_eq!(change(&unguarded), guarded);
    let mut busy = facts.clone();
    busy.ports.busy.insert(key);
    busy.ports.all.values_mut().for_each(unguarded);
    assert_eq!(orders(&busy, 0), []);
}

#[test]
fn check_is_of_the_port_that_the_container_has() {
    let (mut facts, key) = with_port(&on_bridge(SUBNET));
    let check = |asked: PortAsked| Verb::Check(Wanted::Port(Box::new(asked)));
    facts.ask(1, a_sandbox("c1"), check(on_bridge(SUBNET)), 0);
    let order = Order::Port(PortOrder::Check { request: 1, key });
    assert_eq!(orders(&facts, 0), [order]);
    facts.requests.get_mut(&1).unwrap().port_done = true;
    assert_eq!(answer(&facts), Answer::Checked);
    facts.requests.clear();
    facts.ask(2, a_sandbox("c2"), check(on_bridge(SUBNET)), 0);
    assert!(matches!(answer(&facts), Answer::Missing(_)));
}

#[test]
fn bridge_has_the_gateways_and_the_largest_mtu_of_its_ports_and_an_old_subnet_drains() {
    let (mut facts, key) = with_port(&on_bridge(SUBNET));
    facts
        .ports
        .bridges
        .insert("ecs-br0".into(), [net("10.0.0.1/29")].into());
    let mut small = a_port(&on_bridge("10.9.0.0/24"));
    small.bridge.as_mut().unwrap().mtu = 1400;
    small.netns = Some(Netns {
        path: "/run/netns/c2".into(),
        cookie: None,
    });
    let wanted = facts.ports.bridge(&small).unwrap();
    assert_eq!(wanted.mtu, 1500);
    assert_eq!(
        wanted.addresses,
        [net("10.0.0.1/29"), net("10.9.0.1/24")].into()
    );
    assert_eq!(wanted.ours, [net("10.0.0.1/29")].into());
    facts.ports.end(key);
    let wanted = facts.ports.bridge(&small).unwrap();
    assert_eq!(
        (wanted.mtu, &wanted.addresses),
        (1400, &[net("10.9.0.1/24")].into())
    );
    // What was taken off the bridge may be somebody else's later, unless a port that came meanwhile needs it.
    let mut again = facts.clone();
    let late = a_port(&on_bridge(SUBNET));
    again.ports.begin(late.key().unwrap(), late);
    again.ports.settled(&small, &wanted);
    assert_eq!(again.ports.bridges["ecs-br0"], [net("10.0.0.1/29")].into());
    facts.ports.settled(&small, &wanted);
    assert_eq!(facts.ports.bridges["ecs-br0"], BTreeSet::new());
}
