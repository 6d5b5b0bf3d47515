//! A structural schema, compiled: what fields there are, how lists and maps merge, and what values may be.

mod defaults;
mod prune;
mod rules;
mod typed;
mod validate;

use std::{collections::BTreeMap, fmt};

use regex::Regex;
use serde_json::{Value, json};

use crate::json::{at, list, text};
use rules::Rules;

/// The schema of a kind.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) root: Node,
    /// CEL rules; a built-in kind has none here, and its fields are not pruned.
    rules: Option<Rules>,
}

/// The schema of one field.
#[derive(Debug, Default)]
pub(crate) struct Node {
    kind: Type,
    nullable: bool,
    default: Option<Value>,
    properties: BTreeMap<String, Node>,
    required: Vec<String>,
    additional: Option<Box<Node>>,
    items: Option<Box<Node>>,
    list: ListType,
    atomic_map: bool,
    keeps_unknown: bool,
    checks: Checks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Type {
    /// Not checked.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// How a list is merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ListType {
    /// As a whole.
    #[default]
    Atomic,
    /// Its values are what they are, each once.
    Set,
    /// Its items are told apart by these fields.
    Map(Vec<String>),
}

#[derive(Debug, Default)]
struct Checks {
    allowed: Option<Vec<Value>>,
    pattern: Option<Pattern>,
    is_time: bool,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

struct Pattern {
    text: String,
    /// None if this crate cannot read it; then nothing matches.
    regex: Option<Regex>,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Schema {
    pub(crate) fn of_custom(openapi: &Value) -> Self {
        let mut root = Node::parse(openapi);
        root.keeps_unknown = false;
        root.properties
            .insert("apiVersion".to_owned(), Node::default());
        root.properties.insert("kind".to_owned(), Node::default());
        root.properties.insert("metadata".to_owned(), metadata());
        Self {
            root,
            rules: Some(Rules::compile(openapi)),
        }
    }

    /// As much as merging needs.
    pub(crate) fn of_built_in() -> Self {
        let by = |keys: &[&str]| json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys });
        let set = json!({ "type": "array", "x-kubernetes-list-type": "set" });
        let open = |properties: Value| json!({ "x-kubernetes-preserve-unknown-fields": true, "properties": properties });
        let mut root = Node::parse(&open(json!({
            "spec": open(json!({
                "containers": by(&["name"]), "volumes": by(&["name"]), "schedulingGates": by(&["name"]),
                "finalizers": set,
            })),
            "involvedObject": { "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": true },
            "status": open(json!({ "conditions": by(&["type"]), "addresses": by(&["type"]) })),
        })));
        root.properties.insert("metadata".to_owned(), metadata());
        Self { root, rules: None }
    }

    /// Whether the kind is defined by a schema alone.
    pub(crate) fn is_structural(&self) -> bool {
        self.rules.is_some()
    }
}

fn metadata() -> Node {
    let mut node = Node::parse(&json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "finalizers": { "type": "array", "x-kubernetes-list-type": "set" },
            "ownerReferences": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "items": { "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": true },
            },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            "annotations": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    }));
    // Null and absent are the same in metadata.
    node.nullable = true;
    for field in node.properties.values_mut() {
        field.nullable = true;
    }
    node
}

/// What nothing is known of.
static UNKNOWN: Node = Node {
    kind: Type::Any,
    nullable: true,
    default: None,
    properties: BTreeMap::new(),
    required: Vec::new(),
    additional: None,
    items: None,
    list: ListType::Atomic,
    atomic_map: false,
    keeps_unknown: true,
    checks: Checks {
        allowed: None,
        pattern: None,
        is_time: false,
        min_length: None,
        max_length: None,
        min_items: None,
        max_items: None,
        min_properties: None,
        max_properties: None,
        minimum: None,
        maximum: None,
    },
};

impl Node {
    fn parse(schema: &Value) -> Self {
        let child = |name: &str| {
            let inner = at(schema, name);
            inner.is_object().then(|| Box::new(Self::parse(inner)))
        };
        let properties = at(schema, "properties").as_object().into_iter().flatten();
        let required = list(schema, "required").iter();
        Self {
            kind: Type::parse(text(schema, "type")),
            nullable: at(schema, "nullable") == true,
            default: schema.get("default").cloned(),
            properties: properties
                .map(|(name, field)| (name.clone(), Self::parse(field)))
                .collect(),
            required: required
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            additional: child("additionalProperties"),
            items: child("items"),
            list: ListType::parse(schema),
            atomic_map: text(schema, "x-kubernetes-map-type") == "atomic",
            keeps_unknown: at(schema, "x-kubernetes-preserve-unknown-fields") == true,
            checks: Checks::parse(schema),
        }
    }

    /// The schema of a field of an object.
    pub(crate) fn field(&self, name: &str) -> &Self {
        self.known_field(name).unwrap_or(&UNKNOWN)
    }

    /// The schema of a field, if the object can have it.
    fn known_field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }

    /// Whether the names of its fields are data.
    pub(crate) fn is_map(&self) -> bool {
        self.additional.is_some()
    }

    /// Whether a field of this name is one that the schema names.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.properties.contains_key(name)
    }

    /// The schema of the items of a list.
    pub(crate) fn item(&self) -> &Self {
        self.items.as_deref().unwrap_or(&UNKNOWN)
    }

    pub(crate) fn list_type(&self) -> &ListType {
        &self.list
    }

    /// Whether an object is merged as a whole.
    pub(crate) fn is_atomic_map(&self) -> bool {
        self.atomic_map
    }
}

impl Type {
    fn parse(name: &str) -> Self {
        match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Any,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

impl ListType {
    fn parse(schema: &Value) -> Self {
        match text(schema, "x-kubernetes-list-type") {
            "set" => Self::Set,
            "map" => {
                let keys = list(schema, "x-kubernetes-list-map-keys").iter();
                Self::Map(keys.filter_map(Value::as_str).map(str::to_owned).collect())
            }
            _ => Self::Atomic,
        }
    }
}

impl Checks {
    fn parse(schema: &Value) -> Self {
        let number = |name: &str| at(schema, name).as_u64();
        let pattern = at(schema, "pattern").as_str().map(|text| Pattern {
            text: text.to_owned(),
            regex: Regex::new(text).ok(),
        });
        Self {
            allowed: at(schema, "enum").as_array().cloned(),
            pattern,
            is_time: text(schema, "format") == "date-time",
            min_length: number("minLength"),
            max_length: number("maxLength"),
            min_items: number("minItems"),
            max_items: number("maxItems"),
            min_properties: number("minProperties"),
            max_properties: number("maxProperties"),
            minimum: at(schema, "minimum").as_f64(),
            maximum: at(schema, "maximum").as_f64(),
        }
    }
}
