//! Nodes as they were before eniclaim came: without plugin, labels, resource and report.

use std::collections::BTreeMap;

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
use operator_core::{cluster, drain::NodeLeft};
use serde_json::{Map, Value, json};

use super::{HookError, cluster::Cluster, failed, pod};

/// Nodes by name, with their UID.
pub(super) type Nodes = BTreeMap<NodeName, NodeUid>;

impl Cluster {
    /// Where an agent is or was.
    pub(super) async fn nodes_with_plugin(&self) -> Result<Nodes, HookError> {
        let (reports, agents) = (self.reports().await?, self.agent_pods().await?);
        let reported = reports.into_iter().filter(|report| report.agent.is_some());
        let agents = agents.into_iter().filter_map(|agent| agent.node);
        let had: Vec<NodeName> = reported.map(|report| report.name).chain(agents).collect();
        let nodes = self.nodes().await?.into_iter();
        let nodes = nodes.filter(|node| had.contains(&node.name));
        Ok(nodes.map(|node| (node.name, node.uid)).collect())
    }

    /// Starts a pod on each of them that removes what the agent installed there.
    pub(super) async fn uninstall_on(
        &self,
        nodes: &Nodes,
        agents: &DaemonSet,
    ) -> Result<(), HookError> {
        for (name, uid) in nodes {
            let pod = pod::uninstalling(agents, name, uid);
            match self.own::<Pod>().create(&PostParams::default(), &pod).await {
                Ok(_) => {}
                // Of an earlier drain: it has cleaned the node, or goes on trying.
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(error) => return Err(failed("make a pod that uninstalls")(error)),
            }
        }
        Ok(())
    }

    /// How far those pods are. A node that went meanwhile is left out.
    pub(super) async fn cleaned(&self, nodes: &Nodes) -> Result<Vec<NodeLeft>, HookError> {
        let selected = ListParams::default().labels(pod::SELECTOR);
        let pods = self.own::<Pod>().list(&selected).await;
        let pods = pods.map_err(failed("list the pods that uninstall"))?;
        let has_ended = |pod: &Pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            phase == Some("Succeeded")
        };
        let ended: Vec<String> = pods
            .iter()
            .filter(|pod| has_ended(pod))
            .map(Pod::name_any)
            .collect();
        let there = self.nodes().await?.into_iter();
        let there = there.filter(|node| nodes.get(&node.name) == Some(&node.uid));
        let left = there.map(|node| NodeLeft {
            is_clean: ended.contains(&pod::name(&node.uid)),
            name: node.name,
            health: node.health,
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

    async fn forget(&self, node: &cluster::Node) -> Result<(), HookError> {
        let (nodes, name) = (self.all::<Node>(), node.name.as_str());
        let merged = PatchParams::default();
        if !node.classes.is_empty() {
            let labels = node.classes.iter();
            let labels = labels.map(|class| format!("{}{class}", api::name::CLASS_LABEL_PREFIX));
            let labels: Map<String, Value> = labels.map(|label| (label, Value::Null)).collect();
            let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
            let patched = nodes.patch(name, &merged, &patch).await;
            patched.map_err(failed("take the labels off a node"))?;
        }
        if node.published != (None, None) {
            let removed = json!({ api::name::RESOURCE: null });
            let patch =
                Patch::Merge(json!({ "status": { "capacity": removed, "allocatable": removed } }));
            let patched = nodes.patch_status(name, &merged, &patch).await;
            patched.map_err(failed("take the resource off a node"))?;
        }
        Ok(())
    }
}
