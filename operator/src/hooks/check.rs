//! `helm test`: whether every node that is to have an agent has a ready one, and every class what it names.

use operator_core::check::check as judge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{HookError, cluster::Cluster, repeat};
use crate::options::{Check, Flags};

/// Waits until they are.
pub async fn check(
    client: kube::Client,
    flags: &Flags,
    check: &Check,
    shutdown: &CancellationToken,
) -> Result<(), HookError> {
    let cluster = Cluster::new(client, flags);
    repeat(shutdown, Instant::now() + check.timeout, async |late| {
        let rollout = cluster.rollout().await?;
        let (agents, reports) = (cluster.agent_pods().await?, cluster.reports().await?);
        let classes = cluster.classes().await?;
        Ok(judge(rollout, &agents, &reports, &classes, late))
    })
    .await?;
    tracing::info!("every agent is ready on its node, and every class is Ready");
    Ok(())
}
