//! Steps about the kinds that claims live with: pods, leases, events, nodes and their reports.

use serde_json::{Value, json};

use super::{
    Reference, Step,
    die::Die,
    script::{
        APPLY, CLASSES, EVENTS, LEASES, MERGE, NODES, PODS, REPORTS, STRATEGIC, dressed, manager,
        name, plain,
    },
};
use crate::{
    Method, Request,
    json::{at, put, remove},
};

/// Pods that no scheduler takes.
pub(super) fn pod_step(die: &mut Die) -> Step {
    let name = name(die);
    let path = format!("{PODS}/{name}");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "schedulingGates": [{ "name": "eniclaim.io/never" }],
            "containers": [{ "name": "app", "image": "app" }],
        },
    });
    let mut pod = dressed(die, pod);
    // One that has a node ends by grace.
    if die.roll(3) == 0 {
        let containers = at(&pod, "spec.containers").clone();
        put(
            &mut pod,
            "spec",
            json!({ "nodeName": "nowhere", "containers": containers }),
        );
    }
    let options = [
        json!({}),
        json!({ "gracePeriodSeconds": 5 }),
        json!({ "gracePeriodSeconds": 0 }),
    ];
    let options = die.pick(&options, Value::Null);
    let (version, uid) = (die.reference(), die.reference());
    let merge = |body| Request::new(Method::Patch, &path, body).with_content_type(MERGE);
    let none = Reference::None;
    let marks = marks(die);
    let mark = Request::new(Method::Patch, &format!("{path}/status"), marks);
    let (request, version, uid) = match die.roll(8) {
        0 | 1 => (Request::new(Method::Post, PODS, pod), none, none),
        2 => (Request::new(Method::Delete, &path, options), version, uid),
        3 => (
            merge(json!({ "metadata": { "labels": { "tier": "a" } } })),
            version,
            none,
        ),
        4 => (
            merge(json!({ "metadata": { "labels": { "tier": "b" } } })),
            none,
            uid,
        ),
        5 => (mark.with_content_type(STRATEGIC), none, uid),
        6 => (mark.with_content_type(STRATEGIC), version, uid),
        _ => (
            merge(json!({ "spec": { "hostname": "other" } })),
            none,
            none,
        ),
    };
    Step {
        request,
        version,
        uid,
        continues: false,
    }
}

