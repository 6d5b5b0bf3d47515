//! Nodes as they were before eniclaim came: without plugin, labels, resource and report.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::id::{NodeName, NodeUid};
use crds::EniNode;
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Node, Pod},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use operator_core::{
    cluster::NodeHealth,
    drain::{NodeLeft, Verdict, judge_nodes, judge_pods},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    HookError,
    cluster::{Cluster, list},
    failed, pod, repeat,
};
use crate::convert;

/// How long nodes may take to be cleaned.
const NODES: Duration = Duration::from_mins(1);

/// Nodes by name, with their UID.
pub(super) type Nodes = BTreeMap<NodeName, NodeUid>;
/// UIDs of the pods that uninstall, by the node's.
type Pods = BTreeMap<NodeUid, String>;

impl Cluster {
    /// Where an agent is or was.
    pub(super) async fn nodes_with_plugin(&self) -> Result<Nodes, HookError> {
        let (reports, agents) = (self.reports().await?, self.agent_pods().await?);
        let reported = reports.into_iter().filter(|report| report.agent.is_some());
        let agents = agents.into_iter().filter_map(|agent| agent.node);
        let had = reported.map(|report| report.name).chain(agents);
        let had: BTreeSet<NodeName> = had.collect();
        let nodes = self.nodes().await?;
        let nodes = nodes.iter().filter_map(convert::node);
        let nodes = nodes.filter(|node| had.contains(&node.name));
        Ok(nodes.map(|node| (node.name, node.uid)).collect())
    }

    /// Removes from these nodes what the agent installed there, by a pod on each.
    pub(super) async fn clean(
        &self,
        nodes: &Nodes,
        agents: &DaemonSet,
        shutdown: &CancellationToken,
    ) -> Result<(), HookError> {
        let deadline = Instant::now() + NODES;
        // That one of an earlier drain has ended says nothing of the node as it is now, and one that has not acts at any time.
        self.delete_uninstalling().await?;
        let look = async |late| self.earlier(late).await;
        repeat(shutdown, deadline, look).await?;
        let pods = self.uninstall_on(nodes, agents, shutdown).await?;
        let look = async |late| Ok(judge_nodes(&self.cleaned(&pods).await?, late));
        repeat(shutdown, deadline, look).await
    }

    /// Deletes all pods that uninstall.
    pub(super) async fn delete_uninstalling(&self) -> Result<(), HookError> {
        let (pods, all) = (self.own::<Pod>(), DeleteParams::default());
        let selected = ListParams::default().labels(pod::SELECTOR);
        let deleted = pods.delete_collection(&all, &selected).await;
        deleted
            .map(drop)
            .map_err(failed("delete the pods that uninstall"))
    }

