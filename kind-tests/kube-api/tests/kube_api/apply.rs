//! Server-side apply: who holds what.

use kube_api::{
    Api, Method, Request,
    json::{list, text},
};
use serde_json::{Value, json};

use super::makers::{CLAIMS, a_claim, a_server, apply, ask, granted, make, merge, refused};

const STATUS: &str = "/apis/eniclaim.io/v1alpha1/namespaces/shop/eniclaims/x/status";

fn condition(kind: &str, status: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" })
}

fn status(api: &mut Api, manager: &str, status: &Value) -> Value {
    granted(
        api,
        &apply(STATUS, manager, true, &json!({ "status": status })),
    )["status"]
        .clone()
}

fn a_server_with_a_claim() -> Api {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    api
}

#[test]
fn managers_keep_apart_what_each_applied() {
    let mut api = a_server_with_a_claim();
    let time = "2026-01-01T00:00:00Z";
    status(
        &mut api,
        "operator",
        &json!({ "phase": "Attached", "nodeName": "n1", "conditions": [condition("Ready", "False")] }),
    );
    let both = status(
        &mut api,
        "agent",
        &json!({
            "device": { "attachmentId": "eni-attach-00000001", "state": "Seen", "since": time }, "conditions": [condition("Plugged", "True")],
        }),
    );
    assert_eq!(list(&both, "conditions").len(), 2);
    let left = status(&mut api, "operator", &json!({ "phase": "Ready" }));
    assert_eq!(left["phase"], "Ready");
    assert!(left["nodeName"].is_null(), "nobody names it any more");
    assert_eq!(list(&left, "conditions"), [condition("Plugged", "True")]);
    let none = status(&mut api, "agent", &json!({}));
    assert_eq!(none, json!({ "phase": "Ready" }));
}

#[test]
fn another_ones_field_is_a_conflict_unless_forced() {
    let mut api = a_server_with_a_claim();
    status(&mut api, "operator", &json!({ "phase": "Attached" }));
    let other = |is_forced| {
        apply(
            STATUS,
            "agent",
            is_forced,
            &json!({ "status": { "phase": "Ready" } }),
        )
    };
    let refusal = ask(&mut api, &other(false));
    refused(
        &refusal,
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"operator\" with subresource \"status\": .status.phase",
    );
    assert_eq!(
        list(&refusal.body, "details.causes")[0]["reason"],
        "FieldManagerConflict"
    );
    granted(&mut api, &other(true));
    let gone = status(&mut api, "operator", &json!({}));
    assert_eq!(gone["phase"], "Ready", "it is the other's now");
}

#[test]
fn the_same_value_is_held_by_both() {
    let mut api = a_server_with_a_claim();
    status(&mut api, "a", &json!({ "phase": "Ready" }));
    granted(
        &mut api,
        &apply(
            STATUS,
            "b",
            false,
            &json!({ "status": { "phase": "Ready" } }),
        ),
    );
    assert_eq!(status(&mut api, "a", &json!({}))["phase"], "Ready");
    assert!(
        status(&mut api, "b", &json!({})).is_null()
            || status(&mut api, "b", &json!({})) == json!({})
    );
}

#[test]
fn a_merge_patch_takes_fields_from_their_manager() {
    let mut api = a_server_with_a_claim();
    status(&mut api, "operator", &json!({ "phase": "Attached" }));
    granted(
        &mut api,
        &merge(STATUS, json!({ "status": { "phase": "Ready" } })),
    );
    assert_eq!(status(&mut api, "operator", &json!({}))["phase"], "Ready");
}

