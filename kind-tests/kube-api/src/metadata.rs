//! What the metadata of every object must be.

use serde_json::{Value, json};

use crate::{
    json::{at, keep, list, text},
    refusal::Cause,
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

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
    let labels = at(object, "metadata.labels").as_object();
    for value in labels.into_iter().flat_map(|labels| labels.values()) {
        let label = value.as_str().unwrap_or_default();
        if label.len() > 63 {
            causes.push(Cause::invalid(
                "metadata.labels",
                value,
                "must be no more than 63 bytes",
            ));
        } else if !is_label_value(label) {
            causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE));
        }
    }
    causes
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

fn is_subdomain(name: &str) -> bool {
    name.split('.').all(|part| {
        part.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
    })
}

fn is_label_value(value: &str) -> bool {
    let is_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && is_end(value.chars().next())
        && is_end(value.chars().last())
}
