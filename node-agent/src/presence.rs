//! What the agent says of itself on its node's EniNode.

use std::time::Duration;

use crds::{AGENT, EniNode, node::Agent};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde::Deserialize;
use serde_json::json;

/// After each attempt to say it, successful or not: whatever happens to the EniNode, it is not written more often.
const PAUSE: Duration = Duration::from_secs(2);

/// Says that this agent works on this boot, and says it again whenever the EniNode was made anew or says otherwise.
pub async fn keep(client: Client, node: String, agent: Agent) {
    let resource = ApiResource::erase::<EniNode>(&());
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    // The operator makes the EniNode and may be newer than we are: only our part of it has to be understood.
    let config = watcher::Config::default().fields(&format!("metadata.name={node}"));
    let changes = watcher(api.clone(), config)
        .default_backoff()
        .applied_objects();
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        match change {
            Ok(object) if says(&object, &agent) => {}
            Ok(object) => announce(&api, &object.name_any(), &agent).await,
            Err(error) => tracing::warn!(node, %error, "the watch of the EniNode is tried again"),
        }
    }
}

/// Whether the EniNode says this of its agent.
pub fn says(node: &DynamicObject, agent: &Agent) -> bool {
    let said = node.data.pointer("/status/agent").map(Agent::deserialize);
    said.is_some_and(|said| said.is_ok_and(|said| said == *agent))
}

/// What is applied to the EniNode's status.
pub fn patch(node: &str, agent: &Agent) -> serde_json::Value {
    json!({
        "apiVersion": format!("{}/{}", crds::GROUP, crds::VERSION),
        "kind": "EniNode",
        "metadata": { "name": node },
        "status": { "agent": agent },
    })
}

/// Repeated until the API server took it or the EniNode is gone.
async fn announce(api: &Api<DynamicObject>, node: &str, agent: &Agent) {
    let parameters = PatchParams::apply(AGENT).force();
    let mut over = false;
    while !over {
        // Applying the same again changes nothing.
        let outcome = api
            .patch_status(node, &parameters, &Patch::Apply(patch(node, agent)))
            .await;
        over = match outcome {
            Ok(_) => {
                tracing::info!(node, "announced");
                true
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                tracing::info!(node, "the EniNode is gone");
                true
            }
            Err(error) => {
                tracing::warn!(node, %error, "the announcement is tried again");
                false
            }
        };
        tokio::time::sleep(PAUSE).await;
    }
}
