//! Deletions: what they ask, what they leave behind, and what becomes of dependents.

use kube_api::{
    Id, Method, Request,
    json::{at as field, list, text},
};
use serde_json::{Value, json};

use super::makers::{CLAIMS, PODS, a_claim, a_pod, a_server, at, claim_path, granted, make};

fn delete(path: &str, options: Value) -> Request {
    Request::new(Method::Delete, path, options)
}

/// The mark is stored before the pod goes (`updateForGracefulDeletionAndFinalizers`, registry/generic/registry/store.go).
#[test]
fn a_pod_without_a_node_is_marked_and_gone_at_once() {
    let mut api = a_server();
    granted(&mut api, &Request::new(Method::Post, PODS, a_pod("web")));
    let query = format!("watch=true&resourceVersion={}", api.version());
    let watch = Request::new(Method::Get, PODS, Value::Null).with_query(&query);
    let mut watch = api.watch(&watch, at(0)).unwrap();
    let gone = granted(&mut api, &delete(&format!("{PODS}/web"), Value::Null));
    assert_eq!(gone["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(gone["metadata"]["deletionTimestamp"].is_string());
    let events = api.poll(&mut watch, at(0)).events;
    let kinds: Vec<&str> = events.iter().map(|event| text(event, "type")).collect();
    assert_eq!(kinds, ["MODIFIED", "DELETED"]);
    assert!(api.all("pods").next().is_none());
}

/// Options in a body replace those of the query (endpoints/handlers/delete.go).
#[test]
fn the_query_of_a_deletion_counts_only_without_a_body() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    let dry = |options| delete(&claim_path("x"), options).with_query("dryRun=All");
    granted(&mut api, &dry(Value::Null));
    assert_eq!(api.all("eniclaims.eniclaim.io").count(), 1);
    granted(&mut api, &dry(json!({ "dryRun": ["All"] })));
    assert_eq!(api.all("eniclaims.eniclaim.io").count(), 1);
    granted(&mut api, &dry(json!({})));
    assert_eq!(api.all("eniclaims.eniclaim.io").count(), 0);
}

/// <https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion>
#[test]
fn the_owner_goes_after_its_dependents_or_they_forget_it() {
    for (policy, finalizer, left) in [
        ("Foreground", "foregroundDeletion", 0),
        ("Orphan", "orphan", 1),
    ] {
        let mut api = a_server();
        let pod = granted(&mut api, &Request::new(Method::Post, PODS, a_pod("web")));
        let mut claim = a_claim("x");
        claim["metadata"]["ownerReferences"] = json!([{ "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": pod["metadata"]["uid"] }]);
        make(&mut api, claim);
        let options = json!({ "propagationPolicy": policy });
        let marked = granted(&mut api, &delete(&format!("{PODS}/web"), options));
        assert_eq!(list(&marked, "metadata.finalizers"), [json!(finalizer)]);
        api.collect(at(1));
        api.collect(at(2));
        assert!(
            api.get(&Id::new("pods", "shop", "web")).is_none(),
            "{policy}"
        );
        let claims: Vec<&Value> = api.all("eniclaims.eniclaim.io").collect();
        assert_eq!(claims.len(), left, "{policy}");
        assert!(
            claims
                .iter()
                .all(|claim| field(claim, "metadata.ownerReferences").is_null())
        );
    }
}

#[test]
fn a_collection_is_deleted_object_by_object() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    make(&mut api, a_claim("y"));
    let gone = granted(&mut api, &delete(CLAIMS, Value::Null));
    assert_eq!(list(&gone, "items").len(), 2);
    assert!(api.all("eniclaims.eniclaim.io").next().is_none());
}
