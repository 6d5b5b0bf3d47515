//! A watch of a kind that the API server need not serve: where it does not, there are none of it.

use std::{fmt::Debug, hash::Hash, time::Duration};

use kube::{Api, Resource, api::ListParams, runtime::watcher};
use operator_core::{Change, Fact};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc::Sender, time::sleep};

use super::{guarded::Guarded, stream::Stream};

/// How often it is looked whether the kind is served by now.
const AGAIN: Duration = Duration::from_mins(5);

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
        let one = ListParams::default().limit(1);
        while let Err(kube::Error::Api(status)) = api.list(&one).await
            && status.code == 404
        {
            if facts
                .send((self.fact)(Change::All(Vec::new())))
                .await
                .is_err()
            {
                return;
            }
            sleep(AGAIN).await;
        }
        self.follow(api, config, facts).await;
    }
}
