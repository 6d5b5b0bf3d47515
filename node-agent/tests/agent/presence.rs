//! What the agent says of itself.

use crds::{
    condition::ConditionStatus,
    node::{Agent, NodeAccess},
};
use kube::api::DynamicObject;
use node_agent::{
    engine::Input,
    install::{State, decision::Reason},
    presence::{keep, patch, says},
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::api_server::ApiServer;

fn agent(pod: &str) -> Agent {
    Agent {
        version: "1".into(),
        boot_id: "b".into(),
        pod_uid: pod.into(),
    }
}

/// Nothing is known of it, and nothing will be.
fn nothing<T: Default>() -> watch::Receiver<T> {
    let (sender, receiver) = watch::channel(T::default());
    std::mem::forget(sender);
    receiver
}

fn installed(message: &str) -> State {
    State {
        status: ConditionStatus::True,
        reason: Reason::Installed,
        message: message.into(),
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
    let (engine, _told) = engine();
    let running = tokio::spawn(keep(
        api.client(),
        "n1".into(),
        agent("a-1"),
        nothing(),
        nothing(),
        engine,
    ));
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
        let mut document = patch("n1", &agent("a-1"), None, &[]);
        document["status"] = status;
        serde_json::from_value(document).unwrap()
    };
    let ours = node(patch("n1", &agent("a-1"), None, &[])["status"].clone());
    assert!(says(&ours, &agent("a-1"), None));
    assert!(!says(&ours, &agent("a-2"), None), "an agent before us");
    let anew = node(json!({ "capacity": 7 }));
    assert!(!says(&anew, &agent("a-1"), None), "made again");
    let newer = json!({ "version": "1", "bootId": "b", "podUid": "a-1", "later": {} });
    let newer = node(json!({ "agent": newer, "conditions": "of another form" }));
    assert!(says(&newer, &agent("a-1"), None), "only our part counts");
}

#[tokio::test(start_paused = true)]
async fn plugin_is_told_of_with_the_agent_and_again_when_it_changes() {
    let list = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNodeList", "metadata": { "resourceVersion": "1" },
        "items": [node(1, &json!({ "instance": { "id": "i-1", "type": "m5.large", "zone": "z" } }))],
    });
    let mut api = ApiServer::new(list, "metadata.name=n1", 0);
    let (plugin, installation) = watch::channel(Some(installed("by a drop-in")));
    let (engine, mut told) = engine();
    let running = tokio::spawn(keep(
        api.client(),
        "n1".into(),
        agent("a-1"),
        installation,
        nothing(),
        engine,
    ));
    let first = api.patched().await;
    assert_eq!(first["agent"], json!(agent("a-1")));
    assert!(matches!(told.recv().await, Some(Input::Instance(id)) if id == "i-1"));
    let said = &first["conditions"][0];
    assert_eq!(
        (&said["type"], &said["status"]),
        (&json!("PluginInstalled"), &json!("True"))
    );
    assert_eq!(
        (&said["reason"], &said["message"]),
        (&json!("Installed"), &json!("by a drop-in"))
    );

    // The operator's conditions stand beside ours.
    let mut status = first.clone();
    let theirs = json!({ "type": "AgentReady", "status": "True", "reason": "Reported", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    status["conditions"]
        .as_array_mut()
        .unwrap()
        .insert(0, theirs);
    status["conditions"][1]["lastTransitionTime"] = json!("2026-01-01T00:00:00Z");
    api.event("MODIFIED", &node(2, &status));
    plugin.send_replace(Some(installed("by a list")));
    let second = api.patched().await;
    assert_eq!(
        second["conditions"].as_array().unwrap().len(),
        1,
        "only ours is applied"
    );
    assert_eq!(second["conditions"][0]["message"], "by a list");
    assert_eq!(
        second["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z",
        "it has been installed since then"
    );
    assert!(api.is_quiet());
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn who_has_addresses_on_bridges_is_said_and_said_again_when_it_is_lost() {
    let list = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNodeList", "metadata": { "resourceVersion": "1" },
        "items": [node(1, &json!({}))],
    });
    let mut api = ApiServer::new(list, "metadata.name=n1", 0);
    let (access, accessed) = watch::channel(Vec::new());
    let (engine, _told) = engine();
    let running = tokio::spawn(keep(
        api.client(),
        "n1".into(),
        agent("a-1"),
        nothing(),
        accessed,
        engine,
    ));
    let nobody = json!({ "agent": agent("a-1") });
    assert_eq!(api.patched().await, nobody);
    api.event("MODIFIED", &node(2, &nobody));
    let somebody = NodeAccess {
        addresses: vec!["169.254.172.2/22".parse().unwrap()],
        bridge: Some("ecs-br0".into()),
        id: None,
        network: "ecs-bridge".into(),
        container_id: "c1".into(),
        interface: "eth0".into(),
    };
    access.send_replace(vec![somebody.clone()]);
    let said = api.patched().await;
    assert_eq!(said["nodeAccess"], json!([somebody]));
    api.event("MODIFIED", &node(3, &said));
    api.event("MODIFIED", &node(4, &nobody));
    assert_eq!(api.patched().await, said, "it was lost");
    api.event("MODIFIED", &node(5, &said));
    access.send_replace(Vec::new());
    assert_eq!(
        api.patched().await,
        nobody,
        "it is left out, and so removed"
    );
    running.abort();
}

#[test]
fn what_an_agent_before_said_of_the_plugin_stays_until_this_one_knows() {
    let said = installed("by a drop-in").condition(crds::Time(0));
    let object = |condition| -> DynamicObject {
        serde_json::from_value(patch("n1", &agent("a-1"), condition, &[])).unwrap()
    };
    assert!(says(&object(Some(&said)), &agent("a-1"), None));
    assert!(says(
        &object(Some(&said)),
        &agent("a-1"),
        Some(&installed("by a drop-in"))
    ));
    assert!(!says(
        &object(Some(&said)),
        &agent("a-1"),
        Some(&installed("by a list"))
    ));
    assert!(!says(
        &object(None),
        &agent("a-1"),
        Some(&installed("by a drop-in"))
    ));
}

/// An engine that takes what it is told.
fn engine() -> (mpsc::Sender<Input>, mpsc::Receiver<Input>) {
    mpsc::channel(8)
}
