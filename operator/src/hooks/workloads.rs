//! Our own workloads, which end before nodes are cleaned, and how the operator is started again.

use std::time::Duration;

use clap::ValueEnum;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    coordination::v1::Lease,
    core::v1::Pod,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use operator_core::{
    check::Rollout,
    drain::{PODS_MODE, Verdict, judge_pods},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    HookError,
    cluster::{Cluster, list},
    failed, repeat,
};
use crate::{convert, options::PodsMode};

/// Names that the chart gives its workloads.
const OPERATOR: &str = "eniclaim-operator";
const AGENT: &str = "eniclaim-agent";
/// Label that it gives the pods of the Job that drains.
const DRAIN: &str = "app.kubernetes.io/component=drain";
/// Annotation of the operator's Deployment: how many replicas there were before it was drained.
const REPLICAS: &str = "eniclaim.io/replicas-before-drain";
/// No node has this label: a `DaemonSet` that selects by it ends its pods, whatever its update strategy.
const NO_NODE: &str = "eniclaim.io/uninstalled";
/// How long the operator may take to end; kubelet kills it after 30 s.
const END: Duration = Duration::from_secs(40);

impl Cluster {
    /// What a person wrote on the operator's Deployment is to become of pods with ENIs.
    pub(super) async fn pods_mode(&self) -> Result<Option<PodsMode>, HookError> {
        let operator = self.operator().await?.unwrap_or_default();
        let Some(word) = operator.annotations().get(PODS_MODE) else {
            return Ok(None);
        };
        let mode = PodsMode::from_str(word, false);
        mode.map(Some).map_err(|_| {
            HookError::Refused(format!(
                "the annotation {PODS_MODE} of the Deployment {OPERATOR} is {word:?}; it can be refuse, wait or abandon"
            ))
        })
    }

    /// Whether the pods of earlier drains have ended; `own` is the name of this one's.
    pub(super) async fn earlier_drain(&self, own: &str, late: bool) -> Result<Verdict, HookError> {
        let pods = list::<Pod>(&self.own(), DRAIN).await?;
        let others = pods
            .iter()
            .filter(|pod| !convert::has_ended(pod) && pod.name_any() != own);
        Ok(judge_pods(
            "an earlier drain",
            others.map(convert::key_of),
            late,
        ))
    }

    /// Ends the operator, where there is one.
    pub(super) async fn stop_operator(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<(), HookError> {
        let Some(operator) = self.operator().await? else {
            return Ok(());
        };
        let replicas = replicas(&operator);
        if replicas > 0 {
            self.patch_operator(&json!({
                "metadata": { "annotations": { REPLICAS: replicas.to_string() } },
                "spec": { "replicas": 0 },
            }))
            .await?;
        }
        let labels = operator.spec.selector.match_labels.unwrap_or_default();
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        let labels = labels.collect::<Vec<_>>().join(",");
        repeat(shutdown, Instant::now() + END, async |late| {
            let pods = list::<Pod>(&self.own(), &labels).await?;
            // One that was evicted stays as it is.
            let pods = pods.iter().filter(|pod| !convert::has_ended(pod));
            Ok(judge_pods("the operator", pods.map(convert::key_of), late))
        })
        .await
    }

    /// Starts it again where a drain, this one or one before, has ended it.
    pub(super) async fn start_operator(&self) -> Result<(), HookError> {
        let Some(operator) = self.operator().await? else {
            return Ok(());
        };
        let before = operator.annotations().get(REPLICAS);
        match before.and_then(|replicas| replicas.parse::<i32>().ok()) {
            Some(before) if replicas(&operator) == 0 => {
                self.patch_operator(&json!({
                    "metadata": { "annotations": { REPLICAS: null } },
                    "spec": { "replicas": before },
                }))
                .await
            }
            _ => Ok(()),
        }
    }

    async fn operator(&self) -> Result<Option<Deployment>, HookError> {
        let found = self.own().get_opt(OPERATOR).await;
        found.map_err(failed("show the operator's Deployment"))
    }

    async fn patch_operator(&self, patch: &Value) -> Result<(), HookError> {
        let (operators, merged) = (self.own::<Deployment>(), PatchParams::default());
        let scaled = operators
            .patch(OPERATOR, &merged, &Patch::Merge(patch))
            .await;
        scaled
            .map(drop)
            .map_err(failed("scale the operator's Deployment"))
    }

    /// Ends the agents, without waiting: those of a node that does not run never end. None where they are gone already.
    pub(super) async fn stop_agents(&self) -> Result<Option<DaemonSet>, HookError> {
        let select = json!({ NO_NODE: "true" });
        let select = json!({ "spec": { "template": { "spec": { "nodeSelector": select } } } });
        let (agents, merged) = (self.own::<DaemonSet>(), PatchParams::default());
        match agents.patch(AGENT, &merged, &Patch::Merge(select)).await {
            Ok(agents) => Ok(Some(agents)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(failed("end the agents")(error)),
        }
    }

    /// How far the pods of the agents are rolled out; none where there is no such `DaemonSet`.
    pub(super) async fn rollout(&self) -> Result<Option<Rollout>, HookError> {
        let found = self.own::<DaemonSet>().get_opt(AGENT).await;
        let found = found.map_err(failed("show the DaemonSet of the agents"))?;
        Ok(found.map(|agents| {
            let generation = agents.metadata.generation;
            let status = agents.status.unwrap_or_default();
            Rollout {
                observed: status.observed_generation >= generation,
                desired: status.desired_number_scheduled,
                scheduled: status.current_number_scheduled,
                updated: status.updated_number_scheduled.unwrap_or(0),
                ready: status.number_ready,
            }
        }))
    }

    /// Deletes the Lease, which no object of the chart owns.
    pub(super) async fn forget_lease(&self) -> Result<(), HookError> {
        let leases = self.own::<Lease>();
        match leases.delete(&self.lease, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(failed("delete the operator's Lease")(error)),
        }
    }
}

/// One where it does not say.
fn replicas(operator: &Deployment) -> i32 {
    operator.spec.replicas.unwrap_or(1)
}
