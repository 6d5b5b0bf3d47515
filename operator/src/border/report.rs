//! Node reports: the API's type and the core's.

use crds::{
    EniNode, EniNodeSpec, EniNodeStatus,
    condition::{ConditionStatus, kind},
    ids::NotAnId,
    node as api,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use operator_core::{
    claim::Slot,
    cluster::NodeReport,
    id::{Key, NodeName, NodeUid},
    report::{CardReport, NodeCondition, NodeConditionKind, Report, SlotReport},
};

use super::{
    cluster::name_of,
    time::{from_second, second},
};

/// A report as the core sees it. Its signature is that of its siblings, which can fail.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn report(node: &EniNode) -> Option<NodeReport> {
    let status = node.status.as_ref();
    Some(NodeReport {
        name: name_of(node),
        agent_boot: status
            .and_then(|s| s.agent.as_ref())
            .map(|a| a.boot_id.as_str().into()),
        report: status.map(read).unwrap_or_default(),
    })
}

/// The object that holds a node's report and goes with the node.
pub(crate) fn new_report(node: &NodeName, uid: &NodeUid) -> EniNode {
    EniNode {
        metadata: ObjectMeta {
            name: Some(node.to_string()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".into(),
                kind: "Node".into(),
                name: node.to_string(),
                uid: uid.to_string(),
                controller: Some(false),
                block_owner_deletion: Some(false),
            }]),
            ..ObjectMeta::default()
        },
        spec: EniNodeSpec {},
        status: None,
    }
}

fn read(status: &EniNodeStatus) -> Report {
    let EniNodeStatus {
        instance,
        capacity,
        cards,
        slots,
        agent: _,
        conditions,
    } = status;
    let mut conditions: Vec<NodeCondition> = conditions.iter().filter_map(condition).collect();
    conditions.sort_by_key(|c| c.kind);
    Report {
        instance: instance.as_ref().map(|i| {
            (
                i.id.as_str().into(),
                i.kind.as_str().into(),
                i.zone.as_str().into(),
            )
        }),
        capacity: *capacity,
        cards: cards
            .iter()
            .map(
                |api::Card {
                     index,
                     limit,
                     foreign,
                     ours,
                 }| CardReport {
                    index: *index,
                    limit: *limit,
                    foreign: *foreign,
                    ours: *ours,
                },
            )
            .collect(),
        slots: slots
            .iter()
            .map(|s| SlotReport {
                slot: Slot {
                    card: s.network_card,
                    index: s.device_index,
                },
                eni: s.eni_id.as_ref().map(|id| id.as_str().into()),
                mac: s.mac.as_ref().map(|mac| mac.as_str().into()),
                claim: s
                    .claim
                    .as_ref()
                    .and_then(|claim| claim.split_once('/'))
                    .map(|(namespace, name)| Key::new(namespace, name)),
            })
            .collect(),
        conditions,
    }
}

fn condition(condition: &crds::Condition) -> Option<NodeCondition> {
    let kind = match condition.kind.as_str() {
        kind::AGENT_READY => NodeConditionKind::AgentReady,
        kind::NODE_SUPPORTED => NodeConditionKind::NodeSupported,
        _ => return None,
    };
    Some(NodeCondition {
        kind,
        holds: condition.status == ConditionStatus::True,
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: from_second(&condition.last_transition_time),
    })
}

/// The status to apply. It fails only where EC2 gave an id of a form that the schema does not know.
pub(crate) fn report_status(report: &Report) -> Result<EniNodeStatus, NotAnId> {
    let Report {
        instance,
        capacity,
        cards,
        slots,
        conditions,
    } = report;
    Ok(EniNodeStatus {
        instance: instance
            .as_ref()
            .map(|(id, kind, zone)| {
                Ok(api::Instance {
                    id: id.as_str().parse()?,
                    kind: kind.to_string(),
                    zone: zone.to_string(),
                })
            })
            .transpose()?,
        capacity: *capacity,
        cards: cards
            .iter()
            .map(
                |CardReport {
                     index,
                     limit,
                     foreign,
                     ours,
                 }| api::Card {
                    index: *index,
                    limit: *limit,
                    foreign: *foreign,
                    ours: *ours,
                },
            )
            .collect(),
        slots: slots.iter().map(slot).collect::<Result<_, _>>()?,
        agent: None,
        conditions: conditions.iter().map(write_condition).collect(),
    })
}

fn slot(report: &SlotReport) -> Result<api::Slot, NotAnId> {
    let SlotReport {
        slot: Slot { card, index },
        eni,
        mac,
        claim,
    } = report;
    Ok(api::Slot {
        network_card: *card,
        device_index: *index,
        eni_id: eni.as_ref().map(|id| id.as_str().parse()).transpose()?,
        mac: mac.as_ref().map(|mac| mac.as_str().parse()).transpose()?,
        claim: claim.as_ref().map(ToString::to_string),
    })
}

fn write_condition(condition: &NodeCondition) -> crds::Condition {
    let NodeCondition {
        kind,
        holds,
        reason,
        message,
        since,
    } = condition.clone();
    crds::Condition {
        kind: match kind {
            NodeConditionKind::AgentReady => kind::AGENT_READY,
            NodeConditionKind::NodeSupported => kind::NODE_SUPPORTED,
        }
        .to_owned(),
        status: if holds {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        },
        reason,
        message,
        last_transition_time: second(since),
    }
}
