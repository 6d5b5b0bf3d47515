//! Schemas for types of Kubernetes that carry no maximum of their own: the API server can bound a rule's cost only with one.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A label selector, with a maximum on every list, map and string.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let key = json_schema!({ "type": "string", "maxLength": 317 });
    let value = json_schema!({ "type": "string", "maxLength": 63 });
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "type": "object", "maxProperties": 32, "additionalProperties": value,
                "description": "Labels that all must be there with these values."
            },
            "matchExpressions": {
                "type": "array", "maxItems": 32, "description": "Requirements that all must hold.",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": key,
                        "operator": { "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"] },
                        "values": { "type": "array", "maxItems": 64, "items": value }
                    }
                }
            }
        }
    })
}

/// A point in time, RFC 3339.
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "maxLength": 64 })
}

/// A point in time, RFC 3339, that may be missing.
pub(crate) fn optional_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "maxLength": 64, "nullable": true })
}
