//! A watch of a kind that the API server need not serve: where it does not, there are none of it.

use std::{fmt::Debug, hash::Hash, time::Duration};

use kube::{Api, Resource, api::ListParams, runtime::watcher};
use operator_core::{Change, Fact};
use serde::de::DeserializeOwned;
use telemetry::Failure;
use tokio::{sync::mpsc::Sender, time::sleep};

use super::{
    guarded::Guarded,
    stream::{Stream, kind},
};

/// How often it is looked whether the kind is served by now.
const AGAIN: Duration = Duration::from_mins(5);
/// When it is asked again after an answer that says neither.
const RETRY: Duration = Duration::from_secs(2);

impl<O, K, T> Stream<O, K, T>
where
    O: Resource<DynamicType: Default + Eq + Hash>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
    K: Send + 'static,
    T: Send + 'static,
{
    /// Follows it once it is served.
    pub(super) async fn follow_where_served(
        self,
        api: Api<Guarded<O>>,
        config: watcher::Config,
        facts: Sender<Fact>,
    ) {
        // With the watch's own selectors: a right to objects by name is one to no other list.
        let one = ListParams {
            label_selector: config.label_selector.clone(),
            field_selector: config.field_selector.clone(),
            ..ListParams::default().limit(1)
        };
        loop {
            match api.list(&one).await {
                Ok(_) => return self.follow(api, config, facts).await,
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    let none = (self.fact)(Change::All(Vec::new()));
                    if facts.send(none).await.is_err() {
                        return;
                    }
                    sleep(AGAIN).await;
                }
                // A watch of what is not served would go on for ever.
                Err(error) => {
                    let Failure { error, code } = Failure::from(&error);
                    tracing::warn!(object = %kind::<O>(), error, code, "cannot be listed; trying again");
                    sleep(RETRY).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use k8s_openapi::api::networking::v1::ServiceCIDR;
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        convert,
        script::{self, Call},
    };

    static SERVES: AtomicBool = AtomicBool::new(false);

    /// A server that does not serve them, and does after an upgrade.
    fn answer(call: &Call) -> Option<(u16, String)> {
        if !SERVES.load(Ordering::Relaxed) {
            return script::failure(404, "NotFound");
        }
        let object = json!({
            "metadata": {"name": "kubernetes", "uid": "u", "resourceVersion": "1"},
            "spec": {"cidrs": ["10.96.0.0/12", "fd00:10:96::/112"]},
        });
        let list = json!({
            "kind": "ServiceCIDRList", "apiVersion": "networking.k8s.io/v1",
            "metadata": {"resourceVersion": "1"}, "items": [object],
        });
        let watches = call.path.contains("watch=true");
        (!watches).then(|| (200, list.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_served_is_an_empty_list_until_it_is_served() {
        let (client, calls) = script::client(answer);
        let (sender, mut facts) = mpsc::channel(10);
        let services = Stream {
            fact: Fact::ServiceCidrs,
            key: |service: &Guarded<ServiceCIDR>| convert::name_of(service),
            convert: |service| convert::service_cidr(&service),
            about: |_, _| None,
        };
        let api = Api::all(client);
        let config = watcher::Config::default();
        let watch = tokio::spawn(services.follow_where_served(api, config, sender));
        for _ in 0..2 {
            let Some(Fact::ServiceCidrs(Change::All(none))) = facts.recv().await else {
                panic!("no list");
            };
            assert!(none.is_empty());
        }
        let asked = script::outline(&calls);
        let path = "GET /apis/networking.k8s.io/v1/servicecidrs";
        assert_eq!(asked, [path; 2]);

        SERVES.store(true, Ordering::Relaxed);
        let Some(Fact::ServiceCidrs(Change::All(all))) = facts.recv().await else {
            panic!("no list");
        };
        let cidrs = all.iter().flat_map(|one| &one.cidrs);
        let cidrs: Vec<_> = cidrs.map(ToString::to_string).collect();
        assert_eq!(cidrs, ["10.96.0.0/12", "fd00:10:96::/112"]);
        watch.abort();
    }
}
