//! Steps about claims: made, changed, applied and deleted, rightly and wrongly.

use serde_json::{Value, json};

use super::{
    Reference, Step,
    die::Die,
    script::{APPLY, CLAIMS, JSON_PATCH, MERGE, dressed, manager, name},
};
use crate::{
    Method, Request,
    json::{put, remove},
};

/// The only place that knows what a claim must look like.
pub(super) fn claim(name: &str) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": { "name": name },
        "spec": {
            "className": "conformance",
            "owner": { "kind": "Pod", "name": "web", "uid": "7f2c5b1e-0000-4000-8000-000000000001" },
        },
    })
}

/// One thing wrong with a claim; sometimes nothing.
fn marred(die: &mut Die, mut claim: Value) -> Value {
    let (path, value) = match die.roll(30) {
        0 => ("spec.className", json!("c".repeat(64))),
        1 => ("spec.className", json!("")),
        2 => ("spec.className", json!(5)),
        3 => ("spec.owner.kind", json!("Deployment")),
        4 => ("spec.className", Value::Null),
        5 => ("spec.unknown", json!(1)),
        6 => ("metadata.labels", json!({ "tier": "not a label" })),
        7 => ("metadata.labels", json!({ "not a key": "a" })),
        8 => ("metadata.finalizers", json!(["not a finalizer"])),
        9 => ("metadata.namespace", json!("elsewhere")),
        10 => ("spec.owner.name", json!("other")),
        11 => ("status", json!({ "phase": "Ready" })),
        12 => ("metadata.labels", json!({ "tier": 5 })),
        13 => ("spec", json!("none")),
        14 => ("spec.owner.uid", json!("u".repeat(65))),
        15 => ("metadata.ownerReferences", json!([{ "kind": "Pod" }])),
        17 => {
            remove(&mut claim, "spec.owner");
            return claim;
        }
        18 => {
            remove(&mut claim, "spec.className");
            return claim;
        }
        _ => return claim,
    };
    put(&mut claim, path, value);
    claim
}

/// Names that are wrong, long, or left to the server; mostly the claim as it is.
fn named(die: &mut Die, mut claim: Value) -> Value {
    match die.roll(16) {
        0 => put(&mut claim, "metadata.name", "n".repeat(64)),
        1 => put(&mut claim, "metadata.name", "Not_a_name"),
        2 => put(&mut claim, "metadata.resourceVersion", "1"),
        // Of two names of one prefix, nobody knows which comes first in a list.
        3 | 4 => {
            let prefix = format!("made-{}-", die.roll(1_000_000));
            put(&mut claim, "metadata", json!({ "generateName": prefix }));
        }
        5 => put(&mut claim, "metadata", json!({})),
        _ => {}
    }
    claim
}

