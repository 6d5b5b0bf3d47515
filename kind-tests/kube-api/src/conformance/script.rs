//! Random scripts: operations of two people and two controllers on few objects, right and wrong ones.

use serde_json::{Value, json};

use super::{
    Reference, Step,
    neighbours::{lease_step, pod_step, report_step},
};
use crate::{Method, Request, json::put};

const CLAIMS: &str = "/apis/eniclaim.io/v1alpha1/namespaces/conformance/eniclaims";
pub(super) const NODES: &str = "/apis/eniclaim.io/v1alpha1/eninodes";
pub(super) const PODS: &str = "/api/v1/namespaces/conformance/pods";
pub(super) const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/conformance/leases";
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";

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
    /// Paths and selectors that are watched meanwhile.
    pub watches: Vec<Request>,
}

pub(super) struct Die(u64);

impl Die {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap_or(0)
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T], otherwise: T) -> T {
        let at = self.roll(from.len().max(1));
        from.get(at).cloned().unwrap_or(otherwise)
    }

    pub(super) fn reference(&mut self) -> Reference {
        let all = [
            Reference::None,
            Reference::None,
            Reference::Current,
            Reference::Stale,
        ];
        self.pick(&all, Reference::None)
    }
}

/// The script of a seed. It ends with everything deleted.
pub fn script(seed: u64, length: usize) -> Script {
    let mut die = Die(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..length {
        let step = match die.roll(12) {
            0..8 => claim_step(&mut die),
            8 => pod_step(&mut die),
            9 => lease_step(&mut die),
            10 => report_step(&mut die),
            _ => list_step(&mut die),
        };
        steps.push(step);
    }
    steps.extend(a_namespace_ends(seed));
    steps.extend(the_end());
    let watch =
        |path: &str, query: &str| Request::new(Method::Get, path, Value::Null).with_query(query);
    Script {
        steps,
        watches: vec![
            watch(CLAIMS, ""),
            watch(CLAIMS, "labelSelector=tier"),
            watch(CLAIMS, "labelSelector=tier%20in%20(a,b)"),
            watch(CLAIMS, "labelSelector=tier!%3Da"),
            watch(CLAIMS, "fieldSelector=metadata.name%3Dx"),
            watch(CLAIMS, "fieldSelector=status.nodeName%3Dnowhere"),
            watch(PODS, "labelSelector=tier%3Da"),
            watch(LEASES, ""),
        ],
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
    for collection in [CLAIMS, NODES, PODS, LEASES] {
        for name in ["x", "y", "z"] {
            let path = format!("{collection}/{name}");
            let free = json!({ "metadata": { "finalizers": null } });
            steps.push(plain(
                Request::new(Method::Patch, &path, free).with_content_type(MERGE),
            ));
            steps.push(plain(Request::new(Method::Delete, &path, Value::Null)));
        }
    }
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

/// The only place that knows what a claim must look like.
fn claim(name: &str) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": { "name": name },
        "spec": {
            "className": "conformance",
            "owner": { "kind": "Pod", "name": "web", "uid": "7f2c5b1e-0000-4000-8000-000000000001" },
        },
    })
}

pub(super) fn dressed(die: &mut Die, mut object: Value) -> Value {
    if die.roll(2) == 0 {
        put(
            &mut object,
            "metadata.labels",
            json!({ "tier": die.pick(&["a", "b", "c"], "a") }),
        );
    }
    if die.roll(4) == 0 {
        put(
            &mut object,
            "metadata.finalizers",
            json!(["eniclaim.io/eni"]),
        );
    }
    object
}

/// One thing wrong with a claim; sometimes nothing.
fn marred(die: &mut Die, mut claim: Value) -> Value {
    match die.roll(14) {
        0 => put(&mut claim, "spec.className", "c".repeat(64)),
        1 => put(&mut claim, "spec.className", ""),
        2 => put(&mut claim, "spec.className", 5),
        3 => put(&mut claim, "spec.owner.kind", "Deployment"),
        4 => {
            crate::json::remove(&mut claim, "spec.className");
        }
        5 => put(&mut claim, "spec.unknown", 1),
        6 => put(
            &mut claim,
            "metadata.labels",
            json!({ "tier": "not a label" }),
        ),
        _ => {}
    }
    claim
}

