//! Fields that no schema names are dropped.

use serde_json::Value;

use super::{Node, Schema};

impl Schema {
    /// Drops what the schema does not name; the paths of what was dropped.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut dropped = Vec::new();
        if self.is_structural() {
            self.root.prune("", object, &mut dropped);
        }
        dropped
    }
}

impl Node {
    fn prune(&self, path: &str, value: &mut Value, dropped: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| {
                    let known = self.keeps_unknown || self.known_field(name).is_some();
                    if !known {
                        dropped.push(format!("{path}{name}"));
                    }
                    known
                });
                for (name, field) in fields.iter_mut() {
                    if let Some(node) = self.known_field(name) {
                        node.prune(&format!("{path}{name}."), field, dropped);
                    }
                }
            }
            Value::Array(items) => {
                let Some(node) = &self.items else { return };
                let path = path.trim_end_matches('.');
                for (index, item) in items.iter_mut().enumerate() {
                    node.prune(&format!("{path}[{index}]."), item, dropped);
                }
            }
            _ => {}
        }
    }
}
