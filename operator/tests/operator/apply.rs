//! Server-side apply, as much of it as status objects need: who owns which leaf, and what goes when its owner drops it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Where a leaf is. Lists are leaves, except `conditions`, whose items are told apart by their type.
type Path = Vec<Step>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Field(String),
    Condition(String),
}

/// The leaves that each manager last applied.
pub type Managers = BTreeMap<String, BTreeSet<Path>>;

/// Applies `wanted` for `manager`, by force: its leaves are set, those it no longer names and nobody else owns are removed.
pub fn apply(status: &mut Value, managers: &mut Managers, manager: &str, wanted: &Value) {
    let mut leaves = BTreeMap::new();
    collect(wanted, &mut Vec::new(), &mut leaves);
    let paths: BTreeSet<Path> = leaves.keys().cloned().collect();
    let before = managers.remove(manager).unwrap_or_default();
    for owned in managers.values_mut() {
        owned.retain(|path| !paths.contains(path));
    }
    for path in before.difference(&paths) {
        if managers.values().all(|owned| !owned.contains(path)) {
            remove(status, path);
        }
    }
    for (path, leaf) in leaves {
        set(status, &path, leaf);
    }
    managers.insert(manager.to_owned(), paths);
}

fn collect(value: &Value, at: &mut Path, leaves: &mut BTreeMap<Path, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter().filter(|(_, field)| !field.is_null()) {
                at.push(Step::Field(name.clone()));
                collect(field, at, leaves);
                at.pop();
            }
        }
        Value::Array(items) if at.last() == Some(&Step::Field("conditions".into())) => {
            for item in items {
                at.push(Step::Condition(item["type"].as_str().unwrap().to_owned()));
                leaves.insert(at.clone(), item.clone());
                at.pop();
            }
        }
        leaf => {
            leaves.insert(at.clone(), leaf.clone());
        }
    }
}

fn set(value: &mut Value, path: &[Step], leaf: Value) {
    match path {
        [] => *value = leaf,
        [Step::Field(name), rest @ ..] => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            set(&mut value[name], rest, leaf);
        }
        [Step::Condition(kind), ..] => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let items = value.as_array_mut().unwrap();
            match items.iter_mut().find(|item| item["type"] == **kind) {
                Some(item) => *item = leaf,
                None => items.push(leaf),
            }
        }
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    match path {
        [] => {}
        [Step::Field(name)] => {
            value.as_object_mut().map(|fields| fields.remove(name));
        }
        [Step::Field(name), rest @ ..] => {
            let Some(field) = value.get_mut(name) else {
                return;
            };
            remove(field, rest);
            if field.as_object().is_some_and(Map::is_empty)
                || field.as_array().is_some_and(Vec::is_empty)
            {
                value.as_object_mut().map(|fields| fields.remove(name));
            }
        }
        [Step::Condition(kind), ..] => {
            if let Some(items) = value.as_array_mut() {
                items.retain(|item| item["type"] != **kind);
            }
        }
    }
}

#[test]
fn managers_keep_apart_what_each_applied() {
    let (mut status, mut managers) = (Value::Null, Managers::new());
    let operator = serde_json::json!({"phase": "Attached", "timeline": {"created": "a"}, "conditions": [{"type": "Ready", "status": "False"}]});
    let agent = serde_json::json!({"device": {"state": "Seen"}, "timeline": {"seen": "b"}, "conditions": [{"type": "Plugged", "status": "True"}]});
    apply(&mut status, &mut managers, "operator", &operator);
    apply(&mut status, &mut managers, "agent", &agent);
    apply(
        &mut status,
        &mut managers,
        "operator",
        &serde_json::json!({"phase": "Ready"}),
    );
    let left = serde_json::json!({"phase": "Ready", "device": {"state": "Seen"}, "timeline": {"seen": "b"}, "conditions": [{"type": "Plugged", "status": "True"}]});
    assert_eq!(status, left);
}
