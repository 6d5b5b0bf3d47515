//! Node access: the port of a pod whose only interfaces are its ENIs.

use std::{collections::BTreeSet, net::IpAddr};

use node_agent_core::{
    claim::{Claim, DefaultRoute},
    facts::{Facts, Plug, PlugKey, PlugState, Position, Verb},
    layout::Surroundings,
    mac::Mac,
    picture::{Family, PodSlot},
    plan::{Answer, Order, PortOrder},
    port::{Bridge, NodeAccess, Port, PortKey, PortState, frames, host},
};

use super::net;
use crate::makers::{
    self, FULL, Knowing, a_claim, a_plug, a_plug_key, a_pod, a_sandbox, mac, orders, plugged_place,
    plugs, report,
};

fn ips(ips: &[&str]) -> BTreeSet<IpAddr> {
    ips.iter().map(|ip| ip.parse().unwrap()).collect()
}

fn access() -> NodeAccess {
    NodeAccess {
        bridge: Bridge {
            name: "eniclaim0".into(),
            mtu: 1500,
        },
        subnets: vec![net("169.254.176.0/22")],
        destinations: [net("10.9.0.0/16"), net("fd09::/64")].into(),
    }
}

fn with_access() -> Claim {
    let mut claim = a_claim();
    claim.interface.node_access = Some(access());
    claim.interface.cluster = [net("10.96.0.0/12")].into();
    claim
}

/// An agent that is asked for a pod whose ENI is there, by a plugin that stands here.
fn asked(position: Position, claim: Claim) -> Facts {
    let mut facts = makers::an_agent().claim(claim).device_on_host();
    facts.ports.surveyed("eniclaim0", 0, Ok(BTreeSet::new()));
    let mut facts = facts.asked_to_add(1, "c1");
    facts.requests.get_mut(&1).unwrap().position = position;
    facts
}

fn ordered(facts: &Facts) -> Port {
    match orders(facts, 0).as_slice() {
        [Order::Port(PortOrder::Add { port, .. })] => (**port).clone(),
        other => panic!("{other:?}"),
    }
}

/// The port as it is once the kernel has it, with what was found out of the node.
fn made(mut port: Port) -> Port {
    port.pod.as_mut().unwrap().node = ips(&["10.0.1.5"]);
    port
}

/// Takes in that the port is there.
fn with_port(mut facts: Facts) -> (Facts, PortKey) {
    let port = made(ordered(&facts));
    let key = port.key().unwrap();
    facts.ports.begin(key, port);
    facts.ports.busy.clear();
    let request = facts.requests.get_mut(&1).unwrap();
    (request.port, request.port_done) = (Some(key), true);
    (facts, key)
}

fn later(facts: &Facts) -> String {
    match orders(facts, 0).as_slice() {
        [Order::Answer(_, Answer::Later(why))] => why.clone(),
        other => panic!("{other:?}"),
    }
}

fn first(state: PlugState) -> Plug {
    Plug {
        position: Position::First,
        ..a_plug(state)
    }
}

#[test]
fn port_is_there_before_the_eni_and_both_before_the_answer() {
    let facts = asked(Position::First, with_access());
    let port = ordered(&facts);
    assert_eq!(
        (port.name(), port.addresses[0].address),
        ("node0", net("169.254.176.2/22"))
    );
    let pod = port.pod.unwrap();
    assert_eq!(pod.enis, ips(&["10.0.1.50"]));
    let to: Vec<_> = port
        .routes
        .iter()
        .map(|route| route.to.to_string())
        .collect();
    assert_eq!(
        to,
        [
            "10.9.0.0/16",
            "10.96.0.0/12",
            "169.254.20.10/32",
            "169.254.170.2/32",
            "169.254.170.23/32",
        ]
    );
    let (mut facts, key) = with_port(facts);
    assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
    facts = facts.plug("c1", first(PlugState::Plugging));
    facts.devices.clear();
    let request = facts.requests.get_mut(&1).unwrap();
    request.done.insert(mac());
    assert_eq!(
        orders(&facts, 0),
        [Order::Answer(1, Answer::Added(vec![mac()]))]
    );
    facts.added(&a_sandbox("c1"), &[mac()]);
    facts.ports.all.get_mut(&key).unwrap().state = PortState::Added;
    facts.requests.clear();
    let mut said = report(plugged_place());
    said.node_access = vec![net("169.254.176.2/22")];
    assert_eq!(orders(&facts, 0), [Order::Report(makers::key(), said)]);
}

