//! Writes of nodes and of the reports on them.

use api::{
    NodeStatus,
    id::{NodeName, NodeUid},
};
use crds::EniNode;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Resource, api::Patch};
use operator_core::{Outcome, order::NodePatch};
use serde_json::{Map, Value, json};

use super::{Failure, Kubernetes, applied, by_us, merged};
use crate::{convert, metrics::Written};

impl Kubernetes {
    /// One a node: it has the node's name, so a second one is refused.
    pub(super) async fn new_report(&self, node: &NodeName, uid: &NodeUid) -> Outcome {
        let (report, parameters) = (convert::new_report(node, uid), by_us());
        let api = self.reports();
        let made = api.create(&parameters, &report);
        of_report(self.count(Written::EniNode, made).await)
    }

    /// Without a version: the agent's part is another field manager's, and nobody else writes ours.
    pub(super) async fn write_report(&self, node: &NodeName, status: &NodeStatus) -> Outcome {
        let status = NodeStatus {
            agent: None,
            node_access: Vec::new(),
            ..status.clone()
        };
        let object = json!({
            "apiVersion": EniNode::api_version(&()), "kind": "EniNode",
            "metadata": { "name": node }, "status": status,
        });
        let (api, parameters, patch) = (self.reports(), applied(), Patch::Apply(object));
        let patched = api.patch_status(node.as_str(), &parameters, &patch);
        of_report(self.count(Written::EniNode, patched).await)
    }

    /// Labels first: the scheduler needs both, and a label without the resource only waits. Each sets a value: repeated
    /// it changes nothing.
    pub(super) async fn patch_node(&self, node: &NodeName, patch: &NodePatch) -> Outcome {
        let NodePatch { publish, labels } = patch;
        let (api, parameters) = (Api::<Node>::all(self.client.clone()), merged());
        let mut outcome = Outcome::NotWritten;
        if !labels.is_empty() {
            let labels: Map<String, Value> = labels
                .iter()
                .map(|(class, set)| {
                    let key = format!("{}{class}", api::name::CLASS_LABEL_PREFIX);
                    (key, if *set { json!("true") } else { Value::Null })
                })
                .collect();
            let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
            let patched = api.patch(node.as_str(), &parameters, &patch);
            match self.count(Written::Node, patched).await {
                Ok(node) => outcome = written(&node),
                Err(failure) => return failure.outcome(),
            }
        }
        if let Some(count) = publish {
            let count = json!({ api::name::RESOURCE: count.to_string() });
            let status = json!({ "capacity": count, "allocatable": count });
            let patch = Patch::Merge(json!({ "status": status }));
            let patched = api.patch_status(node.as_str(), &parameters, &patch);
            match self.count(Written::Node, patched).await {
                Ok(node) => outcome = written(&node),
                Err(failure) => return failure.outcome(),
            }
        }
        outcome
    }

    fn reports(&self) -> Api<EniNode> {
        Api::all(self.client.clone())
    }
}

fn written(node: &Node) -> Outcome {
    convert::node(node).map_or(Outcome::NotWritten, |node| Outcome::Node(Box::new(node)))
}

fn of_report(answer: Result<EniNode, Failure>) -> Outcome {
    match answer {
        Ok(node) => convert::report(node).map_or(Outcome::NotWritten, |report| {
            Outcome::Report(Box::new(report))
        }),
        Err(failure) => failure.outcome(),
    }
}
