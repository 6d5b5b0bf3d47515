//! How the schemas of the API server differ from those of serde: what is optional may be absent, and is never null.

use schemars::{
    Schema,
    transform::{Transform, transform_subschemas},
};
use serde_json::Value;

/// Takes null out of a schema and all that is in it. In CEL `has(self.x)` is true for a null, and `self.x.y` then fails,
/// so that one null in a stored object would refuse every later write.
#[derive(Debug, Clone, Copy)]
pub struct NeverNull;

impl Transform for NeverNull {
    fn transform(&mut self, schema: &mut Schema) {
        let is_null = |value: &Value| value.is_null() || value == "null" || value["type"] == "null";
        for key in ["type", "enum", "anyOf"] {
            let Some(Value::Array(several)) = schema.get_mut(key) else {
                continue;
            };
            several.retain(|value| !is_null(value));
            if key == "enum" || several.len() != 1 {
                continue;
            }
            match (key, several.pop()) {
                // `anyOf: [schema]` is that schema; what the field says of itself goes before.
                ("anyOf", Some(Value::Object(only))) => {
                    schema.remove(key);
                    for (key, value) in only {
                        schema.ensure_object().entry(key).or_insert(value);
                    }
                }
                (_, Some(only)) => drop(schema.insert(key.to_owned(), only)),
                (_, None) => {}
            }
        }
        transform_subschemas(self, schema);
    }
}
