//! What is reported of a node and published on it: each rule once.

use std::collections::BTreeSet;

use api::{
    ConditionStatus, NodeStatus, Time, class,
    condition::kind,
    node::{Card, OccupiedSlot},
};
use operator_core::{
    cluster::{Class, Node, NodeHealth, Version},
    ec2::{Instance, InstanceState},
    node_report::{AgentState, Inventory, differ_in_slots_alone, patch, report, served},
    resolve::{Catalogue, Unread, resolve},
    subnet::Subnets,
};

use super::{story::a_class, subnets};

fn a_node() -> Node {
    Node {
        name: "n1".into(),
        uid: "uid-n1".into(),
        version: Version::default(),
        instance: Ok(instance().id),
        boot: "boot-1".into(),
        health: NodeHealth::Ready,
        classes: BTreeSet::new(),
        published: (None, None),
    }
}

fn instance() -> Instance {
    Instance {
        id: "i-0000000000000000a".parse().unwrap(),
        instance_type: "m5.large".into(),
        zone: "us-east-1a".into(),
        vpc: Some(subnets::vpc()),
        state: InstanceState::Alive,
        attached: vec![],
    }
}

fn inventory(capacity: Option<u32>, used: u32) -> Inventory {
    Inventory {
        cards: vec![Card {
            index: 0,
            limit: 3,
            foreign: 1,
            reserved: 0,
        }],
        capacity,
        used,
        slots: vec![],
        fenced: None,
    }
}

/// The report of a node whose agent is ready.
fn reported(inventory: Inventory) -> NodeStatus {
    let (node, before) = (a_node(), NodeStatus::default());
    let agent = AgentState::Ready;
    report(&node, Ok(&instance()), agent, inventory, &before, Time(0))
}

fn condition(status: &NodeStatus, kind: &str) -> (ConditionStatus, String) {
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|c| &*c.kind == kind).unwrap();
    (condition.status, condition.reason.to_string())
}

#[test]
fn a_report_names_the_instance_and_what_it_holds() {
    let status = reported(inventory(Some(2), 1));
    let of = status.instance.clone().unwrap();
    assert_eq!(of.id, instance().id);
    assert_eq!(of.instance_type, instance().instance_type);
    assert_eq!(of.zone, instance().zone);
    assert_eq!(
        (status.capacity, status.used, status.free),
        (Some(2), Some(1), Some(1))
    );
    assert_eq!(status.cards, inventory(None, 0).cards);
    assert_eq!(status.agent, None, "the agent's part is not ours");
    let supported = condition(&status, kind::NODE_SUPPORTED);
    assert_eq!(supported, (ConditionStatus::True, "Supported".into()));
}

#[test]
fn more_used_than_there_is_leaves_none_free_and_an_unknown_capacity_says_neither() {
    let status = reported(inventory(Some(2), 3));
    assert_eq!((status.used, status.free), (Some(3), Some(0)));
    let status = reported(inventory(None, 3));
    assert_eq!(
        (status.capacity, status.used, status.free),
        (None, None, None)
    );
}

#[test]
fn a_node_without_an_instance_is_not_supported_and_says_why() {
    let (node, before) = (a_node(), NodeStatus::default());
    let why = "it has no providerID";
    let nothing = Inventory::default();
    let status = report(
        &node,
        Err(why),
        AgentState::NoPod,
        nothing,
        &before,
        Time(0),
    );
    assert_eq!(status.instance, None);
    let supported = condition(&status, kind::NODE_SUPPORTED);
    assert_eq!(
        supported,
        (ConditionStatus::False, "NodeUnsupported".into())
    );
    assert!(status.conditions.iter().any(|c| &*c.message == why));
}

#[test]
fn each_state_of_the_agent_has_its_reason_and_only_ready_holds() {
    for (agent, holds, reason) in [
        (AgentState::Ready, true, "Reported"),
        (AgentState::NoPod, false, "NoAgent"),
        (AgentState::PodNotReady, false, "AgentNotReady"),
        (AgentState::NotReported, false, "NotReported"),
    ] {
        let (node, before) = (a_node(), NodeStatus::default());
        let nothing = Inventory::default();
        let status = report(&node, Ok(&instance()), agent, nothing, &before, Time(0));
        let expected = (ConditionStatus::of(holds), reason.to_owned());
        assert_eq!(condition(&status, kind::AGENT_READY), expected);
    }
}