/// What the operator writes on a pod, by one patch of its status.
fn marks(die: &mut Die) -> Value {
    let mut marks = json!({});
    if die.roll(2) == 0 {
        let networks = die.pick(&["[]", "[{\"name\":\"eniclaim.io/app\"}]"], "[]");
        let annotations = json!({ "k8s.v1.cni.cncf.io/network-status": networks });
        put(&mut marks, "metadata.annotations", annotations);
    }
    if die.roll(3) > 0 {
        let status = die.pick(&["True", "False"], "True");
        let condition = |kind: &str| {
            json!({
                "type": kind, "status": status, "reason": "Ready", "message": "there",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let mut conditions = vec![condition("eniclaim.io/Ready")];
        if die.roll(4) == 0 {
            conditions.push(condition("example.com/Other"));
        }
        put(&mut marks, "status.conditions", conditions);
    }
    if die.roll(8) == 0 {
        put(&mut marks, "spec.hostname", "other");
    }
    marks
}

pub(super) fn lease_step(die: &mut Die) -> Step {
    let name = name(die);
    let path = format!("{LEASES}/{name}");
    let seconds = die.pick(&[15, 15, 0], 15);
    let holder = manager(die);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": seconds },
    });
    let version = die.reference();
    let (request, version) = match die.roll(4) {
        0 => (Request::new(Method::Post, LEASES, lease), Reference::None),
        1 => (
            Request::new(Method::Get, &path, Value::Null),
            Reference::None,
        ),
        _ => (Request::new(Method::Put, &path, lease), version),
    };
    Step {
        request: request.with_query(&format!("fieldManager={holder}")),
        version,
        uid: Reference::None,
        continues: false,
    }
}

pub(super) fn report_step(die: &mut Die) -> Step {
    let name = name(die);
    let path = format!("{REPORTS}/{name}");
    let node = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNode", "metadata": { "name": name }, "spec": {} });
    let request = match die.roll(4) {
        0 => Request::new(Method::Post, REPORTS, node),
        1 => Request::new(Method::Delete, &path, Value::Null),
        _ => {
            let mut body = node;
            remove(&mut body, "spec");
            put(&mut body, "status", json!({ "capacity": die.roll(3) }));
            let by = manager(die);
            Request::new(Method::Patch, &format!("{path}/status"), body)
                .with_query(&format!("fieldManager={by}"))
                .with_content_type(APPLY)
        }
    };
    plain(request)
}

/// A class that is made, edited, and spoken of.
pub(super) fn class_step(die: &mut Die) -> Step {
    let name = name(die);
    let path = format!("{CLASSES}/{name}");
    let class = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": { "name": name } });
    let tags = die.pick(
        &[json!({ "tier": "pods" }), json!({ "tier": "" })],
        json!({}),
    );
    let subnets = json!({ "tags": tags });
    let request = match die.roll(6) {
        0 | 1 => {
            let mut body = class;
            let groups = json!({ "ids": ["sg-0a1b2c3d4e5f60718"] });
            put(
                &mut body,
                "spec",
                json!({ "subnets": subnets, "securityGroups": groups }),
            );
            Request::new(Method::Post, CLASSES, body)
        }
        2 => Request::new(Method::Delete, &path, Value::Null),
        3 => {
            let edit = json!({ "spec": { "subnets": { "policy": "MostFree" } } });
            Request::new(Method::Patch, &path, edit).with_content_type(MERGE)
        }
        _ => {
            let mut body = class;
            let condition = json!({
                "type": die.pick(&["Ready", "SubnetsReady"], "Ready"), "status": "True", "reason": "Resolved",
                "message": "there", "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": die.roll(3),
            });
            let status = json!({ "conditions": [condition], "observedGeneration": die.roll(3) });
            put(&mut body, "status", status);
            let by = manager(die);
            Request::new(Method::Patch, &format!("{path}/status"), body)
                .with_query(&format!("fieldManager={by}"))
                .with_content_type(APPLY)
        }
    };
    plain(request)
}

/// What the operator says of a claim, and says again.
pub(super) fn event_step(die: &mut Die) -> Step {
    let name = name(die);
    let namespace = die.pick(&["conformance", "conformance", "elsewhere"], "conformance");
    let message = die
        .pick(&["said", "said", &"m".repeat(1025)], "")
        .to_owned();
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": name }, "type": "Normal", "reason": "R",
        "involvedObject": { "kind": "EniClaim", "namespace": namespace, "name": name },
        "message": message, "count": 1, "source": { "component": "eniclaim" },
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
    });
    let path = format!("{EVENTS}/{name}");
    let request = match die.roll(3) {
        0 => Request::new(Method::Post, EVENTS, event),
        1 => Request::new(Method::Get, &path, Value::Null),
        _ => {
            let again =
                json!({ "count": 1 + die.roll(4), "lastTimestamp": "2026-01-02T00:00:00Z" });
            Request::new(Method::Patch, &path, again).with_content_type(MERGE)
        }
    };
    plain(request.with_query("fieldManager=one"))
}

/// Nodes without a kubelet, as the operator marks them.
pub(super) fn node_step(die: &mut Die) -> Step {
    let name = name(die);
    let path = format!("{NODES}/{name}");
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "status": { "capacity": { "cpu": "1" } },
    });
    let merge = |path: &str, body| Request::new(Method::Patch, path, body).with_content_type(MERGE);
    let slots = die.pick(&[json!("3"), json!("4"), Value::Null], Value::Null);
    let resources = json!({ "capacity": { "eniclaim.io/eni": slots } });
    let request = match die.roll(5) {
        0 => Request::new(Method::Post, NODES, node),
        1 => Request::new(Method::Delete, &path, Value::Null),
        2 => merge(
            &path,
            json!({ "metadata": { "labels": { "eniclaim.io/ready": "true" } }, "status": resources }),
        ),
        _ => merge(&format!("{path}/status"), json!({ "status": resources })),
    };
    plain(request.with_query("fieldManager=one"))
}
