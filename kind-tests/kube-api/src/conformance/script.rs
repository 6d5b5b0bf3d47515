//! Random scripts: operations of two people and two controllers on few objects, right and wrong ones.

use serde_json::{Value, json};

use super::{
    Reference, Step,
    claims::{claim, claim_step},
    die::Die,
    lists::{list_step, looks, watches},
    neighbours::{class_step, event_step, lease_step, node_step, pod_step, report_step},
};
use crate::{Method, Request, json::put};

pub(super) const CLAIMS: &str = "/apis/eniclaim.io/v1alpha1/namespaces/conformance/eniclaims";
pub(super) const REPORTS: &str = "/apis/eniclaim.io/v1alpha1/eninodes";
pub(super) const CLASSES: &str = "/apis/eniclaim.io/v1alpha1/eniclasses";
pub(super) const PODS: &str = "/api/v1/namespaces/conformance/pods";
pub(super) const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/conformance/leases";
pub(super) const EVENTS: &str = "/api/v1/namespaces/conformance/events";
pub(super) const NODES: &str = "/api/v1/nodes";
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";

/// What a server is asked before its first script: a namespace with the account that every pod there gets.
pub fn preparation() -> Vec<Request> {
    let named = |kind: &str, name: &str| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
    let post = |path: &str, body| Request::new(Method::Post, path, body);
    vec![
        post("/api/v1/namespaces", named("Namespace", "conformance")),
        post(
            "/api/v1/namespaces/conformance/serviceaccounts",
            named("ServiceAccount", "default"),
        ),
    ]
}

/// A script and the watches that look on.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// What is asked, in order.
    pub steps: Vec<Step>,
    /// Watches that begin now, with what is there.
    pub looks: Vec<Request>,
    /// How all is deleted that was made.
    pub end: Vec<Step>,
    /// Paths and selectors that are watched meanwhile.
    pub watches: Vec<Request>,
}

/// The script of a seed. It ends with everything deleted.
pub fn script(seed: u64, length: usize) -> Script {
    let mut die = Die::new(seed);
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..length {
        let step = match die.roll(15) {
            0..8 => claim_step(&mut die),
            8 => pod_step(&mut die),
            9 => lease_step(&mut die),
            10 => report_step(&mut die),
            11 => event_step(&mut die),
            12 => node_step(&mut die),
            13 => class_step(&mut die),
            _ => list_step(&mut die),
        };
        steps.push(step);
    }
    steps.extend(a_namespace_ends(seed));
    Script {
        steps,
        looks: looks(),
        end: the_end(),
        watches: watches(),
    }
}

/// Nothing new in a namespace that ends, or that does not exist.
fn a_namespace_ends(seed: u64) -> Vec<Step> {
    let namespace = format!("ending-{seed}");
    let claims = format!("/apis/eniclaim.io/v1alpha1/namespaces/{namespace}/eniclaims");
    let body =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    let mut held = claim("x");
    put(&mut held, "metadata.finalizers", json!(["eniclaim.io/eni"]));
    let free = json!({ "metadata": { "finalizers": null } });
    [
        Request::new(Method::Post, &claims, claim("x")),
        Request::new(Method::Post, "/api/v1/namespaces", body),
        Request::new(Method::Post, &claims, held),
        Request::new(
            Method::Delete,
            &format!("/api/v1/namespaces/{namespace}"),
            Value::Null,
        ),
        Request::new(Method::Post, &claims, claim("y")),
        Request::new(Method::Delete, &format!("{claims}/x"), Value::Null),
        Request::new(Method::Patch, &format!("{claims}/x"), free).with_content_type(MERGE),
    ]
    .map(plain)
    .into()
}

/// Finalizers taken, then all deleted.
fn the_end() -> Vec<Step> {
    let mut steps = Vec::new();
    for collection in [CLAIMS, REPORTS, CLASSES, PODS, LEASES, EVENTS, NODES] {
        for name in ["x", "y", "z"] {
            let path = format!("{collection}/{name}");
            let free = json!({ "metadata": { "finalizers": null } });
            steps.push(plain(
                Request::new(Method::Patch, &path, free).with_content_type(MERGE),
            ));
            let now = json!({ "gracePeriodSeconds": 0 });
            steps.push(plain(Request::new(Method::Delete, &path, now)));
        }
    }
    // Of some only the server knows the name.
    steps.push(plain(Request::new(Method::Delete, CLAIMS, Value::Null)));
    steps
}

pub(super) fn plain(request: Request) -> Step {
    Step {
        request,
        version: Reference::None,
        uid: Reference::None,
        continues: false,
    }
}

pub(super) fn name(die: &mut Die) -> &'static str {
    die.pick(&["x", "y", "z"], "x")
}

pub(super) fn manager(die: &mut Die) -> &'static str {
    die.pick(&["one", "two"], "one")
}

/// The object with some metadata that may be there.
pub(super) fn dressed(die: &mut Die, mut object: Value) -> Value {
    if die.roll(2) == 0 {
        let tier = die.pick(&["a", "b", "c"], "a");
        put(&mut object, "metadata.labels", json!({ "tier": tier }));
    }
    if die.roll(4) == 0 {
        let finalizers = json!(["eniclaim.io/eni"]);
        put(&mut object, "metadata.finalizers", finalizers);
    }
    let (path, value) = match die.roll(16) {
        0 => ("metadata.annotations", json!({ "note": "x" })),
        // An empty map, applied, is stored and dropped by the next write, whose event shows no change: not followed.
        1 => ("metadata.annotations", json!({ "note": "y", "other": "" })),
        2 => ("metadata.labels", json!({ "tier": "a", "other": "" })),
        3 => (
            "metadata.ownerReferences",
            json!([{ "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u" }]),
        ),
        _ => return object,
    };
    put(&mut object, path, value);
    object
}
