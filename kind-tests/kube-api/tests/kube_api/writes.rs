//! Creating, changing and deleting.

use kube_api::{
    Failure, How, Id, Method, Request,
    json::{at as field, list, text},
};
use serde_json::{Value, json};

use super::makers::{
    CLAIMS, PODS, a_claim, a_pod, a_server, ask, at, claim_path, granted, make, merge, refused,
};

#[test]
fn create_strips_the_status_sets_defaults_and_drops_what_no_schema_names() {
    let mut api = a_server();
    let mut claim = a_claim("x");
    claim["status"] = json!({ "phase": "Ready" });
    claim["spec"]["unknown"] = json!(1);
    let made = make(&mut api, claim.clone());
    assert!(made["status"].is_null() && made["spec"]["unknown"].is_null());
    assert_eq!(
        (
            &made["metadata"]["generation"],
            &made["metadata"]["namespace"]
        ),
        (&json!(1), &json!("shop"))
    );
    let again = ask(&mut api, &Request::new(Method::Post, CLAIMS, claim.clone()));
    refused(
        &again,
        409,
        "AlreadyExists",
        "eniclaims.eniclaim.io \"x\" already exists",
    );
    let strict = Request::new(Method::Post, CLAIMS, claim).with_query("fieldValidation=Strict");
    refused(
        &ask(&mut api, &strict),
        400,
        "BadRequest",
        "unknown field \"spec.unknown\"",
    );
    let class = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": { "name": "app" },
        "spec": { "subnets": { "ids": ["subnet-000000000000000a1"] }, "securityGroups": { "ids": ["sg-000000000000000a2"] } },
    });
    let class = granted(
        &mut api,
        &Request::new(Method::Post, "/apis/eniclaim.io/v1alpha1/eniclasses", class),
    );
    assert_eq!(class["spec"]["interface"]["name"], "eni0");
}

#[test]
fn schema_and_rules_refuse_with_the_field_and_the_sentence() {
    let mut api = a_server();
    let mut long = a_claim("x");
    long["spec"]["className"] = json!("c".repeat(64));
    let answer = ask(&mut api, &Request::new(Method::Post, CLAIMS, long));
    refused(
        &answer,
        422,
        "Invalid",
        "EniClaim.eniclaim.io \"x\" is invalid: [spec.className: Too long: may not be more than 63 bytes",
    );
    assert_eq!(
        list(&answer.body, "details.causes")[0]["field"],
        "spec.className"
    );
    make(&mut api, a_claim("x"));
    let edit = merge(
        &claim_path("x"),
        json!({ "spec": { "className": "other" } }),
    );
    refused(
        &ask(&mut api, &edit),
        422,
        "Invalid",
        "spec.className: Invalid value: \"other\": className cannot change",
    );
    let bad = merge(
        &format!("{}/status", claim_path("x")),
        json!({ "status": { "eni": 5 } }),
    );
    refused(
        &ask(&mut api, &bad),
        422,
        "Invalid",
        "status.eni in body must be of type object: \"integer\"",
    );
}

#[test]
fn each_endpoint_writes_its_own_part() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    let path = claim_path("x");
    let both = json!({ "metadata": { "labels": { "tier": "a" } }, "status": { "phase": "Ready" } });
    let main = granted(&mut api, &merge(&path, both.clone()));
    assert!(main["status"].is_null() && main["metadata"]["labels"]["tier"] == "a");
    let other = json!({ "metadata": { "labels": { "tier": "b" }, "uid": "other" }, "status": { "phase": "Ready" } });
    let status = granted(&mut api, &merge(&format!("{path}/status"), other));
    assert_eq!(
        (
            &status["metadata"]["labels"]["tier"],
            &status["status"]["phase"]
        ),
        (&json!("a"), &json!("Ready"))
    );
    assert_eq!(
        status["metadata"]["generation"], 1,
        "neither asks for something else"
    );
}

