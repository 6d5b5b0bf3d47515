//! What the metadata of an object may be, and what of it is stored.

use kube_api::{
    Method, Request,
    json::{list, put},
};
use serde_json::{Value, json};

use super::makers::{CLAIMS, a_claim, a_server, ask, claim_path, granted, make, merge, refused};

/// Metadata is read into `ObjectMeta`, whose fields are `omitempty` (apimachinery/pkg/apis/meta/v1/types.go).
#[test]
fn what_is_empty_in_metadata_is_dropped() {
    let mut api = a_server();
    let mut claim = a_claim("x");
    put(&mut claim, "metadata.finalizers", json!([]));
    put(&mut claim, "metadata.labels", json!({}));
    put(&mut claim, "metadata.annotations", Value::Null);
    let made = make(&mut api, claim);
    for name in ["finalizers", "labels", "annotations"] {
        assert!(made["metadata"].get(name).is_none(), "{name}: {made}");
    }
    let path = claim_path("x");
    let held = json!({ "metadata": { "finalizers": ["eniclaim.io/eni"] } });
    granted(&mut api, &merge(&path, held));
    let free = granted(
        &mut api,
        &merge(&path, json!({ "metadata": { "finalizers": [] } })),
    );
    assert!(free["metadata"].get("finalizers").is_none(), "{free}");
}

/// apimachinery/pkg/api/validation/objectmeta.go
#[test]
fn keys_finalizers_and_owners_are_checked() {
    let mut api = a_server();
    for (path, value, cause) in [
        ("labels", json!({ "not a key": "a" }), "metadata.labels"),
        (
            "annotations",
            json!({ "a/b/c": "" }),
            "metadata.annotations",
        ),
        (
            "finalizers",
            json!(["not a finalizer"]),
            "metadata.finalizers",
        ),
        (
            "ownerReferences",
            json!([{ "kind": "Pod", "name": "p", "uid": "u" }]),
            "metadata.ownerReferences[0].apiVersion",
        ),
    ] {
        let mut claim = a_claim("x");
        put(&mut claim, &format!("metadata.{path}"), value);
        let answer = ask(&mut api, &Request::new(Method::Post, CLAIMS, claim));
        refused(&answer, 422, "Invalid", cause);
        assert_eq!(list(&answer.body, "details.causes")[0]["field"], cause);
    }
}

/// `applyPatchToObject`, endpoints/handlers/patch.go
#[test]
fn metadata_of_a_wrong_type_cannot_be_read() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    let wrong = json!({ "metadata": { "labels": { "tier": 5 } } });
    let answer = ask(&mut api, &merge(&claim_path("x"), wrong.clone()));
    refused(&answer, 422, "Invalid", "patch");
    let mut claim = a_claim("y");
    put(&mut claim, "metadata.labels", json!({ "tier": 5 }));
    let answer = ask(&mut api, &Request::new(Method::Post, CLAIMS, claim));
    refused(&answer, 400, "BadRequest", "labels");
}

/// `Create` of storage/etcd3/store.go, whose error nobody translates.
#[test]
fn what_is_new_has_no_version() {
    let mut api = a_server();
    let mut claim = a_claim("x");
    put(&mut claim, "metadata.resourceVersion", "1");
    let answer = ask(&mut api, &Request::new(Method::Post, CLAIMS, claim));
    refused(&answer, 500, "", "resourceVersion should not be set");
}
