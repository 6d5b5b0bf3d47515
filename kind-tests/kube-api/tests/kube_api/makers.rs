//! A server with our kinds, and requests to it.

use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use kube_api::{Answer, Api, Kinds, Method, Request, json::text};
use serde_json::{Value, json};

pub const CLAIMS: &str = "/apis/eniclaim.io/v1alpha1/namespaces/shop/eniclaims";
pub const PODS: &str = "/api/v1/namespaces/shop/pods";
pub const MERGE: &str = "application/merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

pub fn kinds() -> Arc<Kinds> {
    static KINDS: OnceLock<Arc<Kinds>> = OnceLock::new();
    let crds = || crds::all().map(|crd| serde_json::to_value(crd).unwrap());
    KINDS.get_or_init(|| Arc::new(Kinds::new(&crds()))).clone()
}

/// At this second.
pub fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

pub fn a_server() -> Api {
    let mut api = Api::new(kinds());
    for name in ["shop", "kube-system"] {
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        granted(
            &mut api,
            &Request::new(Method::Post, "/api/v1/namespaces", body),
        );
    }
    api
}

pub fn a_claim(name: &str) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": { "name": name },
        "spec": { "className": "app", "owner": { "kind": "Pod", "name": "web", "uid": "u" } },
    })
}

pub fn claim_path(name: &str) -> String {
    format!("{CLAIMS}/{name}")
}

pub fn a_pod(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": { "containers": [] } })
}

pub fn ask(api: &mut Api, request: &Request) -> Answer {
    api.call(request, at(0))
}

pub fn granted(api: &mut Api, request: &Request) -> Value {
    let answer = ask(api, request);
    assert!(answer.is_success(), "{request:?}: {answer:?}");
    answer.body
}

pub fn make(api: &mut Api, claim: Value) -> Value {
    granted(api, &Request::new(Method::Post, CLAIMS, claim))
}

pub fn merge(path: &str, change: Value) -> Request {
    Request::new(Method::Patch, path, change).with_content_type(MERGE)
}

pub fn apply(path: &str, manager: &str, is_forced: bool, body: &Value) -> Request {
    let mut object = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim" });
    for (field, value) in body.as_object().unwrap() {
        object[field] = value.clone();
    }
    Request::new(Method::Patch, path, object)
        .with_query(&format!("fieldManager={manager}&force={is_forced}"))
        .with_content_type(APPLY)
}

/// Asserts a refusal with its status, reason and a part of its message.
pub fn refused(answer: &Answer, status: u16, reason: &str, says: &str) {
    assert_eq!(
        (answer.status, answer.reason()),
        (status, reason),
        "{answer:?}"
    );
    let message = text(&answer.body, "message");
    assert!(message.contains(says), "{message}");
}
