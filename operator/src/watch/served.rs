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