fn status(die: &mut Die) -> Value {
    let condition = |kind: &str, value: &str, message: String| json!({ "type": kind, "status": value, "reason": "Test", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let value = die.pick(&["True", "False"], "True");
    let mut status = match die.roll(4) {
        0 => json!({ "phase": "Pending" }),
        1 => json!({ "phase": "Ready", "nodeName": "nowhere" }),
        2 => json!({ "conditions": [condition("Ready", value, String::new())] }),
        _ => {
            json!({ "conditions": [condition("Plugged", value, String::new()), condition("Attached", value, String::new())] })
        }
    };
    match die.roll(10) {
        0 => put(&mut status, "phase", "Nonsense"),
        1 => put(
            &mut status,
            "conditions",
            json!([condition("Ready", value, "m".repeat(5000))]),
        ),
        2 => put(
            &mut status,
            "conditions",
            json!([
                condition("Ready", value, String::new()),
                condition("Ready", "Unknown", String::new())
            ]),
        ),
        3 => put(&mut status, "nodeName", "n".repeat(300)),
        _ => {}
    }
    status
}

fn claim_step(die: &mut Die) -> Step {
    let name = name(die);
    let path = format!("{CLAIMS}/{name}");
    let by = manager(die);
    let query = format!("fieldManager={by}");
    let forced = if die.roll(2) == 0 {
        format!("{query}&force=true")
    } else {
        query.clone()
    };
    let (version, uid) = (die.reference(), die.reference());
    let base = dressed(die, claim(name));
    let marred = marred(die, base);
    let request = |method, path: &str, body| Request::new(method, path, body).with_query(&query);
    let merge = |path: &str, body| request(Method::Patch, path, body).with_content_type(MERGE);
    let none = (Reference::None, Reference::None);
    let (request, (version, uid)) = match die.roll(13) {
        0..3 => (request(Method::Post, CLAIMS, marred), none),
        3 => (request(Method::Get, &path, Value::Null), none),
        4 => (request(Method::Delete, &path, json!({})), (version, uid)),
        5 => (request(Method::Put, &path, marred), (version, none.1)),
        6 => {
            let label = die.pick(&[json!("a"), json!("b"), Value::Null], Value::Null);
            let change = json!({ "metadata": { "labels": { "tier": label } }, "status": { "phase": "Ready" } });
            (merge(&path, change), (version, none.1))
        }
        7 => {
            let finalizers = die.pick(
                &[json!(["eniclaim.io/eni"]), json!([]), Value::Null],
                Value::Null,
            );
            (
                merge(&path, json!({ "metadata": { "finalizers": finalizers } })),
                (version, none.1),
            )
        }
        8 => (
            merge(
                &path,
                json!({ "spec": { "className": die.pick(&["conformance", "other"], "other") } }),
            ),
            none,
        ),
        9 => {
            let change =
                json!({ "metadata": { "labels": { "tier": "z" } }, "status": status(die) });
            (merge(&format!("{path}/status"), change), (version, uid))
        }
        10 => {
            let body = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": {}, "status": status(die) });
            let apply = Request::new(Method::Patch, &format!("{path}/status"), body);
            (
                apply.with_query(&forced).with_content_type(APPLY),
                (version, none.1),
            )
        }
        11 => {
            let apply = Request::new(Method::Patch, &path, marred);
            (apply.with_query(&forced).with_content_type(APPLY), none)
        }
        _ => {
            let change = json!([
                { "op": "test", "path": "/metadata/labels/tier", "value": "a" },
                { "op": "replace", "path": "/metadata/labels/tier", "value": "b" },
            ]);
            (
                request(Method::Patch, &path, change).with_content_type(JSON_PATCH),
                none,
            )
        }
    };
    Step {
        request,
        version,
        uid,
        continues: false,
    }
}

fn list_step(die: &mut Die) -> Step {
    let query = die.pick(
        &[
            "",
            "limit=1",
            "limit=2",
            "labelSelector=tier",
            "labelSelector=tier%3Da",
            "labelSelector=tier%20in%20(a,b)",
            "labelSelector=!tier",
            "labelSelector=tier%20notin%20(a)&limit=1",
        ],
        "",
    );
    let request = Request::new(Method::Get, CLAIMS, Value::Null).with_query(query);
    Step {
        continues: query.contains("limit") && die.roll(2) == 0,
        ..plain(request)
    }
}
