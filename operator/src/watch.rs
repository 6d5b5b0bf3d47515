//! Streams of Kubernetes objects, turned into facts.

use std::{fmt::Debug, hash::Hash, pin::pin};

use crds::{EniClaim, EniClass, EniNode};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use operator_core::{Change, Fact};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::border;

/// Starts all watches; each tries again for ever, with back-off.
pub(crate) fn start(client: &Client, facts: &Sender<Fact>) -> JoinSet<()> {
    let all = watcher::Config::default();
    let asking = all.clone().labels(crds::CLASS);
    let mut watches = JoinSet::new();
    watches.spawn(stream::<Pod, _, _>(
        client,
        asking,
        border::pod,
        border::key_of,
        Fact::Pods,
        facts,
    ));
    watches.spawn(stream::<EniClaim, _, _>(
        client,
        all.clone(),
        border::claim,
        border::claim_id,
        Fact::Claims,
        facts,
    ));
    watches.spawn(stream::<Node, _, _>(
        client,
        all.clone(),
        border::node,
        border::name_of,
        Fact::Nodes,
        facts,
    ));
    watches.spawn(stream::<Namespace, _, _>(
        client,
        all.clone(),
        border::namespace,
        border::name_of,
        Fact::Namespaces,
        facts,
    ));
    watches.spawn(stream::<EniClass, _, _>(
        client,
        all.clone(),
        border::class,
        border::name_of,
        Fact::Classes,
        facts,
    ));
    watches.spawn(stream::<EniNode, _, _>(
        client,
        all,
        border::report,
        border::name_of,
        Fact::Reports,
        facts,
    ));
    watches
}

/// One watch. What cannot be parsed is passed over: the schema of the API server lets no such object in.
fn stream<O, K, T>(
    client: &Client,
    config: watcher::Config,
    parse: fn(&O) -> Option<T>,
    key: fn(&O) -> K,
    fact: fn(Change<K, T>) -> Fact,
    facts: &Sender<Fact>,
) -> impl Future<Output = ()> + Send + 'static
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
    let (api, facts) = (Api::<O>::all(client.clone()), facts.clone());
    async move { follow(api, config, parse, key, fact, facts).await }
}

async fn follow<O, K, T>(
    api: Api<O>,
    config: watcher::Config,
    parse: fn(&O) -> Option<T>,
    key: fn(&O) -> K,
    fact: fn(Change<K, T>) -> Fact,
    facts: Sender<Fact>,
) where
    O: Resource<DynamicType: Default + Eq + Hash>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
{
    let events = watcher::watcher(api, config).default_backoff();
    let mut events = pin!(events.inspect_err(|error| {
        tracing::warn!(kind = %O::kind(&O::DynamicType::default()), %error, "watch interrupted; trying again");
    }));
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        let change = match event {
            Err(_) => continue,
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.extend(parse(&object));
                continue;
            }
            Ok(Event::InitDone) => Change::All(std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => match parse(&object) {
                Some(item) => Change::Set(Box::new(item)),
                None => continue,
            },
            Ok(Event::Delete(object)) => Change::Gone(key(&object)),
        };
        if facts.send(fact(change)).await.is_err() {
            return;
        }
    }
}