#[test]
fn a_version_or_uid_of_another_time_is_a_conflict() {
    let mut api = a_server();
    let old = make(&mut api, a_claim("x"));
    let path = claim_path("x");
    granted(
        &mut api,
        &merge(&path, json!({ "metadata": { "labels": { "tier": "a" } } })),
    );
    let version = &old["metadata"]["resourceVersion"];
    let stale = merge(
        &path,
        json!({ "metadata": { "resourceVersion": version, "labels": { "tier": "b" } } }),
    );
    refused(
        &ask(&mut api, &stale),
        409,
        "Conflict",
        "the object has been modified",
    );
    refused(
        &ask(&mut api, &Request::new(Method::Put, &path, old.clone())),
        409,
        "Conflict",
        "modified",
    );
    let mut unversioned = old.clone();
    unversioned["metadata"]["resourceVersion"] = Value::Null;
    refused(
        &ask(&mut api, &Request::new(Method::Put, &path, unversioned)),
        422,
        "Invalid",
        "must be specified for an update",
    );
    let wrong = json!({ "preconditions": { "uid": "other" } });
    refused(
        &ask(&mut api, &Request::new(Method::Delete, &path, wrong)),
        409,
        "Conflict",
        "the UID in the precondition (other) does not match the UID in record",
    );
    let wrong = json!({ "preconditions": { "resourceVersion": version } });
    refused(
        &ask(&mut api, &Request::new(Method::Delete, &path, wrong)),
        409,
        "Conflict",
        "the ResourceVersion in the precondition",
    );
    let other = merge(&path, json!({ "metadata": { "uid": "other" } }));
    refused(
        &ask(&mut api, &other),
        422,
        "Invalid",
        "metadata.uid: Invalid value: \"other\": field is immutable",
    );
}

#[test]
fn what_changes_nothing_has_no_new_version() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    let patch = merge(
        &claim_path("x"),
        json!({ "metadata": { "labels": { "tier": "a" } } }),
    );
    let first = granted(&mut api, &patch);
    assert_eq!(
        granted(&mut api, &patch)["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
}

#[test]
fn finalizers_hold_a_deleted_object_and_take_no_company() {
    let mut api = a_server();
    let mut claim = a_claim("x");
    claim["metadata"]["finalizers"] = json!(["eniclaim.io/eni"]);
    make(&mut api, claim);
    let path = claim_path("x");
    let marked = granted(&mut api, &Request::new(Method::Delete, &path, Value::Null));
    assert!(
        marked["metadata"]["deletionTimestamp"].is_string()
            && marked["metadata"]["generation"] == 2
    );
    let more = merge(
        &path,
        json!({ "metadata": { "finalizers": ["eniclaim.io/eni", "a/b"] } }),
    );
    refused(
        &ask(&mut api, &more),
        422,
        "Invalid",
        "no new finalizers can be added if the object is being deleted",
    );
    granted(
        &mut api,
        &merge(&path, json!({ "metadata": { "finalizers": null } })),
    );
    refused(
        &ask(&mut api, &Request::new(Method::Get, &path, Value::Null)),
        404,
        "NotFound",
        "eniclaims.eniclaim.io \"x\" not found",
    );
}

#[test]
fn a_pod_with_a_node_ends_by_grace() {
    let mut api = a_server();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": { "containers": [] } });
    granted(&mut api, &Request::new(Method::Post, PODS, pod));
    let id = Id::new("pods", "shop", "web");
    api.edit(&id, |pod| kube_api::json::put(pod, "spec.nodeName", "n1"));
    let path = format!("{PODS}/web");
    let ending = granted(&mut api, &Request::new(Method::Delete, &path, Value::Null));
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(
        ending["metadata"]["deletionTimestamp"],
        "1970-01-01T00:00:30Z"
    );
    assert!(api.get(&id).is_some());
    api.finish_pod(&id);
    assert!(api.get(&id).is_none());
}

#[test]
fn namespaces_and_quotas_refuse_what_is_new() {
    let mut api = a_server();
    let nowhere = Request::new(
        Method::Post,
        "/apis/eniclaim.io/v1alpha1/namespaces/nowhere/eniclaims",
        a_claim("x"),
    );
    refused(
        &ask(&mut api, &nowhere),
        404,
        "NotFound",
        "namespaces \"nowhere\" not found",
    );
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "few" },
        "spec": { "hard": { "count/eniclaims.eniclaim.io": "1" } },
    });
    granted(
        &mut api,
        &Request::new(
            Method::Post,
            "/api/v1/namespaces/shop/resourcequotas",
            quota,
        ),
    );
    make(&mut api, a_claim("x"));
    let second = ask(&mut api, &Request::new(Method::Post, CLAIMS, a_claim("y")));
    refused(
        &second,
        403,
        "Forbidden",
        "eniclaims.eniclaim.io \"y\" is forbidden: exceeded quota: few, requested: count/eniclaims.eniclaim.io=1, used: count/eniclaims.eniclaim.io=1, limited: count/eniclaims.eniclaim.io=1",
    );
    granted(
        &mut api,
        &Request::new(Method::Delete, "/api/v1/namespaces/shop", Value::Null),
    );
    let late = ask(&mut api, &Request::new(Method::Post, CLAIMS, a_claim("y")));
    refused(
        &late,
        403,
        "Forbidden",
        "unable to create new content in namespace shop because it is being terminated",
    );
    assert_eq!(
        list(&late.body, "details.causes")[0]["reason"],
        "NamespaceTerminating"
    );
    api.collect(at(1));
    api.collect(at(2));
    assert!(api.get(&Id::new("namespaces", "", "shop")).is_none());
}