#[test]
fn a_condition_keeps_its_time_until_it_turns() {
    let since = |agent, before: &NodeStatus, now| {
        let nothing = Inventory::default();
        let status = report(&a_node(), Ok(&instance()), agent, nothing, before, now);
        let mut conditions = status.conditions.iter();
        let ready = conditions.find(|c| &*c.kind == kind::AGENT_READY).unwrap();
        ready.last_transition_time
    };
    let before = reported(Inventory::default());
    assert_eq!(since(AgentState::Ready, &before, Time(5_000)), Time(0));
    assert_eq!(since(AgentState::NoPod, &before, Time(5_000)), Time(5_000));
}

#[test]
fn only_slots_and_their_count_may_wait() {
    let before = reported(inventory(Some(2), 0));
    let occupied = OccupiedSlot {
        slot: api::id::Slot { card: 0, index: 1 },
        eni_id: None,
        mac: None,
        claim: Some("shop/web".into()),
    };
    let later = reported(Inventory {
        slots: vec![occupied],
        ..inventory(Some(2), 1)
    });
    assert!(differ_in_slots_alone(&before, &later));
    let smaller = reported(inventory(Some(1), 0));
    assert!(!differ_in_slots_alone(&before, &smaller));
}

#[test]
fn a_class_is_served_where_one_of_its_subnets_lies_in_the_instances_zone_and_vpc() {
    let serves = |subnets: Subnets, instance: &Instance| {
        let class = a_class();
        let resolved = resolve(&class, &subnets, &Catalogue::default(), &Unread::default());
        !served([(&class, &resolved)].into_iter(), instance, &subnets).is_empty()
    };
    let [first, second] = subnets::ids();
    let (here, elsewhere) = (
        subnets::record("us-east-1a", 0),
        subnets::record("us-east-1b", 9),
    );
    let both: Subnets = [(first.clone(), elsewhere.clone()), (second, here.clone())].into();
    assert!(serves(both, &instance()), "full or not, first or second");
    assert!(!serves([(first.clone(), elsewhere)].into(), &instance()));
    let one: Subnets = [(first.clone(), here)].into();
    let other_vpc = Instance {
        vpc: Some("vpc-0000000000000dead".parse().unwrap()),
        ..instance()
    };
    assert!(!serves(one.clone(), &other_vpc));
    let no_vpc = Instance {
        vpc: None,
        ..instance()
    };
    assert!(!serves(one, &no_vpc));
    assert!(!serves([(first, subnets::unknown())].into(), &instance()));
    assert!(!serves(Subnets::new(), &instance()), "not read yet");
}

#[test]
fn served_gives_the_names_of_those_classes_alone() {
    let [first, second] = subnets::ids();
    let class = |name: &str, subnet| Class {
        name: name.into(),
        subnets: class::Subnets {
            ids: vec![subnet],
            ..class::Subnets::default()
        },
        ..a_class()
    };
    let classes = [class("here", first.clone()), class("there", second.clone())];
    let subnets: Subnets = [
        (first, subnets::record("us-east-1a", 1)),
        (second, subnets::record("us-east-1b", 1)),
    ]
    .into();
    let resolved = classes
        .each_ref()
        .map(|class| resolve(class, &subnets, &Catalogue::default(), &Unread::default()));
    let names = served(classes.iter().zip(&resolved), &instance(), &subnets);
    assert_eq!(names, BTreeSet::from(["here".into()]));
}

#[test]
fn a_node_is_patched_only_in_what_differs() {
    let classes = BTreeSet::from(["app".into(), "db".into()]);
    let right = Node {
        classes: classes.clone(),
        published: (Some(2), Some(2)),
        ..a_node()
    };
    assert_eq!(patch(&right, &classes, Some(2)), None);
    assert_eq!(patch(&right, &classes, None), None, "capacity not known");
    let count = patch(&right, &classes, Some(1)).unwrap();
    assert_eq!((count.publish, count.labels.len()), (Some(1), 0));
    for published in [(Some(2), None), (None, Some(2)), (Some(2), Some(3))] {
        let half = Node {
            published,
            ..right.clone()
        };
        assert_eq!(patch(&half, &classes, Some(2)).unwrap().publish, Some(2));
    }
    let old = Node {
        classes: BTreeSet::from(["app".into(), "old".into()]),
        ..right
    };
    let labels = patch(&old, &classes, Some(2)).unwrap();
    assert_eq!(labels.publish, None);
    let expected = [("db".into(), true), ("old".into(), false)];
    assert_eq!(labels.labels, expected.into());
}