    /// Whether those of an earlier drain have ended. On a node that does not run they never do.
    async fn earlier(&self, late: bool) -> Result<Verdict, HookError> {
        let pods = list::<Pod>(&self.own(), pod::SELECTOR).await?;
        let nodes = self.nodes().await?;
        let nodes = nodes.iter().filter_map(convert::node);
        let ready = nodes.filter(|node| node.health == NodeHealth::Ready);
        let ready: BTreeSet<NodeName> = ready.map(|node| node.name).collect();
        let runs = |pod: &&Pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            !convert::has_ended(pod) && node.is_some_and(|node| ready.contains(&node.into()))
        };
        let pods = pods.iter().filter(runs).map(convert::key_of);
        Ok(judge_pods("an earlier uninstall", pods, late))
    }

    async fn uninstall_on(
        &self,
        nodes: &Nodes,
        agents: &DaemonSet,
        shutdown: &CancellationToken,
    ) -> Result<Pods, HookError> {
        let (mut pods, own) = (Pods::new(), self.own::<Pod>());
        for (name, uid) in nodes {
            if shutdown.is_cancelled() {
                return Err(HookError::Ended);
            }
            let pod = pod::uninstalling(agents, name);
            let made = own.create(&PostParams::default(), &pod).await;
            let made = made.map_err(failed("make a pod that uninstalls"))?;
            pods.insert(uid.clone(), made.uid().unwrap_or_default());
        }
        Ok(pods)
    }

    /// How far those pods are. A node that went meanwhile is left out.
    async fn cleaned(&self, pods: &Pods) -> Result<Vec<NodeLeft>, HookError> {
        let there = list::<Pod>(&self.own(), pod::SELECTOR).await?;
        let ended = there
            .iter()
            .filter(|pod| convert::phase(pod) == Some("Succeeded"));
        let ended: BTreeSet<String> = ended.filter_map(ResourceExt::uid).collect();
        let nodes = self.nodes().await?;
        let left = nodes.iter().filter_map(convert::node).filter_map(|node| {
            let pod = pods.get(&node.uid)?;
            Some(NodeLeft {
                is_clean: ended.contains(pod),
                name: node.name,
                health: node.health,
            })
        });
        Ok(left.collect())
    }

    /// Deletes the reports, and takes labels and resource off all nodes.
    pub(super) async fn forget_nodes(&self) -> Result<(), HookError> {
        let (reports, all) = (self.all::<EniNode>(), ListParams::default());
        match reports
            .delete_collection(&DeleteParams::default(), &all)
            .await
        {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(failed("delete the EniNodes")(error)),
        }
        for node in self.nodes().await? {
            self.forget(&node).await?;
        }
        Ok(())
    }

    async fn forget(&self, node: &Node) -> Result<(), HookError> {
        let (nodes, name) = (self.all::<Node>(), node.name_any());
        let merged = PatchParams::default();
        if let Some(patch) = without_labels(node) {
            let patched = nodes.patch(&name, &merged, &Patch::Merge(patch)).await;
            patched.map_err(failed("take the labels off a node"))?;
        }
        if let Some(patch) = without_resource(node) {
            let patched = nodes
                .patch_status(&name, &merged, &Patch::Merge(patch))
                .await;
            patched.map_err(failed("take the resource off a node"))?;
        }
        Ok(())
    }
}

/// Whatever their value is; none where there are none.
fn without_labels(node: &Node) -> Option<Value> {
    let labels = node.labels().keys();
    let ours = labels.filter(|label| label.starts_with(api::name::CLASS_LABEL_PREFIX));
    let ours: Map<String, Value> = ours.map(|label| (label.clone(), Value::Null)).collect();
    (!ours.is_empty()).then(|| json!({ "metadata": { "labels": ours } }))
}

/// Whatever its amount is; none where it is not there.
fn without_resource(node: &Node) -> Option<Value> {
    let status = node.status.as_ref()?;
    let mut lists = [&status.capacity, &status.allocatable]
        .into_iter()
        .flatten();
    let removed = json!({ api::name::RESOURCE: null });
    lists
        .any(|list| list.contains_key(api::name::RESOURCE))
        .then(|| json!({ "status": { "capacity": removed, "allocatable": removed } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(labels: &Value, allocatable: &Value) -> Node {
        let node = json!({
            "metadata": { "name": "n1", "labels": labels },
            "status": { "allocatable": allocatable },
        });
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn labels_and_resource_go_whatever_they_say() {
        let odd = node(
            &json!({ "class.eniclaim.io/app": "no", "class.eniclaim.io/web": "true", "a": "b" }),
            &json!({ "eniclaim.io/eni": "1k", "cpu": "2" }),
        );
        let labels = json!({ "class.eniclaim.io/app": null, "class.eniclaim.io/web": null });
        assert_eq!(
            without_labels(&odd),
            Some(json!({ "metadata": { "labels": labels } }))
        );
        let gone = json!({ "eniclaim.io/eni": null });
        let gone = json!({ "status": { "capacity": gone, "allocatable": gone } });
        assert_eq!(without_resource(&odd), Some(gone));
        let others = node(&json!({ "a": "b" }), &json!({ "cpu": "2" }));
        assert_eq!(
            (without_labels(&others), without_resource(&others)),
            (None, None)
        );
    }
}
