//! What the agent says of itself.

use crds::node::Agent;
use kube::api::DynamicObject;
use node_agent::presence::{keep, patch, says};
use serde_json::{Value, json};

use crate::api_server::ApiServer;

fn agent(pod: &str) -> Agent {
    Agent {
        version: "1".into(),
        boot_id: "b".into(),
        pod_uid: pod.into(),
    }
}

fn node(version: u32, status: &Value) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNode", "spec": {},
        "metadata": { "name": "n1", "uid": "e-1", "resourceVersion": version.to_string() }, "status": status,
    })
}

#[tokio::test(start_paused = true)]
async fn node_that_is_made_again_is_filled_again_and_our_own_words_are_no_reason() {
    let list = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNodeList", "metadata": { "resourceVersion": "1" },
        "items": [node(1, &json!({ "capacity": 7 }))],
    });
    let mut api = ApiServer::new(list, "metadata.name=n1", 1);
    let running = tokio::spawn(keep(api.client(), "n1".into(), agent("a-1")));
    let ours = json!({ "agent": agent("a-1") });
    assert_eq!(api.patched().await, ours, "the first, which is refused");
    assert_eq!(api.patched().await, ours, "and said again");

    api.event("MODIFIED", &node(2, &ours));
    let more = json!({ "agent": agent("a-1"), "capacity": 8 });
    api.event("MODIFIED", &node(3, &more));
    api.event("DELETED", &node(3, &more));
    api.event("ADDED", &node(4, &json!({})));
    assert_eq!(api.patched().await, ours, "the node was made again");

    api.event("MODIFIED", &node(5, &ours));
    api.event("MODIFIED", &node(6, &json!({ "agent": agent("a-0") })));
    assert_eq!(api.patched().await, ours, "an older agent spoke last");
    assert!(api.is_quiet(), "once for each reason");
    running.abort();
}

#[test]
fn node_made_again_or_of_another_agent_is_told_apart_from_ours() {
    let node = |status| -> DynamicObject {
        let mut document = patch("n1", &agent("a-1"));
        document["status"] = status;
        serde_json::from_value(document).unwrap()
    };
    let ours = node(patch("n1", &agent("a-1"))["status"].clone());
    assert!(says(&ours, &agent("a-1")));
    assert!(!says(&ours, &agent("a-2")), "an agent before us");
    let anew = node(json!({ "capacity": 7 }));
    assert!(!says(&anew, &agent("a-1")), "made again");
    let newer = json!({ "version": "1", "bootId": "b", "podUid": "a-1", "later": {} });
    let newer = node(json!({ "agent": newer, "conditions": "of another form" }));
    assert!(says(&newer, &agent("a-1")), "only our part counts");
}
