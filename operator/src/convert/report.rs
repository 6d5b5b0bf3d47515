//! Node reports.

use api::{
    condition::OPERATORS,
    id::{NodeName, NodeUid},
};
use crds::{EniNode, EniNodeSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use operator_core::cluster::NodeReport;

use super::object::{name_of, version_of};

/// A report; none for an object that the API server cannot have sent.
pub(crate) fn report(node: EniNode) -> Option<NodeReport> {
    let (name, version) = (name_of(&node), version_of(&node)?);
    let owners = node.metadata.owner_references.into_iter().flatten();
    let mut owners = owners.filter(|owner| owner.kind == "Node");
    let mut status = node.status.unwrap_or_default();
    // What the agent writes is no part of what is compared with the report that is due.
    let agent = status.agent.take();
    status.node_access.clear();
    status
        .conditions
        .retain(|c| OPERATORS.contains(&c.kind.as_str()));
    Some(NodeReport {
        name,
        owner: owners.next().map(|owner| owner.uid.into()),
        version,
        agent: agent.map(|agent| (agent.boot_id, agent.pod_uid)),
        status,
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
