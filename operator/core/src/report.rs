//! What a node's report says, and what is published on the node itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    capacity::Card,
    claim::Slot,
    cloud::{AttachedEni, Instance},
    cluster::{Class, Node},
    id::{BootId, ClassName, EniId, InstanceId, InstanceType, Key, Mac, Zone},
    subnet::Subnets,
    time::Time,
};

/// The operator's part of an `EniNode`'s status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Report {
    /// The instance behind the node.
    pub instance: Option<(InstanceId, InstanceType, Zone)>,
    /// How many ENIs of ours it can hold.
    pub capacity: Option<u32>,
    /// Its network cards.
    pub cards: Vec<CardReport>,
    /// What is in their slots.
    pub slots: Vec<SlotReport>,
    /// `AgentReady`, `NodeSupported`.
    pub conditions: Vec<NodeCondition>,
}

/// One network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CardReport {
    /// Its index.
    pub index: u32,
    /// How many ENIs it takes.
    pub limit: u32,
    /// How many of them are not ours.
    pub foreign: u32,
    /// How many of them are ours.
    pub ours: u32,
}

/// One occupied slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotReport {
    /// Which.
    pub slot: Slot,
    /// The ENI in it.
    pub eni: Option<EniId>,
    /// Its MAC address.
    pub mac: Option<Mac>,
    /// The claim that holds it; none: not ours.
    pub claim: Option<Key>,
}

/// The operator's conditions of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeConditionKind {
    /// An agent of this boot has reported.
    AgentReady,
    /// An EC2 instance whose type EC2 knows.
    NodeSupported,
}

/// One statement about a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeCondition {
    /// What is stated.
    pub kind: NodeConditionKind,
    /// Whether it holds.
    pub holds: bool,
    /// For programs.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When `holds` last changed, to the second.
    pub since: Time,
}

/// A change of a node object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NodePatch {
    /// The resource in capacity and allocatable together.
    pub publish: Option<u32>,
    /// Class labels to set (true) and to remove (false).
    pub labels: BTreeMap<ClassName, bool>,
}

/// Whether the node's agent has spoken in this boot.
pub fn agent_ready(node: &Node, agent: Option<&BootId>) -> bool {
    !node.boot.as_str().is_empty() && agent == Some(&node.boot)
}

/// What is known of the instance behind a node.
pub type Support<'a> = Result<&'a Instance, &'a str>;

/// What the instance behind a node holds; empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Inventory {
    /// Its network cards.
    pub cards: Vec<Card>,
    /// What is published as the node's resource.
    pub capacity: Option<u32>,
    /// What is in its slots.
    pub slots: Vec<SlotReport>,
}

/// The report that is due.
pub fn report(
    node: &Node,
    support: Support<'_>,
    agent: Option<&BootId>,
    inventory: Inventory,
    before: &Report,
    now: Time,
) -> Report {
    let agent_says = match (agent_ready(node, agent), agent) {
        (true, _) => (true, "Reported", "the eniclaim agent has reported in this boot of the node".to_owned()),
        (false, None) => (false, "NeverReported", "the eniclaim agent has not reported from this node; look at its pod there".to_owned()),
        (false, Some(_)) => {
            (false, "OtherBoot", "the node was started again and the eniclaim agent has not reported since; look at its pod there".to_owned())
        }
    };
    let supported = match support {
        Ok(instance) => (
            true,
            "Supported",
            format!(
                "{} is a {} in {}",
                instance.id, instance.kind, instance.zone
            ),
        ),
        Err(why) => (false, "NodeUnsupported", why.to_owned()),
    };
    let condition = |kind: NodeConditionKind, (holds, reason, message): (bool, &str, String)| {
        let since = before
            .conditions
            .iter()
            .find(|c| c.kind == kind && c.holds == holds)
            .map_or_else(|| now.whole_second(), |c| c.since);
        NodeCondition {
            kind,
            holds,
            reason: reason.to_owned(),
            message,
            since,
        }
    };
    let Inventory {
        cards,
        capacity,
        slots,
    } = inventory;
    Report {
        instance: support
            .ok()
            .map(|i| (i.id.clone(), i.kind.clone(), i.zone.clone())),
        capacity,
        cards: cards
            .iter()
            .map(
                |Card {
                     index,
                     limit,
                     foreign,
                     ours,
                     leaving: _,
                 }| CardReport {
                    index: *index,
                    limit: *limit,
                    foreign: *foreign,
                    ours: *ours,
                },
            )
            .collect(),
        slots,
        conditions: vec![
            condition(NodeConditionKind::AgentReady, agent_says),
            condition(NodeConditionKind::NodeSupported, supported),
        ],
    }
}

/// Slots for the report: those of ours, then what else the instance holds.
pub fn slots(
    ours: Vec<SlotReport>,
    foreign: impl IntoIterator<Item = AttachedEni>,
) -> Vec<SlotReport> {
    let others = foreign.into_iter().map(|a| SlotReport {
        slot: a.slot,
        eni: Some(a.eni),
        mac: Some(a.mac),
        claim: None,
    });
    let mut slots: Vec<SlotReport> = ours.into_iter().chain(others).collect();
    slots.sort();
    slots
}

/// The classes that can work on this instance: one of their subnets lies in its zone.
pub fn served<'a>(
    classes: impl Iterator<Item = &'a Class>,
    instance: &Instance,
    subnets: &Subnets,
) -> BTreeSet<ClassName> {
    classes
        .filter(|class| {
            let mut known = class
                .subnets
                .iter()
                .filter_map(|id| subnets.get(id)?.as_ref());
            known.any(|subnet| subnet.zone == instance.zone && subnet.vpc == instance.vpc)
        })
        .map(|class| class.name.clone())
        .collect()
}

/// What has to change on the node so that it carries these labels and this resource.
pub fn patch(
    node: &Node,
    classes: &BTreeSet<ClassName>,
    capacity: Option<u32>,
) -> Option<NodePatch> {
    let missing = classes
        .difference(&node.classes)
        .map(|class| (class.clone(), true));
    let stale = node
        .classes
        .difference(classes)
        .map(|class| (class.clone(), false));
    let patch = NodePatch {
        publish: capacity.filter(|n| node.published != (Some(*n), Some(*n))),
        labels: missing.chain(stale).collect(),
    };
    (patch != NodePatch::default()).then_some(patch)
}
