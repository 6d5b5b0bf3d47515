//! Whether an object is what its schema says, in the API server's words.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Checks, ListType, Node, Schema, Type};
use crate::refusal::Cause;

/// Errors after which the rules are not looked at.
const BLOCKING: [&str; 5] = [
    "FieldValueTypeInvalid",
    "FieldValueRequired",
    "FieldValueNotSupported",
    "FieldValueTooLong",
    "FieldValueTooMany",
];

impl Schema {
    /// Adds all that is wrong with the object; `before` is what it replaces.
    pub(crate) fn check(&self, object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
        let Some(rules) = &self.rules else {
            return;
        };
        self.root.check("", object, causes);
        if causes.iter().any(|cause| BLOCKING.contains(&cause.reason)) {
            causes.push(Cause::invalid(
                "<nil>",
                &json!(""),
                "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
            ));
        } else {
            causes.extend(rules.broken(object, before));
        }
    }
}

impl Node {
    fn check(&self, path: &str, value: &Value, causes: &mut Vec<Cause>) {
        if value.is_null() && self.nullable || self.kind == Type::Any {
            return;
        }
        if !self.kind.fits(value) {
            let got = type_name(value);
            let why = format!(
                "{path} in body must be of type {}: \"{got}\"",
                self.kind.name()
            );
            causes.push(Cause::new(
                path,
                "FieldValueTypeInvalid",
                format!("Invalid value: \"{got}\": {why}"),
            ));
            return;
        }
        self.checks.check(path, value, causes);
        match value {
            Value::Object(fields) => {
                let dot = if path.is_empty() { "" } else { "." };
                for name in &self.required {
                    if !fields.contains_key(name) {
                        causes.push(Cause::required(&format!("{path}{dot}{name}"), ""));
                    }
                }
                for (name, field) in fields {
                    if let Some(node) = self.known_field(name) {
                        node.check(&format!("{path}{dot}{name}"), field, causes);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.item().check(&format!("{path}[{index}]"), item, causes);
                }
                self.check_unique(path, items, causes);
            }
            _ => {}
        }
    }

    fn check_unique(&self, path: &str, items: &[Value], causes: &mut Vec<Cause>) {
        let key = |item: &Value| match &self.list {
            ListType::Atomic => None,
            ListType::Set => Some(item.clone()),
            ListType::Map(keys) => Some(
                keys.iter()
                    .map(|key| (key.clone(), item.get(key).cloned().unwrap_or_default()))
                    .collect(),
            ),
        };
        let mut seen = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(key) = key(item) else { return };
            if seen.contains(&key) {
                causes.push(Cause::new(
                    &format!("{path}[{index}]"),
                    "FieldValueDuplicate",
                    format!("Duplicate value: {key}"),
                ));
            }
            seen.push(key);
        }
    }
}

impl Checks {
    fn check(&self, path: &str, value: &Value, causes: &mut Vec<Cause>) {
        let mut invalid = |why: String| {
            causes.push(Cause::invalid(
                path,
                value,
                &format!("{path} in body {why}"),
            ));
        };
        match value {
            Value::String(text) => {
                let length = text.chars().count() as u64;
                if let Some(min) = self.min_length.filter(|min| length < *min) {
                    invalid(format!("should be at least {min} chars long"));
                }
                if let Some(pattern) = &self.pattern
                    && !pattern.regex.as_ref().is_some_and(|r| r.is_match(text))
                {
                    invalid(format!("should match '{}'", pattern.text));
                }
                if self.is_time && text.parse::<Timestamp>().is_err() {
                    causes.push(Cause::new(
                        path,
                        "FieldValueTypeInvalid",
                        format!("Invalid value: {value}: {path} in body must be of type date-time: {value}"),
                    ));
                }
                if let Some(max) = self.max_length.filter(|max| length > *max) {
                    causes.push(Cause::too_long(
                        path,
                        usize::try_from(max).unwrap_or(usize::MAX),
                    ));
                }
            }
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                if let Some(min) = self.minimum.filter(|min| number < *min) {
                    invalid(format!("should be greater than or equal to {min}"));
                }
                if let Some(max) = self.maximum.filter(|max| number > *max) {
                    invalid(format!("should be less than or equal to {max}"));
                }
            }
            Value::Array(items) => {
                if let Some(min) = self.min_items.filter(|min| (items.len() as u64) < *min) {
                    invalid(format!("should have at least {min} items"));
                }
                causes.extend(too_many(path, items.len(), self.max_items));
            }
            Value::Object(fields) => {
                if let Some(min) = self
                    .min_properties
                    .filter(|min| (fields.len() as u64) < *min)
                {
                    invalid(format!("should have at least {min} properties"));
                }
                causes.extend(too_many(path, fields.len(), self.max_properties));
            }
            Value::Null | Value::Bool(_) => {}
        }
        causes.extend(self.unsupported(path, value));
    }

    fn unsupported(&self, path: &str, value: &Value) -> Option<Cause> {
        let allowed = self
            .allowed
            .as_ref()
            .filter(|allowed| !allowed.contains(value))?;
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        Some(Cause::new(
            path,
            "FieldValueNotSupported",
            format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
        ))
    }
}

fn too_many(path: &str, length: usize, max: Option<u64>) -> Option<Cause> {
    let max = max.filter(|max| length as u64 > *max)?;
    Some(Cause::new(
        path,
        "FieldValueTooMany",
        format!("Too many: {length}: must have at most {max} items"),
    ))
}

impl Type {
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
