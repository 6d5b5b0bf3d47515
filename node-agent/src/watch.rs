//! The watch of this node's claims.

use crds::EniClaim;
use futures::StreamExt;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use telemetry::Failure;
use tokio::sync::mpsc;

use crate::{claim, engine::Input};

/// Hands on every change of the claims whose `status.nodeName` is `node`, until nobody listens.
pub async fn watch(client: Client, node: &str, inputs: mpsc::Sender<Input>) {
    let config = watcher::Config::default().fields(&format!("status.nodeName={node}"));
    // One claim that cannot be read must not stop the others: a watcher of a type fails with its whole list.
    let kind = ApiResource::erase::<EniClaim>(&());
    let claims = Api::<DynamicObject>::all_with(client, &kind);
    let events = watcher(claims, config).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut list = Vec::new();
    while let Some(event) = events.next().await {
        let input = match event {
            Ok(Event::Init) => {
                list.clear();
                continue;
            }
            Ok(Event::InitApply(claim)) => {
                list.push(claim::read(claim));
                continue;
            }
            Ok(Event::InitDone) => Input::Claims(std::mem::take(&mut list)),
            Ok(Event::Apply(claim)) => Input::Claim(Box::new(claim::read(claim))),
            Ok(Event::Delete(claim)) => Input::ClaimGone(claim::key(&claim)),
            Err(error) => {
                let Failure { error, code } = Failure::from(&error);
                tracing::warn!(node, error, code, "the watch of claims is tried again");
                continue;
            }
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}
