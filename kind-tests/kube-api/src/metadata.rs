//! What the metadata of every object must be.

use serde_json::{Value, json};

use crate::{
    json::{at, keep, list, text},
    names::{LABEL_VALUE, QUALIFIED, SUBDOMAIN, is_label_value, is_qualified, is_subdomain},
    refusal::Cause,
};

/// Drops what is empty: metadata is read into `ObjectMeta`, whose fields are all `omitempty`
/// (k8s.io/apimachinery/pkg/apis/meta/v1/types.go).
pub(crate) fn tidy(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.retain(|_, field| match field {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    });
}

/// What is wrong with the metadata of a new or changed object.
pub(crate) fn errors(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(object, "metadata.name");
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if name.len() > 253 {
        causes.push(Cause::invalid(
            "metadata.name",
            &json!(name),
            "must be no more than 253 bytes",
        ));
    } else if !is_subdomain(name) {
        causes.push(Cause::invalid("metadata.name", &json!(name), SUBDOMAIN));
    }
    label_errors(object, &mut causes);
    let annotations = at(object, "metadata.annotations").as_object();
    for key in annotations.into_iter().flatten().map(|(key, _)| key) {
        if !is_qualified(&key.to_lowercase()) {
            causes.push(Cause::invalid(
                "metadata.annotations",
                &json!(key),
                QUALIFIED,
            ));
        }
    }
    for finalizer in list(object, "metadata.finalizers") {
        if !is_qualified(finalizer.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, QUALIFIED));
        }
    }
    owner_errors(object, &mut causes);
    causes
}

fn label_errors(object: &Value, causes: &mut Vec<Cause>) {
    let mut invalid =
        |value: &Value, why: &str| causes.push(Cause::invalid("metadata.labels", value, why));
    let labels = at(object, "metadata.labels").as_object();
    for (key, value) in labels.into_iter().flatten() {
        if !is_qualified(key) {
            invalid(&json!(key), QUALIFIED);
        }
        let label = value.as_str().unwrap_or_default();
        if label.len() > 63 {
            invalid(value, "must be no more than 63 bytes");
        } else if !is_label_value(label) {
            invalid(value, LABEL_VALUE);
        }
    }
}

/// `ValidateOwnerReferences` of k8s.io/apimachinery, pkg/api/validation/objectmeta.go.
fn owner_errors(object: &Value, causes: &mut Vec<Cause>) {
    let owners = list(object, "metadata.ownerReferences");
    for (index, owner) in owners.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                let path = format!("metadata.ownerReferences[{index}].{field}");
                causes.push(Cause::required(&path, "must not be empty"));
            }
        }
    }
}

/// Why metadata cannot be read into `ObjectMeta`; none if it can.
pub(crate) fn undecodable(object: &Value) -> Option<String> {
    let is_text = |value: &Value| value.is_string() || value.is_null();
    let is_map = |value: &Value| {
        value.is_null()
            || value
                .as_object()
                .is_some_and(|fields| fields.values().all(is_text))
    };
    let is_list = |value: &Value, fits: fn(&Value) -> bool| {
        value.is_null() || value.as_array().is_some_and(|items| items.iter().all(fits))
    };
    let metadata = at(object, "metadata");
    let fields = metadata.as_object().into_iter().flatten();
    let mut wrong = fields.filter(|(name, value)| !match name.as_str() {
        "labels" | "annotations" => is_map(value),
        "finalizers" => is_list(value, Value::is_string),
        "ownerReferences" => is_list(value, Value::is_object),
        "name" | "namespace" | "generateName" | "uid" | "resourceVersion" => is_text(value),
        _ => true,
    });
    let name = wrong.next().map(|(name, _)| name)?;
    Some(format!(
        "json: cannot unmarshal into Go struct field ObjectMeta.metadata.{name}"
    ))
}

/// What is wrong with a change of metadata; what may be left out is taken over first.
pub(crate) fn change_errors(object: &mut Value, before: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for path in ["metadata.uid", "metadata.name"] {
        match (text(object, path), text(before, path)) {
            ("", _) => keep(object, before, path),
            (new, old) if new != old => {
                causes.push(Cause::invalid(path, &json!(new), "field is immutable"));
            }
            _ => {}
        }
    }
    for path in [
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.deletionTimestamp",
        "metadata.deletionGracePeriodSeconds",
        "metadata.generateName",
        "apiVersion",
        "kind",
    ] {
        keep(object, before, path);
    }
    if !at(before, "metadata.deletionTimestamp").is_null() {
        let held = list(before, "metadata.finalizers");
        let new: Vec<&str> = list(object, "metadata.finalizers")
            .iter()
            .filter(|finalizer| !held.contains(finalizer))
            .filter_map(Value::as_str)
            .collect();
        if !new.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                new.iter()
                    .map(|f| format!("{f:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
    causes
}