#[test]
fn pod_with_an_interface_before_its_eni_has_none() {
    for (position, claim) in [
        (Position::Chained, with_access()),
        (Position::First, a_claim()),
    ] {
        assert_eq!(orders(&asked(position, claim), 0), [plugs(1, "c1")]);
    }
    let chained = a_plug(PlugState::Plugged);
    let wanted = chained.interface(&a_sandbox("c1"), &with_access().interface);
    assert_eq!(wanted.node_access, None);
}

#[test]
fn what_cannot_be_is_said_before_anything_is_made() {
    let mut other = with_access();
    other.key.name = "web-0-other".into();
    other.eni.as_mut().unwrap().mac = Mac::from([2, 0, 0, 0, 0, 11]);
    other.interface.node_access.as_mut().unwrap().bridge.mtu = 1400;
    let mut facts = asked(Position::First, with_access()).claim(other.clone());
    facts.arrived(Mac::from([2, 0, 0, 0, 0, 11]), 0);
    let request = facts.requests.get_mut(&1).unwrap();
    request.missed.insert(Mac::from([2, 0, 0, 0, 0, 11]));
    let why = later(&facts);
    assert!(why.contains("do not say the same of nodeAccess"), "{why}");
    for (subnet, expected) in [
        ("10.0.0.0/8", "overlaps 10.0.1.0/24, the ENI's subnet"),
        (
            "10.96.4.0/24",
            "overlaps 10.96.0.0/12, a network of the cluster",
        ),
        (
            "10.9.0.0/24",
            "overlaps 10.9.0.0/16, one of its destinations",
        ),
        ("169.254.168.0/22", "overlaps 169.254.169.254/32"),
        ("169.254.20.0/24", "overlaps 169.254.20.10/32"),
        ("169.254.170.0/24", "overlaps 169.254.170.23/32"),
        ("fd00:ec2:1::/112", "overlaps fd00:ec2::/32"),
    ] {
        let mut claim = with_access();
        claim.interface.node_access.as_mut().unwrap().subnets = vec![net(subnet)];
        let why = later(&asked(Position::First, claim));
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn port_goes_with_its_pod_and_with_an_add_that_failed() {
    let (mut facts, key) = with_port(asked(Position::First, with_access()));
    let mut failed = facts.clone();
    failed.requests.clear();
    assert_eq!(orders(&failed, 0), [Order::Port(PortOrder::Delete(key))]);
    facts.ports.all.get_mut(&key).unwrap().state = PortState::Added;
    facts.requests.clear();
    facts.devices.clear();
    let facts = facts.plug("c1", first(PlugState::Plugged));
    let deleted = facts.asked_to_del(2, "c1");
    let orders = orders(&deleted, 0);
    assert!(
        matches!(
            orders.as_slice(),
            [Order::Port(PortOrder::Delete(gone)), Order::Unplug(..)] if *gone == key
        ),
        "{orders:?}"
    );
}

#[test]
fn port_goes_with_the_last_eni_of_its_pod() {
    let (mut facts, key) = with_port(asked(Position::First, with_access()));
    facts.ports.all.get_mut(&key).unwrap().state = PortState::Added;
    facts.requests.clear();
    facts.devices.clear();
    let other = PlugKey {
        mac: Mac::from([2, 0, 0, 0, 0, 11]),
        ..a_plug_key("c1")
    };
    let mut facts = facts.plug("c1", first(PlugState::Plugged));
    facts.plugs.insert(other.clone(), first(PlugState::Plugged));
    let deletes = |facts: &Facts| {
        let orders = orders(facts, 0);
        orders.contains(&Order::Port(PortOrder::Delete(key)))
    };
    facts.unplugged(&other);
    assert!(!deletes(&facts));
    facts.unplugged(&a_plug_key("c1"));
    assert!(deletes(&facts));
}

#[test]
fn class_that_is_edited_while_the_port_is_made_is_told() {
    let (mut facts, _) = with_port(asked(Position::First, with_access()));
    let mut edited = with_access();
    let access = edited.interface.node_access.as_mut().unwrap();
    access.subnets = vec![net("169.254.180.0/22")];
    facts = facts.claim(edited);
    let why = later(&facts);
    assert!(
        why.starts_with("node0 of container c1 has 169.254.176.2 by what nodeAccess"),
        "{why}"
    );
}

#[test]
fn what_the_node_has_of_a_port_is_made_again_for_the_newest_sandbox_of_its_pod() {
    let (mut facts, key) = with_port(asked(Position::First, with_access()));
    let port = facts.ports.all.get_mut(&key).unwrap();
    port.state = PortState::Added;
    port.seen.unguarded = true;
    let guards = |facts: &Facts| {
        let orders = orders(facts, 0);
        orders.contains(&Order::Port(PortOrder::Guard(key)))
    };
    assert!(guards(&facts));
    let newer = facts.asked_to_add(2, "c2");
    assert!(!guards(&newer));
}

#[test]
fn check_is_of_the_port_as_well() {
    let check = Verb::Check(a_pod().into());
    let (mut facts, key) = with_port(asked(Position::First, with_access()));
    facts.requests.clear();
    facts.devices.clear();
    let facts = facts
        .plug("c1", first(PlugState::Plugged))
        .asked(2, "c1", check);
    let mut lacks = facts.clone();
    lacks.ports.all.clear();
    match orders(&lacks, 0).first() {
        Some(Order::Answer(2, Answer::Missing(why))) => {
            assert!(why.starts_with("the pod has no node access"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let mut added = facts;
    added.ports.all.get_mut(&key).unwrap().state = PortState::Added;
    let order = Order::Port(PortOrder::Check { request: 2, key });
    assert_eq!(orders(&added, 0).first(), Some(&order));
    added.requests.get_mut(&2).unwrap().port_done = true;
    let order = Order::Check {
        request: 2,
        key: a_plug_key("c1"),
    };
    assert_eq!(orders(&added, 0).first(), Some(&order));
}

#[test]
fn node_reaches_the_eni_by_the_bridge_and_is_answered_there() {
    let port = made(ordered(&asked(Position::First, with_access())));
    let routes: Vec<_> = host::routes(&port)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        routes,
        ["route 10.0.1.50/32 via 169.254.176.2 from 169.254.176.1 in table 23599"]
    );
    assert_eq!(
        host::rule(Family::V4).to_string(),
        "IPv4 rule 256: iif lo lookup 23599"
    );
    let (pod, eni, node) = ("169.254.176.2", "10.0.1.50", "10.0.1.5");
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    assert_eq!(
        host::masquerades(&port),
        [
            host::Masquerade::FromPod(ip(pod)),
            host::Masquerade::ToPod {
                eni: ip(eni),
                gateway: ip("169.254.176.1")
            },
            host::Masquerade::OfNode {
                eni: ip(eni),
                node: ip(node)
            },
        ]
    );
    let mut claim = with_access();
    claim.interface.default_route = DefaultRoute::Fallback;
    let wanted = makers::wanted(
        &claim.interface,
        PodSlot(0),
        FULL,
        &Surroundings {
            earlier: ["node0".to_owned()].into(),
            addresses: ips(&[pod]),
            node: ips(&[node]),
        },
    );
    let rules: Vec<_> = wanted.rules.iter().map(ToString::to_string).collect();
    assert!(rules.contains(&"IPv4 rule 256: to 169.254.176.1/32 lookup main".to_owned()));
    // What no route of the bridge leads anywhere leaves by the ENI.
    assert!(rules.contains(&"IPv4 rule 32768: lookup 23600".to_owned()));
}

#[test]
fn pod_answers_the_node_alone_from_the_address_of_its_eni() {
    let port = made(ordered(&asked(Position::First, with_access())));
    let passes: Vec<_> = frames::rules(&port, port.key().unwrap().mac())
        .into_iter()
        .filter(|rule| rule.passes)
        .filter_map(|rule| match rule.frames {
            frames::Frames::Packets { from, to } => Some(format!("{from} {to}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        passes,
        [
            "169.254.176.2 169.254.176.1/32",
            "10.0.1.50 169.254.176.1/32",
            "169.254.176.2 10.0.1.5/32",
            "169.254.176.2 10.9.0.0/16",
            "169.254.176.2 10.96.0.0/12",
            "169.254.176.2 169.254.20.10/32",
            "169.254.176.2 169.254.170.2/32",
            "169.254.176.2 169.254.170.23/32",
        ]
    );
}
