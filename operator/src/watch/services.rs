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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use operator_core::Change;
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::script::{self, Call};

    static SERVES: AtomicBool = AtomicBool::new(false);

    /// A server that does not serve them, and does after an upgrade.
    fn answer(call: &Call) -> Option<(u16, String)> {
        let path = call.path.split('?').next()?;
        match path {
            "/apis/networking.k8s.io/v1" if SERVES.load(Ordering::Relaxed) => {
                let resource = json!({
                    "name": "servicecidrs", "singularName": "servicecidr", "namespaced": false,
                    "kind": "ServiceCIDR", "verbs": ["list", "watch"],
                });
                let list = json!({
                    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "networking.k8s.io/v1",
                    "resources": [resource],
                });
                Some((200, list.to_string()))
            }
            "/apis/networking.k8s.io/v1/servicecidrs" if !call.path.contains("watch=true") => {
                let object = json!({
                    "metadata": {"name": "kubernetes", "uid": "u", "resourceVersion": "1"},
                    "spec": {"cidrs": ["10.96.0.0/12", "fd00:10:96::/112"]},
                });
                let list = json!({
                    "kind": "ServiceCIDRList", "apiVersion": "networking.k8s.io/v1",
                    "metadata": {"resourceVersion": "1"}, "items": [object],
                });
                Some((200, list.to_string()))
            }
            "/apis/networking.k8s.io/v1/servicecidrs" => None,
            _ => script::failure(404, "NotFound"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn networks_are_listed_once_the_api_server_serves_them() {
        let (client, calls) = script::client(answer);
        let (sender, mut facts) = mpsc::channel(10);
        let watch = tokio::spawn(follow(client, Config::default(), sender));
        tokio::time::sleep(AGAIN * 2).await;
        assert!(facts.is_empty());
        assert!(
            script::outline(&calls)
                .iter()
                .all(|line| line == "GET /apis/networking.k8s.io/v1")
        );
        SERVES.store(true, Ordering::Relaxed);
        let Some(Fact::ServiceCidrs(Change::All(all))) = facts.recv().await else {
            panic!("no list");
        };
        let cidrs: Vec<_> = all
            .iter()
            .flat_map(|one| &one.cidrs)
            .map(ToString::to_string)
            .collect();
        assert_eq!(cidrs, ["10.96.0.0/12", "fd00:10:96::/112"]);
        watch.abort();
    }
}
