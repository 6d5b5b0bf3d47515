//! What each kind's own code does with an object that is created or changed.

use serde_json::{Value, json};

use crate::{
    Kind,
    json::{at, keep, list, put, remove, text},
    kind::Strategy,
    refusal::Cause,
};

/// Makes a new object what its kind stores.
pub(crate) fn prepare_create(kind: &Kind, object: &mut Value) {
    if kind.has_status && kind.strategy != Strategy::Node {
        remove(object, "status");
    }
    if kind.has_generation() {
        put(object, "metadata.generation", 1);
    }
    let mut default = |path: &str, value: Value| {
        if at(object, path).is_null() {
            put(object, path, value);
        }
    };
    match kind.strategy {
        Strategy::Pod => {
            default("spec.terminationGracePeriodSeconds", json!(30));
            default("spec.restartPolicy", json!("Always"));
            default("status.phase", json!("Pending"));
        }
        Strategy::Namespace => {
            default("spec.finalizers", json!(["kubernetes"]));
            default("status.phase", json!("Active"));
            let name = text(object, "metadata.name").to_owned();
            let mut labels = at(object, "metadata.labels").clone();
            let key = "kubernetes.io/metadata.name".to_owned();
            crate::json::object(&mut labels).insert(key, json!(name));
            put(object, "metadata.labels", labels);
        }
        Strategy::Event => {
            default("eventTime", Value::Null);
            default("reportingComponent", json!(""));
            default("reportingInstance", json!(""));
        }
        Strategy::Custom | Strategy::Node | Strategy::Lease | Strategy::Quota => {}
    }
}

/// Takes back what the endpoint may not write, and counts a change of what is asked for.
pub(crate) fn prepare_update(kind: &Kind, is_status: bool, object: &mut Value, before: &Value) {
    keep(object, before, "metadata.generation");
    if is_status {
        if kind.is_custom() {
            let status = at(object, "status").clone();
            let version = at(object, "metadata.resourceVersion").clone();
            *object = before.clone();
            put(object, "metadata.resourceVersion", version);
            match status {
                Value::Null => {
                    remove(object, "status");
                }
                status => put(object, "status", status),
            }
            return;
        }
        keep(object, before, "spec");
        if kind.strategy == Strategy::Pod {
            keep(object, before, "metadata.ownerReferences");
        }
        return;
    }
    if kind.has_status {
        keep(object, before, "status");
    }
    if kind.strategy == Strategy::Namespace {
        keep(object, before, "spec.finalizers");
    }
    if kind.has_generation() && asks(object) != asks(before) {
        let generation = at(before, "metadata.generation").as_u64().unwrap_or(0);
        put(object, "metadata.generation", generation + 1);
    }
}

/// All but metadata; the status is the same by now.
fn asks(object: &Value) -> Value {
    let mut asks = object.clone();
    for path in ["metadata", "apiVersion", "kind"] {
        remove(&mut asks, path);
    }
    asks
}

/// What a built-in kind's own validation finds.
pub(crate) fn errors(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    match kind.strategy {
        Strategy::Event => event_errors(kind, object),
        Strategy::Lease => lease_errors(object),
        Strategy::Pod => before.map_or_else(Vec::new, |before| pod_errors(object, before)),
        Strategy::Custom | Strategy::Namespace | Strategy::Node | Strategy::Quota => Vec::new(),
    }
}

/// `ValidateEventCreate`: events.k8s.io asks for everything, core/v1 only once eventTime is set.
fn event_errors(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let is_core = kind.group.is_empty();
    let (about, controller, note) = if is_core {
        ("involvedObject", "reportingComponent", "message")
    } else {
        ("regarding", "reportingController", "note")
    };
    let namespace = text(object, "metadata.namespace");
    let of = text(object, &format!("{about}.namespace"));
    let agrees = if of.is_empty() {
        namespace == "default"
    } else {
        of == namespace
    };
    if !agrees {
        causes.push(Cause::invalid(
            "involvedObject.namespace",
            &json!(of),
            "does not match event.namespace",
        ));
    }
    let is_new_style = !at(object, "eventTime").is_null();
    if !is_core && !is_new_style {
        causes.push(Cause::required("eventTime", ""));
    }
    if !is_core || is_new_style {
        for (field, at_most) in [
            (controller, None),
            ("reportingInstance", Some(128)),
            ("action", Some(128)),
            ("reason", Some(128)),
        ] {
            let value = text(object, field);
            if value.is_empty() {
                causes.push(Cause::required(field, ""));
            }
            causes.extend(at_most.filter(|max| value.len() > *max).map(|max| {
                Cause::invalid(
                    field,
                    &json!(value),
                    &format!("can have at most {max} characters"),
                )
            }));
        }
        let said = text(object, note);
        if said.len() > 1024 {
            causes.push(Cause::invalid(
                "message",
                &json!(said),
                "can have at most 1024 characters",
            ));
        }
    }
    if !is_core && !matches!(text(object, "type"), "Normal" | "Warning") {
        causes.push(Cause::invalid(
            "type",
            at(object, "type"),
            "has invalid value",
        ));
    }
    causes
}

fn lease_errors(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let field = "spec.leaseDurationSeconds";
    if at(object, field).as_i64().is_some_and(|n| n <= 0) {
        causes.push(Cause::invalid(
            field,
            at(object, field),
            "must be greater than 0",
        ));
    }
    let field = "spec.leaseTransitions";
    if at(object, field).as_i64().is_some_and(|n| n < 0) {
        causes.push(Cause::invalid(
            field,
            at(object, field),
            "must be greater than or equal to 0",
        ));
    }
    causes
}

/// Little of a pod may change; of a gated one a little more.
fn pod_errors(object: &Value, before: &Value) -> Vec<Cause> {
    let is_gated = !list(before, "spec.schedulingGates").is_empty();
    let frozen = |pod: &Value| {
        let mut spec = at(pod, "spec").clone();
        for field in [
            "tolerations",
            "activeDeadlineSeconds",
            "schedulingGates",
            "terminationGracePeriodSeconds",
        ] {
            remove(&mut spec, field);
        }
        if is_gated {
            remove(&mut spec, "nodeSelector");
            remove(&mut spec, "affinity");
        }
        for containers in ["containers", "initContainers"] {
            let images = spec.get_mut(containers).and_then(Value::as_array_mut);
            for container in images.into_iter().flatten() {
                remove(container, "image");
            }
        }
        spec
    };
    if frozen(object) == frozen(before) {
        return Vec::new();
    }
    vec![Cause::forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )]
}
