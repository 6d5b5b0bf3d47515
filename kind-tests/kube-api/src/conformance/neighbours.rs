//! Steps about the kinds that claims live with: pods, leases and the reports of nodes.

use serde_json::{Value, json};

use super::{
    Reference, Step,
    script::{APPLY, Die, LEASES, MERGE, NODES, PODS, dressed, manager, name, plain},
};
use crate::{
    Method, Request,
    json::{put, remove},
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
    let pod = dressed(die, pod);
    let (version, uid) = (die.reference(), die.reference());
    let merge = |body| Request::new(Method::Patch, &path, body).with_content_type(MERGE);
    let none = Reference::None;
    let (request, version, uid) = match die.roll(6) {
        0 | 1 => (Request::new(Method::Post, PODS, pod), none, none),
        2 => (Request::new(Method::Delete, &path, json!({})), version, uid),
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
    let path = format!("{NODES}/{name}");
    let node = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNode", "metadata": { "name": name }, "spec": {} });
    let request = match die.roll(4) {
        0 => Request::new(Method::Post, NODES, node),
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
