//! What the agent says of itself on its node's EniNode.

use std::time::Duration;

use crds::{AGENT, EniNode};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// How long to wait for an EniNode that the operator has not made yet, and after a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Says once that this agent works on this boot; repeated until the API server took it.
pub async fn announce(client: Client, node: String, boot_id: String, pod_uid: String) {
    let api: Api<EniNode> = Api::all(client);
    let patch = json!({
        "apiVersion": format!("{}/{}", crds::GROUP, crds::VERSION),
        "kind": "EniNode",
        "metadata": { "name": node },
        "status": { "agent": { "version": env!("CARGO_PKG_VERSION"), "bootId": boot_id, "podUid": pod_uid } },
    });
    let parameters = PatchParams::apply(AGENT).force();
    loop {
        // Applying the same again changes nothing.
        match api
            .patch_status(&node, &parameters, &Patch::Apply(&patch))
            .await
        {
            Ok(_) => return tracing::info!(node, "announced"),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                tracing::debug!(node, "the operator has not made the EniNode yet");
            }
            Err(error) => tracing::warn!(node, %error, "the announcement is tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
