//! Sets of fields: which leaves an object has, where they differ from another's, and their form in `managedFields`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    json::{self, object},
    schema::{ListType, Node},
};

/// One step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// A field of an object.
    Field(String),
    /// The item of a list that has these keys; the values are JSON.
    Key(BTreeMap<String, String>),
    /// This value of a set, as JSON.
    Item(String),
}

/// The way to a field.
pub(crate) type Path = Vec<Step>;
/// Fields.
pub(crate) type Set = BTreeSet<Path>;
/// Fields with their values; what has fields of its own stands for itself, too, without a value.
type Members<'a> = BTreeMap<Path, Option<&'a Value>>;

/// Which of the fields that have fields of their own stand for themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Containers {
    /// All: who adds one holds it (`Compare` of sigs.k8s.io/structured-merge-diff, typed/compare.go).
    All,
    /// Items of lists and entries of maps: what the schema names is not applied for itself (typed/tofieldset.go).
    Unnamed,
}

/// How one object differs from another.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Fields that are new or have another value.
    pub(crate) changed: Set,
    /// Fields that are gone.
    pub(crate) removed: Set,
}

/// The fields that an applied object is about.
pub(crate) fn fields(value: &Value, node: &Node) -> Set {
    members(value, node, Containers::Unnamed)
        .into_keys()
        .collect()
}

/// What differs in `new`.
pub(crate) fn difference(old: &Value, new: &Value, node: &Node) -> Difference {
    let old = members(old, node, Containers::All);
    let new = members(new, node, Containers::All);
    // What is empty before and filled after, or the other way round, is itself the same field.
    let changed = new.iter().filter(|(path, new)| match old.get(*path) {
        None => true,
        Some(old) => old.is_some() && new.is_some() && old != *new,
    });
    Difference {
        changed: changed.map(|(path, _)| path.clone()).collect(),
        removed: old
            .keys()
            .filter(|path| !new.contains_key(*path))
            .cloned()
            .collect(),
    }
}

fn members<'a>(value: &'a Value, node: &Node, containers: Containers) -> Members<'a> {
    let mut found = Members::new();
    collect(value, node, containers, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(
    value: &'a Value,
    node: &Node,
    containers: Containers,
    at: &mut Path,
    found: &mut Members<'a>,
) {
    match value {
        Value::Object(fields) if !node.is_atomic_map() => {
            for (name, field) in fields {
                at.push(Step::Field(name.clone()));
                let all = containers == Containers::All;
                let is_empty_list = field.as_array().is_some_and(Vec::is_empty);
                if field.is_null()
                    || field.as_object().is_some_and(Map::is_empty)
                    || all && is_empty_list
                {
                    found.insert(at.clone(), Some(field));
                } else {
                    if all || !node.names(name) && node.is_map() {
                        found.insert(at.clone(), None);
                    }
                    collect(field, node.field(name), containers, at, found);
                }
                at.pop();
            }
        }
        Value::Array(items) if *node.list_type() != ListType::Atomic => {
            for item in items {
                at.push(step(item, node.list_type()));
                found.insert(at.clone(), None);
                if matches!(node.list_type(), ListType::Map(_)) {
                    collect(item, node.item(), containers, at, found);
                }
                at.pop();
            }
        }
        leaf => {
            found.insert(at.clone(), Some(leaf));
        }
    }
}

/// How an item is told apart from the others of its list.
pub(crate) fn step(item: &Value, list: &ListType) -> Step {
    match list {
        ListType::Map(keys) => Step::Key(
            keys.iter()
                .map(|key| (key.clone(), json::at(item, key).to_string()))
                .collect(),
        ),
        ListType::Atomic | ListType::Set => Step::Item(item.to_string()),
    }
}

/// These fields, and what the schema names on the way to them (`EnsureNamedFieldsAreMembers`, fieldpath/set.go).
pub(crate) fn with_named(set: &Set, node: &Node) -> Set {
    let mut with = set.clone();
    for path in set {
        let mut node = node;
        for (length, step) in path.iter().enumerate() {
            node = match step {
                Step::Field(name) => {
                    if node.names(name) {
                        with.extend(path.get(..=length).map(<[Step]>::to_vec));
                    }
                    node.field(name)
                }
                Step::Key(_) | Step::Item(_) => node.item(),
            };
        }
    }
    with
}

/// Takes a field away, and leaves null where nothing else was (typed/remove.go).
pub(crate) fn take(value: &mut Value, path: &[Step]) {
    let [step, rest @ ..] = path else { return };
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            let Some(field) = fields.get_mut(name) else {
                return;
            };
            if rest.is_empty() {
                fields.remove(name);
                return;
            }
            take(field, rest);
            if is_empty(field) {
                *field = Value::Null;
            }
        }
        (Step::Key(keys), Value::Array(items)) => {
            if rest.is_empty() {
                items.retain(|item| !has_keys(item, keys));
            } else if let Some(item) = items.iter_mut().find(|item| has_keys(item, keys)) {
                take(item, rest);
            }
        }
        (Step::Item(text), Value::Array(items)) => items.retain(|item| !is_json(item, text)),
        _ => {}
    }
}

fn has_keys(item: &Value, keys: &BTreeMap<String, String>) -> bool {
    keys.iter()
        .all(|(key, value)| is_json(json::at(item, key), value))
}

/// Whether a value is written so.
fn is_json(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    written == text
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether something in the set lies below this path.
fn holds_below(set: &Set, path: &Path) -> bool {
    set.range(path.clone()..)
        .take_while(|held| held.starts_with(path))
        .any(|held| held.len() > path.len())
}

/// `FieldsV1`.
pub(crate) fn as_json(set: &Set) -> Value {
    let mut root = json!({});
    for path in set {
        let mut at = &mut root;
        for step in path {
            at = object(at).entry(step.as_key()).or_insert(json!({}));
        }
        if holds_below(set, path) {
            object(at).insert(".".to_owned(), json!({}));
        }
    }
    root
}

impl Step {
    fn as_key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Self::Item(value) => format!("v:{value}"),
        }
    }
}

/// A path as people read it: `.status.conditions[type="Ready"].status`.
pub(crate) fn display(path: &Path) -> String {
    let step = |step: &Step| match step {
        Step::Field(name) => format!(".{name}"),
        Step::Key(keys) => {
            let keys: Vec<String> = keys
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("[{}]", keys.join(","))
        }
        Step::Item(value) => format!("[={value}]"),
    };
    path.iter().map(step).collect()
}
