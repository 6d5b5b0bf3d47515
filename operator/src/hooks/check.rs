//! `helm test`: whether the agents are ready on their nodes.

use operator_core::drain::check as judge;
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
        let (agents, reports) = (cluster.agent_pods().await?, cluster.reports().await?);
        Ok(judge(&agents, &reports, late))
    })
    .await?;
    tracing::info!("every agent is ready on its node");
    Ok(())
}
