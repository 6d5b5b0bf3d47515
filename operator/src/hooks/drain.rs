//! `helm uninstall`: what comes before the objects of the chart are deleted. What is in the way is judged by the core.

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use operator_core::drain::{Policy, Rule, kept_by};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{HookError, cluster::Cluster, nodes::Nodes, repeat};
use crate::{
    Monitor,
    ec2::Ec2,
    options::{Drain, Flags, PodsMode},
};

/// How long what is in the way for a moment may be so after the operator has ended: EC2 throttles, or did not answer.
const AGAIN: Duration = Duration::from_secs(20);

/// Drains. Whatever it ends with, it can be done again; where it fails before the agents are ended, the operator runs as before.
pub async fn drain(
    client: kube::Client,
    ec2: aws_sdk_ec2::Client,
    flags: &Flags,
    options: &Drain,
    shutdown: &CancellationToken,
) -> Result<(), HookError> {
    let cluster = Cluster::new(client, flags);
    let ec2 = Ec2::new(ec2, &Monitor::default());
    let drained = match end(&cluster, &ec2, flags, options, shutdown).await {
        Ok((nodes, agents)) => forget(&cluster, &nodes, agents.as_ref(), shutdown).await,
        Err(error) => Err(error.and(cluster.start_operator().await)),
    };
    if let Err(error) = drained {
        // None of them may act later, perhaps when eniclaim is in use again.
        return Err(error.and(cluster.delete_uninstalling().await));
    }
    tracing::info!("drained; Helm deletes the objects of the chart now");
    Ok(())
}

/// Ends operator and agents where nothing is in the way. Gives the nodes that have the plugin, and the agents, unless they are
/// gone already.
async fn end(
    cluster: &Cluster,
    ec2: &Ec2,
    flags: &Flags,
    options: &Drain,
    shutdown: &CancellationToken,
) -> Result<(Nodes, Option<DaemonSet>), HookError> {
    let late = Instant::now() + options.timeout;
    // Helm deletes the Job of an earlier uninstall, whose pod takes back what it has done while it ends.
    let look = async |late| cluster.earlier_drain(&flags.pod_name, late).await;
    repeat(shutdown, late, look).await?;
    let rule = Rule {
        policy: match cluster.pods_mode().await?.unwrap_or(options.pods) {
            PodsMode::Refuse => Policy::Refuse,
            PodsMode::Wait => Policy::Wait,
            PodsMode::Abandon => Policy::Abandon,
        },
        namespace: flags.namespace.clone(),
    };
    let look = async |late| Ok(rule.judge(&cluster.left(ec2).await?, late));
    repeat(shutdown, late, look).await?;
    cluster.stop_operator(shutdown).await?;
    // For a pod that came meanwhile it may have made another ENI: only now nobody makes one any more.
    let look = async |late| Ok(rule.judge_again(&cluster.left(ec2).await?, late));
    repeat(shutdown, Instant::now() + AGAIN, look).await?;
    tracing::info!("the operator has ended, and no ENI is in the way");
    let nodes = cluster.nodes_with_plugin().await?;
    Ok((nodes, cluster.stop_agents().await?))
}

/// Cleans nodes and deletes what no object of the chart owns.
async fn forget(
    cluster: &Cluster,
    nodes: &Nodes,
    agents: Option<&DaemonSet>,
    shutdown: &CancellationToken,
) -> Result<(), HookError> {
    if let Some(agents) = agents {
        cluster.clean(nodes, agents, shutdown).await?;
    } else if let Some(stays) = kept_by(nodes.keys()) {
        tracing::warn!(note = stays, "something stays");
    }
    cluster.forget_nodes().await?;
    cluster.forget_lease().await
}
