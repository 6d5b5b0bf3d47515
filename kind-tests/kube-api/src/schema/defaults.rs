//! Fields that are missing get the schema's defaults.

use serde_json::Value;

use super::{Node, Schema};

impl Schema {
    /// Drops each null that may not be one and has no default (`PruneNonNullableNullsWithoutDefaults` of
    /// k8s.io/apiextensions-apiserver, pkg/apiserver/schema/defaulting).
    pub(crate) fn drop_nulls(&self, object: &mut Value) {
        if self.is_structural() {
            self.root.drop_nulls(object);
        }
    }

    /// Sets what is missing and has a default; a null that may not be one counts as missing.
    pub(crate) fn set_defaults(&self, object: &mut Value) {
        if self.is_structural() {
            self.root.set_defaults(object);
        }
    }
}

impl Node {
    fn drop_nulls(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, field| {
                    let may_be = |node: &Self| node.nullable || node.default.is_some();
                    !field.is_null() || self.known_field(name).is_none_or(may_be)
                });
                for (name, field) in fields.iter_mut() {
                    if let Some(node) = self.known_field(name) {
                        node.drop_nulls(field);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(node) = &self.items {
                    for item in items {
                        node.drop_nulls(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn set_defaults(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, node) in &self.properties {
                    let Some(default) = &node.default else {
                        continue;
                    };
                    let field = fields.entry(name).or_insert(Value::Null);
                    if field.is_null() && !node.nullable {
                        *field = default.clone();
                    }
                }
                for (name, field) in fields.iter_mut() {
                    if let Some(node) = self.known_field(name) {
                        node.set_defaults(field);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(node) = &self.items {
                    for item in items {
                        node.set_defaults(item);
                    }
                }
            }
            _ => {}
        }
    }
}
