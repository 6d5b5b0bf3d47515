//! The schema of a label selector: that of Kubernetes has no maximum, and the API server bounds the cost of a rule only with one.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A label selector with a maximum on every list, map and string; a requirement has values exactly where its operator compares.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let key = json_schema!({
        "type": "string", "minLength": 1, "maxLength": 317, "description": "Key of the label."
    });
    let value = json_schema!({ "type": "string", "maxLength": 63 });
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "type": "object", "maxProperties": 32, "additionalProperties": value,
                "description": "Labels that a namespace must have, each with this value."
            },
            "matchExpressions": {
                "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic",
                "description": "Requirements that must all hold.",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": key,
                        "operator": {
                            "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                            "description": "How the label is compared with the values."
                        },
                        "values": {
                            "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic", "items": value,
                            "description": "With In and NotIn at least one, with Exists and DoesNotExist none."
                        }
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
                        "message": "values: In and NotIn need at least one, Exists and DoesNotExist take none"
                    }]
                }
            }
        }
    })
}
