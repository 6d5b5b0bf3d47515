//! What an applied object must be before it is merged: its fields are known, of their types, and told apart.
//!
//! The server answers 500 to it, without a reason (`ObjectToTyped` of apimachinery's managedfields,
//! sigs.k8s.io/structured-merge-diff typed/validate.go).

use serde_json::Value;

use super::{ListType, Node, Schema, Type};
use crate::fields::{display, step};

impl Schema {
    /// The first thing that is wrong, in the server's words.
    pub(crate) fn untyped(&self, object: &Value) -> Option<String> {
        if self.is_structural() {
            self.root.untyped("", object)
        } else {
            None
        }
    }
}

impl Node {
    fn untyped(&self, path: &str, value: &Value) -> Option<String> {
        // An integer is a number here, and null is anything.
        let fits = match self.kind {
            Type::Integer => value.is_number(),
            kind => kind.fits(value),
        };
        if !fits && !value.is_null() {
            return Some(format!(
                "{path}: expected {}, got {value}",
                self.kind.name()
            ));
        }
        match value {
            Value::Object(fields) => fields.iter().find_map(|(name, field)| {
                let path = format!("{path}.{name}");
                match self.known_field(name) {
                    Some(node) => node.untyped(&path, field),
                    None if self.keeps_unknown => None,
                    None => Some(format!("{path}: field not declared in schema")),
                }
            }),
            Value::Array(items) => {
                let inner = items
                    .iter()
                    .find_map(|item| self.item().untyped(path, item));
                inner.or_else(|| self.twice(path, items))
            }
            _ => None,
        }
    }

    fn twice(&self, path: &str, items: &[Value]) -> Option<String> {
        if self.list == ListType::Atomic {
            return None;
        }
        let mut steps: Vec<_> = items.iter().map(|item| step(item, &self.list)).collect();
        steps.sort();
        let pair = steps.windows(2).find(|pair| pair.first() == pair.last())?;
        Some(format!(
            "{path}: duplicate entries for key {}",
            display(&vec![pair.first()?.clone()])
        ))
    }
}