#[test]
fn apply_makes_what_does_not_exist_but_no_status() {
    let mut api = a_server();
    let path = format!("{CLAIMS}/x");
    refused(
        &ask(
            &mut api,
            &apply(STATUS, "a", true, &json!({ "status": {} })),
        ),
        404,
        "NotFound",
        "",
    );
    let made = ask(
        &mut api,
        &apply(&path, "a", true, &json!({ "spec": a_claim("x")["spec"] })),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let unnamed = Request::new(Method::Patch, &path, a_claim("x"))
        .with_content_type("application/apply-patch+yaml");
    refused(
        &ask(&mut api, &unnamed),
        422,
        "Invalid",
        "fieldManager: Required value",
    );
    let unknown = apply(&path, "a", true, &json!({ "spec": { "unknown": 1 } }));
    let refusal = ask(&mut api, &unknown);
    assert_eq!(refusal.status, 500);
    assert!(text(&refusal.body, "message").contains(".spec.unknown: field not declared in schema"));
}

#[test]
fn an_apply_at_an_old_version_is_a_conflict_and_a_repeated_one_is_nothing() {
    let mut api = a_server_with_a_claim();
    let body = json!({ "status": { "phase": "Ready" } });
    let first = granted(&mut api, &apply(STATUS, "a", true, &body));
    let again = granted(&mut api, &apply(STATUS, "a", true, &body));
    assert_eq!(first, again);
    let stale = json!({ "metadata": { "resourceVersion": "2" }, "status": { "phase": "Pending" } });
    refused(
        &ask(&mut api, &apply(STATUS, "a", true, &stale)),
        409,
        "Conflict",
        "modified",
    );
}

#[test]
fn managed_fields_have_their_form() {
    let mut api = a_server_with_a_claim();
    let held = granted(
        &mut api,
        &apply(
            STATUS,
            "a",
            true,
            &json!({ "status": { "conditions": [condition("Ready", "True")] } }),
        ),
    );
    let entry = &list(&held, "metadata.managedFields")[1];
    assert_eq!(
        (
            &entry["manager"],
            &entry["operation"],
            &entry["subresource"]
        ),
        (&json!("a"), &json!("Apply"), &json!("status"))
    );
    let item = &entry["fieldsV1"]["f:status"]["f:conditions"]["k:{\"type\":\"Ready\"}"];
    assert_eq!((&item["."], &item["f:status"]), (&json!({}), &json!({})));
}

/// A merge patch holds also what it had to make (typed/compare.go), an apply only what it names (typed/tofieldset.go).
#[test]
fn who_makes_a_list_holds_it() {
    let mut api = a_server_with_a_claim();
    let change = json!({ "status": { "conditions": [condition("Plugged", "True")] } });
    let patch = merge(STATUS, change).with_query("fieldManager=agent");
    let patched = granted(&mut api, &patch);
    let of = |object: &Value, manager: &str| {
        let entries = list(object, "metadata.managedFields").iter();
        let mut entries = entries.filter(|entry| entry["manager"] == manager);
        entries.next().unwrap()["fieldsV1"]["f:status"].clone()
    };
    let held = of(&patched, "agent");
    assert!(
        held["."].is_object() && held["f:conditions"]["."].is_object(),
        "{held}"
    );
    let body = json!({ "status": { "conditions": [condition("Ready", "True")] } });
    let applied = granted(&mut api, &apply(STATUS, "operator", true, &body));
    let held = of(&applied, "operator");
    assert!(
        held.get(".").is_none() && held["f:conditions"].get(".").is_none(),
        "{held}"
    );
}

/// `prune` of merge/update.go: an item that nobody holds goes with the fields that others hold in it.
#[test]
fn an_item_goes_with_the_one_who_applied_it() {
    let mut api = a_server_with_a_claim();
    status(
        &mut api,
        "a",
        &json!({ "conditions": [condition("Ready", "True")] }),
    );
    let attached = condition("Attached", "True");
    status(&mut api, "c", &json!({ "conditions": [attached] }));
    let patch =
        json!([{ "op": "replace", "path": "/status/conditions/0/message", "value": "said" }]);
    let patch = Request::new(Method::Patch, STATUS, patch)
        .with_content_type("application/json-patch+json")
        .with_query("fieldManager=b");
    granted(&mut api, &patch);
    let left = status(&mut api, "a", &json!({ "phase": "Ready" }));
    assert_eq!(left, json!({ "phase": "Ready", "conditions": [attached] }));
}

/// typed/validate.go; what is wrong with the values themselves is a 422 as ever.
#[test]
fn an_applied_object_has_the_types_of_the_schema() {
    let mut api = a_server_with_a_claim();
    let twice = json!([condition("Ready", "True"), condition("Ready", "False")]);
    for (wrong, says) in [
        (json!({ "phase": 5 }), ".status.phase: expected string"),
        (
            json!({ "nothing": 5 }),
            ".status.nothing: field not declared in schema",
        ),
        (
            json!({ "conditions": twice }),
            ".status.conditions: duplicate entries",
        ),
    ] {
        let answer = ask(
            &mut api,
            &apply(STATUS, "a", true, &json!({ "status": wrong })),
        );
        refused(&answer, 500, "", says);
    }
    let null = json!({ "status": { "nodeName": null } });
    let answer = ask(&mut api, &apply(STATUS, "a", true, &null));
    refused(&answer, 422, "Invalid", "status.nodeName");
}