fn condition(kind: &str, status: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "Test", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

fn status(die: &mut Die) -> Value {
    let value = die.pick(&["True", "False"], "True");
    let mut status = match die.roll(9) {
        0 => json!({ "phase": "Pending", "securityGroups": groups(die) }),
        1 => json!({ "phase": "Ready", "nodeName": "nowhere" }),
        2 => json!({ "conditions": [condition("Ready", value, "")] }),
        3 | 4 => json!({ "creation": creation(die), "phase": "Creating" }),
        5..8 => {
            json!({ "attachment": attachment(die), "conditions": [condition("Attached", value, "")] })
        }
        _ => {
            json!({ "conditions": [condition("Plugged", value, ""), condition("Attached", value, "")] })
        }
    };
    let (path, value) = match die.roll(24) {
        0 => ("phase", json!("Nonsense")),
        1 => (
            "conditions",
            json!([condition("Ready", value, &"m".repeat(5000))]),
        ),
        2 => (
            "conditions",
            json!([
                condition("Ready", value, ""),
                condition("Ready", "Unknown", "")
            ]),
        ),
        3 => ("nodeName", json!("n".repeat(300))),
        4 => ("interface", json!({ "name": "eth0" })),
        5 => ("interface", json!({ "name": "eni1" })),
        6 => ("conditions", json!([])),
        7 => ("timeline", json!({ "created": "yesterday" })),
        8 => ("timeline", json!({ "created": "2026-01-01T00:00:00Z" })),
        9 => ("conditions", json!([{ "type": "Ready" }])),
        10 => ("nodeName", Value::Null),
        11 => ("unknown", json!(1)),
        12 => ("timeline", json!({})),
        13 => ("attachment.deviceIndex", json!(200)),
        _ => return status,
    };
    put(&mut status, path, value);
    status
}

/// One that is named twice, and what is no state, are refused.
fn groups(die: &mut Die) -> Value {
    let twice = json!(["sg-0123abcd", "sg-0123abcd"]);
    json!({
        "ids": die.pick(&[json!(["sg-0123abcd"]), json!(["sg-0123abcd"]), twice], json!([])),
        "state": die.pick(&["Requested", "Set"], "Wanted"), "requestedAt": "2026-01-01T00:00:00.5Z",
    })
}

/// Its incarnation may only grow.
fn creation(die: &mut Die) -> Value {
    json!({
        "incarnation": 1 + die.roll(3), "token": "t", "startedAt": "2026-01-01T00:00:00Z",
        "request": {
            "description": "", "subnetId": "subnet-0123abcd", "tags": { "a": "b" },
            "securityGroupIds": die.pick(&[json!(["sg-0123abcd"]), json!(["sg-0123abcd"]), json!(["sg-0123abcd"]), json!(["sg-0123abcd", "sg-0123abcd"])], json!([])),
        },
    })
}

/// Its release may not be taken back.
fn attachment(die: &mut Die) -> Value {
    let mut attachment = json!({
        "id": "eni-attach-0123abcd", "deviceIndex": 1, "networkCard": 0, "instanceId": "i-0123abcd",
    });
    if die.roll(2) == 0 {
        put(&mut attachment, "release", "Requested");
    }
    attachment
}

/// Where a claim is and by whom it is changed.
struct Place {
    path: String,
    query: String,
}

impl Place {
    fn at(&self, method: Method, path: &str, body: Value) -> Request {
        Request::new(method, path, body).with_query(&self.query)
    }

    fn merge(&self, body: Value) -> Request {
        self.at(Method::Patch, &self.path, body)
            .with_content_type(MERGE)
    }
}

pub(super) fn claim_step(die: &mut Die) -> Step {
    let name = name(die);
    let mut query = format!("fieldManager={}", manager(die));
    query += die.pick(
        &[
            "",
            "",
            "",
            "",
            "",
            "",
            "&dryRun=All",
            "&fieldValidation=Strict",
        ],
        "",
    );
    let place = Place {
        path: format!("{CLAIMS}/{name}"),
        query,
    };
    let base = dressed(die, claim(name));
    let wrong = marred(die, base);
    let (version, uid) = (die.reference(), die.reference());
    let none = Reference::None;
    let (request, version, uid) = match die.roll(18) {
        0..3 => {
            let wrong = named(die, wrong);
            (place.at(Method::Post, CLAIMS, wrong), none, none)
        }
        3 => (place.at(Method::Get, &place.path, Value::Null), none, none),
        4 | 5 => (deletion(die, &place), version, uid),
        6 | 7 => (place.at(Method::Put, &place.path, wrong), version, uid),
        8..12 => (change(die, &place), version, none),
        12 | 16 | 17 => {
            let change =
                json!({ "metadata": { "labels": { "tier": "z" } }, "status": status(die) });
            let path = format!("{}/status", place.path);
            let change = place.at(Method::Patch, &path, change);
            (change.with_content_type(MERGE), version, uid)
        }
        13 => {
            let mut replaced = wrong;
            put(&mut replaced, "status", status(die));
            let path = format!("{}/status", place.path);
            (place.at(Method::Put, &path, replaced), version, uid)
        }
        14 => (applied_status(die, &place), version, none),
        _ => (applied(die, &place, &place.path, wrong), none, uid),
    };
    Step {
        request,
        version,
        uid,
        continues: false,
    }
}

fn deletion(die: &mut Die, place: &Place) -> Request {
    let options = [
        json!({}),
        json!({}),
        json!({}),
        json!({ "gracePeriodSeconds": 5 }),
        json!({ "propagationPolicy": "Foreground" }),
        json!({ "propagationPolicy": "Orphan" }),
        json!({ "propagationPolicy": "Background" }),
    ];
    place.at(Method::Delete, &place.path, die.pick(&options, json!({})))
}

/// A patch of metadata or of what is asked for.
fn change(die: &mut Die, place: &Place) -> Request {
    match die.roll(7) {
        0 | 1 => {
            let label = die.pick(
                &[json!("a"), json!("b"), Value::Null, json!(5)],
                Value::Null,
            );
            place.merge(json!({ "metadata": { "labels": { "tier": label } }, "status": { "phase": "Ready" } }))
        }
        2 | 3 => {
            let finalizers = [json!(["eniclaim.io/eni"]), json!([]), Value::Null];
            let finalizers = die.pick(&finalizers, Value::Null);
            place.merge(json!({ "metadata": { "finalizers": finalizers } }))
        }
        4 => {
            let class = die.pick(&["conformance", "other"], "other");
            place.merge(json!({ "spec": { "className": class } }))
        }
        5 => {
            let said = die.pick(&["one", "two"], "one");
            let change = json!([
                { "op": "replace", "path": "/status/conditions/0/message", "value": said },
            ]);
            let path = format!("{}/status", place.path);
            let change = place.at(Method::Patch, &path, change);
            change.with_content_type(JSON_PATCH)
        }
        _ => {
            let change = json!([
                { "op": "test", "path": "/metadata/labels/tier", "value": "a" },
                { "op": "replace", "path": "/metadata/labels/tier", "value": "b" },
            ]);
            place
                .at(Method::Patch, &place.path, change)
                .with_content_type(JSON_PATCH)
        }
    }
}

fn applied_status(die: &mut Die, place: &Place) -> Request {
    let body = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": {}, "status": status(die),
    });
    applied(die, place, &format!("{}/status", place.path), body)
}

fn applied(die: &mut Die, place: &Place, path: &str, body: Value) -> Request {
    let mut query = place.query.clone();
    if die.roll(2) == 0 {
        query += "&force=true";
    }
    Request::new(Method::Patch, path, body)
        .with_query(&query)
        .with_content_type(APPLY)
}
