//! What the report on a node says, and what is published on the node itself.

use std::collections::BTreeSet;

use api::{
    Condition, ConditionStatus, NodeStatus, Time,
    condition::{AgentReason, CapacityReason, SupportReason, kind},
    id::{BootId, ClassName, PodUid},
    node::{Card, OccupiedSlot},
};

use crate::{
    cluster::{AgentPod, Class, Node},
    ec2::Instance,
    order::NodePatch,
    resolve::Resolved,
    subnet::Subnets,
};

/// What the instance behind a node holds; empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Inventory {
    /// Its network cards.
    pub cards: Vec<Card>,
    /// What is published as the node's resource.
    pub capacity: Option<u32>,
    /// How many claims have a slot of it.
    pub used: u32,
    /// What is in its slots.
    pub slots: Vec<OccupiedSlot>,
    /// Whether others leave the capacity alone; none where there is no instance.
    pub fenced: Option<(bool, CapacityReason, String)>,
}

/// Whether the agent serves a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentState {
    /// Its pod on the node is ready, and has reported in this boot of the node.
    Ready,
    /// There is no pod of the agent on the node.
    NoPod,
    /// Its pod is not ready.
    PodNotReady,
    /// The pod that is there has not reported in this boot.
    NotReported,
}

/// Whether the agent serves a node, given its pods there and who reported last.
pub fn agent_state<'a>(
    node: &Node,
    pods: impl Iterator<Item = &'a AgentPod>,
    reported: Option<&(BootId, PodUid)>,
) -> AgentState {
    let mut state = AgentState::NoPod;
    for pod in pods {
        if !pod.ready {
            if state == AgentState::NoPod {
                state = AgentState::PodNotReady;
            }
            continue;
        }
        let is_this = reported.is_some_and(|(boot, uid)| {
            !boot.as_str().is_empty() && *boot == node.boot && *uid == pod.uid
        });
        if is_this {
            return AgentState::Ready;
        }
        state = AgentState::NotReported;
    }
    state
}

/// The report that is due.
pub fn report(
    node: &Node,
    instance: Result<&Instance, &str>,
    agent: AgentState,
    inventory: Inventory,
    before: &NodeStatus,
    now: Time,
) -> NodeStatus {
    let name = &node.name;
    let agent = match agent {
        AgentState::Ready => (
            true,
            AgentReason::Reported.as_str(),
            "the eniclaim agent is ready and has reported in this boot of the node".to_owned(),
        ),
        AgentState::NoPod => (
            false,
            AgentReason::NoAgent.as_str(),
            format!(
                "no pod of the eniclaim agent runs on {name}; check the DaemonSet's node selector and tolerations"
            ),
        ),
        AgentState::PodNotReady => (
            false,
            AgentReason::AgentNotReady.as_str(),
            format!("the eniclaim agent's pod on {name} is not ready; check its log"),
        ),
        AgentState::NotReported => (
            false,
            AgentReason::NotReported.as_str(),
            format!(
                "the eniclaim agent's pod on {name} has not reported in this boot of the node; check its log"
            ),
        ),
    };
    let supported = match instance {
        Ok(i) => (
            true,
            SupportReason::Supported.as_str(),
            format!("{} is a {} in {}", i.id, i.instance_type, i.zone),
        ),
        Err(why) => (
            false,
            SupportReason::NodeUnsupported.as_str(),
            why.to_owned(),
        ),
    };
    let condition = |kind: &str, (holds, reason, message): (bool, &str, String)| {
        Condition {
            kind: kind.into(),
            status: ConditionStatus::of(holds),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: now,
            observed_generation: None,
        }
        .since(&before.conditions, now)
    };
    let Inventory {
        cards,
        capacity,
        used,
        slots,
        fenced,
    } = inventory;
    let fenced = fenced.map(|(holds, reason, message)| (holds, reason.as_str(), message));
    let fenced = fenced.map(|said| condition(kind::CAPACITY_FENCED, said));
    NodeStatus {
        instance: instance.ok().map(|i| api::node::Instance {
            id: i.id.clone(),
            instance_type: i.instance_type.clone(),
            zone: i.zone.clone(),
        }),
        capacity,
        used: capacity.map(|_| used),
        free: capacity.map(|capacity| capacity.saturating_sub(used)),
        cards,
        slots,
        agent: None,
        node_access: Vec::new(),
        conditions: [
            condition(kind::AGENT_READY, agent),
            condition(kind::NODE_SUPPORTED, supported),
        ]
        .into_iter()
        .chain(fenced)
        .collect(),
    }
}

/// Whether two reports differ in what may wait: who is in which slot.
pub fn differ_in_slots_alone(before: &NodeStatus, after: &NodeStatus) -> bool {
    let without = |status: &NodeStatus| NodeStatus {
        used: None,
        free: None,
        slots: Vec::new(),
        ..status.clone()
    };
    without(before) == without(after)
}

/// The classes that can work on this instance: one of their subnets lies in its zone and serves their families.
pub fn served<'a>(
    classes: impl Iterator<Item = (&'a Class, &'a Resolved)>,
    instance: &Instance,
    subnets: &Subnets,
) -> BTreeSet<ClassName> {
    classes
        .filter(|(class, resolved)| {
            let mut known = resolved
                .subnets
                .iter()
                .filter_map(|id| subnets.get(id)?.subnet.as_ref());
            known.any(|s| {
                let here = s.zone == instance.zone && Some(&s.vpc) == instance.vpc.as_ref();
                here && class.addresses.fit(s)
            })
        })
        .map(|(class, _)| class.name.clone())
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
