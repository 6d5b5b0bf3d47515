//! `helm uninstall`: what comes before the objects of the chart are deleted. What is in the way is judged by the core.

use std::time::Duration;

use operator_core::drain::{Policy, judge, judge_nodes};
use tokio::time::Instant;

use super::{HookError, cluster::Cluster, repeat};
use crate::{
    Monitor,
    ec2::Ec2,
    options::{Drain, Flags, PodsMode},
};

/// How long nodes may take to be cleaned.
const NODES: Duration = Duration::from_mins(1);

/// Drains. Whatever it ends with, it can be done again; a refusal for the sake of pods changes nothing.
pub async fn drain(
    client: kube::Client,
    ec2: aws_sdk_ec2::Client,
    flags: &Flags,
    drain: &Drain,
) -> Result<(), HookError> {
    let (cluster, ec2) = (
        Cluster::new(client, flags),
        Ec2::new(ec2, &Monitor::default()),
    );
    let policy = match drain.pods {
        PodsMode::Refuse => Policy::Refuse,
        PodsMode::Wait => Policy::Wait,
        PodsMode::Abandon => Policy::Abandon,
    };
    let look = async |late| Ok(judge(policy, &cluster.left(&ec2).await?, late));
    repeat(Instant::now() + drain.timeout, look).await?;
    let replicas = cluster.stop_operator().await?;
    // For a pod that came meanwhile it may have made another ENI: only now nobody makes one any more.
    if let Err(error) = repeat(Instant::now(), look).await {
        cluster.scale_operator(replicas).await?;
        return Err(error);
    }
    tracing::info!("the operator has ended, and no ENI is in the way");
    let nodes = cluster.nodes_with_plugin().await?;
    if let Some(agents) = cluster.stop_agents().await? {
        cluster.uninstall_on(&nodes, &agents).await?;
        let look = async |late| Ok(judge_nodes(&cluster.cleaned(&nodes).await?, late));
        repeat(Instant::now() + NODES, look).await?;
    }
    cluster.forget_nodes().await?;
    tracing::info!("eniclaim is off the nodes; Helm deletes its objects now");
    Ok(())
}
