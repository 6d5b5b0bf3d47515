//! The claims of this node, as the API server sends them.

use node_agent::{engine::Input, watch::watch};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{api_server::ApiServer, running::claim_document};

fn named(name: &str, phase: &str) -> Value {
    let mut claim = claim_document();
    claim["metadata"]["name"] = json!(name);
    claim["metadata"]["resourceVersion"] = json!("2");
    claim["status"]["phase"] = json!(phase);
    claim
}

#[tokio::test(start_paused = true)]
async fn claim_that_cannot_be_read_stops_no_other() {
    let list = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaimList", "metadata": { "resourceVersion": "1" },
        "items": [named("newer", "Unheard"), named("ours", "Attached")],
    });
    let api = ApiServer::new(list, "status.nodeName=n1", 0);
    let (inputs, mut taken) = mpsc::channel(8);
    let running = tokio::spawn({
        let client = api.client();
        async move { watch(client, "n1", inputs).await }
    });
    let Some(Input::Claims(claims)) = taken.recv().await else {
        panic!("no list")
    };
    let [Err(newer), Ok(ours)] = &claims[..] else {
        panic!("{claims:?}")
    };
    assert_eq!(ours.metadata.name.as_deref(), Some("ours"));
    assert_eq!(newer.key.name, "newer");
    assert!(
        newer
            .pod
            .as_ref()
            .is_some_and(|pod| pod.name == "web-0" && pod.uid == "u-1")
    );
    assert!(newer.error.contains("Unheard"), "{newer}");

    api.event("MODIFIED", &named("ours", "Unheard"));
    assert!(
        matches!(taken.recv().await, Some(Input::Claim(claim)) if claim.as_ref().as_ref().is_err_and(|claim| claim.key.name == "ours"))
    );
    api.event("MODIFIED", &named("ours", "Ready"));
    assert!(matches!(taken.recv().await, Some(Input::Claim(claim)) if claim.is_ok()));
    running.abort();
}
