//! Networks of Services: watched where the API server serves them.

use std::time::Duration;

use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::{Api, Client, Resource, runtime::watcher::Config};
use operator_core::Fact;
use telemetry::Failure;
use tokio::{sync::mpsc::Sender, time::sleep};

use crate::{convert, watch::stream::Stream};

/// An API server that does not serve them may be a newer version later.
const AGAIN: Duration = Duration::from_mins(5);
/// One that did not answer is asked again.
const SOON: Duration = Duration::from_secs(10);

/// Sends facts about the networks of Services. Kubernetes 1.33 and later serve them.
pub(super) async fn follow(client: Client, config: Config, facts: Sender<Fact>) {
    loop {
        match is_served(&client).await {
            Ok(true) => break,
            Ok(false) => sleep(AGAIN).await,
            Err(error) => {
                let Failure { error, code } = Failure::from(&error);
                tracing::warn!(
                    error,
                    code,
                    "cannot ask whether the API server serves ServiceCIDR; trying again"
                );
                sleep(SOON).await;
            }
        }
    }
    let services = Stream {
        fact: Fact::ServiceCidrs,
        key: |service| convert::name_of(service),
        convert: |service| convert::service_cidr(&service),
        about: |_, _| None,
    };
    services.follow(Api::all(client), config, facts).await;
}

async fn is_served(client: &Client) -> kube::Result<bool> {
    let group = ServiceCIDR::api_version(&());
    match client.list_api_group_resources(&group).await {
        Ok(list) => Ok((list.resources.iter()).any(|one| one.kind == ServiceCIDR::kind(&()))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}
