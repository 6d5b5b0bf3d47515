//! The AWS client: region and credentials by the SDK's own chain, limits by ours.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, retry::RetryConfig, timeout::TimeoutConfig};
use tokio_util::sync::CancellationToken;

use super::TIMEOUT;
use crate::Monitor;

const CONNECT: Duration = Duration::from_secs(5);
/// How soon the region is looked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// A client, as soon as a region is known; until then the monitor says what was tried. None: asked to end meanwhile.
pub async fn client(
    monitor: &Monitor,
    shutdown: &CancellationToken,
) -> Option<aws_sdk_ec2::Client> {
    loop {
        let config = environment().load();
        let config = tokio::select! {
            () = shutdown.cancelled() => return None,
            config = config => config,
        };
        if config.region().is_some() {
            return Some(configure((&config).into()));
        }
        monitor.set_ready(Err(
            "no AWS region: AWS_REGION is not set, no profile names one, and instance metadata did not answer; set the chart value aws.region"
                .to_owned(),
        ));
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// A client whose calls all fail where no region is known.
pub async fn client_at_once() -> aws_sdk_ec2::Client {
    configure((&environment().load().await).into())
}

fn environment() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
}

/// Puts our limits on a client's configuration. The SDK never retries: each send has one answer, which the fleet sees,
/// counts and waits out; a retry of the SDK's own would hide whether an earlier send of a Create may have made an ENI.
pub fn configure(config: aws_sdk_ec2::config::Builder) -> aws_sdk_ec2::Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(TIMEOUT)
        .operation_timeout(TIMEOUT)
        .build();
    aws_sdk_ec2::Client::from_conf(
        config
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .build(),
    )
}
