//! The watch of this node's claims.

use crds::EniClaim;
use futures::StreamExt;
use kube::{
    Api, Client,
    core::DeserializeGuard,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use node_agent_core::claim::ClaimKey;
use tokio::sync::mpsc;

use crate::{claim, engine::Input};

/// Hands on every change of the claims whose `status.nodeName` is `node`, until nobody listens.
pub async fn watch(client: Client, node: &str, inputs: mpsc::Sender<Input>) {
    let config = watcher::Config::default().fields(&format!("status.nodeName={node}"));
    // One claim of another version that cannot be read must not stop the others: a watcher fails with its whole list.
    let events = watcher(Api::<DeserializeGuard<EniClaim>>::all(client), config).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut list = Vec::new();
    while let Some(event) = events.next().await {
        let input = match event {
            Ok(Event::Init) => {
                list.clear();
                continue;
            }
            Ok(Event::InitApply(claim)) => {
                list.extend(readable(claim).ok());
                continue;
            }
            Ok(Event::InitDone) => Input::Claims(std::mem::take(&mut list)),
            Ok(Event::Apply(claim)) => match readable(claim) {
                Ok(claim) => Input::Claim(Box::new(claim)),
                Err(key) => Input::ClaimGone(key),
            },
            Ok(Event::Delete(claim)) => Input::ClaimGone(claim::key(&claim)),
            Err(error) => {
                tracing::warn!(%error, "the watch of claims is tried again");
                continue;
            }
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

/// The claim, or the key of one that is left out as if it were not of this node: a pod keeps what it has.
fn readable(claim: DeserializeGuard<EniClaim>) -> Result<EniClaim, ClaimKey> {
    let key = claim::key(&claim);
    claim.0.map_err(|error| {
        tracing::error!(claim = %key, %error, "a claim cannot be read");
        key
    })
}