#[test]
fn what_has_no_owner_any_more_is_collected() {
    let mut api = a_server();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": { "containers": [] } });
    let pod = granted(&mut api, &Request::new(Method::Post, PODS, pod));
    let mut claim = a_claim("x");
    claim["metadata"]["ownerReferences"] = json!([{ "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": pod["metadata"]["uid"] }]);
    make(&mut api, claim);
    api.collect(at(1));
    assert_eq!(api.all("eniclaims.eniclaim.io").count(), 1);
    api.delete_id(&Id::new("pods", "shop", "web"), at(2));
    api.collect(at(3));
    assert_eq!(api.all("eniclaims.eniclaim.io").count(), 0);
}

#[test]
fn an_event_is_about_its_own_namespace_and_short() {
    let mut api = a_server();
    let event = |namespace: &str, message: String| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e" }, "type": "Normal", "reason": "R", "action": "A",
            "involvedObject": { "kind": "Pod", "namespace": namespace, "name": "web" }, "message": message,
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "eniclaim.io/operator", "reportingInstance": "i",
        })
    };
    let post = |event| Request::new(Method::Post, "/api/v1/namespaces/shop/events", event);
    refused(
        &ask(&mut api, &post(event("other", String::new()))),
        422,
        "Invalid",
        "does not match event.namespace",
    );
    refused(
        &ask(&mut api, &post(event("shop", "m".repeat(1025)))),
        422,
        "Invalid",
        "can have at most 1024 characters",
    );
    granted(&mut api, &post(event("shop", "m".repeat(1024))));
}

#[test]
fn failures_strike_whom_they_are_for() {
    let mut api = a_server();
    let failure = |how, skip| Failure {
        method: Method::Post,
        resource: "eniclaims.eniclaim.io".into(),
        skip,
        times: 1,
        how,
    };
    api.failures.order(failure(How::TooManyRequests(3), 1));
    api.failures.order(failure(How::TimeoutAfterCommit, 0));
    make(&mut api, a_claim("x"));
    let throttled = ask(&mut api, &Request::new(Method::Post, CLAIMS, a_claim("y")));
    assert_eq!((throttled.status, throttled.retry_after), (429, Some(3)));
    let lost = ask(&mut api, &Request::new(Method::Post, CLAIMS, a_claim("y")));
    refused(&lost, 504, "Timeout", "");
    assert!(
        api.get(&Id::new("eniclaims.eniclaim.io", "shop", "y"))
            .is_some(),
        "it was done"
    );
    assert!(api.failures.clear(), "all orders were spent");
}

#[test]
fn a_lease_is_replaced_only_at_its_version() {
    let mut api = a_server();
    let leases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "l" }, "spec": { "holderIdentity": "a", "leaseDurationSeconds": 15 } });
    let made = granted(&mut api, &Request::new(Method::Post, leases, lease));
    let mut taken = made.clone();
    taken["spec"]["holderIdentity"] = json!("b");
    let path = format!("{leases}/l");
    let taken = granted(&mut api, &Request::new(Method::Put, &path, taken));
    assert_eq!(text(&taken, "spec.holderIdentity"), "b");
    refused(
        &ask(&mut api, &Request::new(Method::Put, &path, made)),
        409,
        "Conflict",
        "modified",
    );
    assert!(field(&taken, "metadata.generation").is_null());
}

#[test]
fn a_strategic_merge_patch_keeps_the_conditions_of_others_and_is_for_built_in_kinds_alone() {
    let mut api = a_server();
    granted(&mut api, &Request::new(Method::Post, PODS, a_pod("web")));
    let patch = |path: &str, kind: &str, status: &str| {
        let conditions = json!([{ "type": kind, "status": status }]);
        let body = json!({ "metadata": { "annotations": { "a": "b" } }, "status": { "conditions": conditions } });
        Request::new(Method::Patch, path, body)
            .with_content_type("application/strategic-merge-patch+json")
    };
    let web = format!("{PODS}/web/status");
    for (kind, status) in [
        ("Ready", "False"),
        ("x/Ready", "False"),
        ("x/Ready", "True"),
    ] {
        granted(&mut api, &patch(&web, kind, status));
    }
    let pod = granted(&mut api, &Request::new(Method::Get, &web, Value::Null));
    assert_eq!(pod["metadata"]["annotations"]["a"], "b");
    assert_eq!(
        pod["status"]["conditions"],
        json!([{ "type": "Ready", "status": "False" }, { "type": "x/Ready", "status": "True" }])
    );
    make(&mut api, a_claim("x"));
    let answer = ask(&mut api, &patch(&claim_path("x"), "Ready", "True"));
    refused(&answer, 415, "UnsupportedMediaType", "accepted media types");
}
