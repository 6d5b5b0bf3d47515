//! CEL rules, `x-kubernetes-validations`, also those that compare with the object as it was.

use std::fmt;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use crate::refusal::Cause;

/// The rules of a kind, compiled once.
pub(super) struct Rules {
    schema: CompiledSchema,
    validator: Validator,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

impl Rules {
    pub(super) fn compile(openapi: &Value) -> Self {
        Self {
            schema: compile_schema(openapi),
            validator: Validator::new(),
        }
    }

    /// The rules that do not hold, by field.
    pub(super) fn broken(&self, object: &Value, before: Option<&Value>) -> Vec<Cause> {
        let Err(errors) = self
            .validator
            .validate_compiled(&self.schema, object, before)
        else {
            return Vec::new();
        };
        let mut causes: Vec<Cause> = errors
            .into_vec()
            .into_iter()
            .map(|error| {
                let field = if error.field_path.is_empty() {
                    "<nil>"
                } else {
                    &error.field_path
                };
                let value = field
                    .split('.')
                    .try_fold(object, |value, step| value.get(step))
                    .unwrap_or(&Value::Null);
                let reason = match error.reason.as_deref() {
                    Some("FieldValueForbidden") => "FieldValueForbidden",
                    Some("FieldValueRequired") => "FieldValueRequired",
                    Some("FieldValueDuplicate") => "FieldValueDuplicate",
                    _ => "FieldValueInvalid",
                };
                Cause::new(
                    field,
                    reason,
                    format!("Invalid value: {value}: {}", error.message),
                )
            })
            .collect();
        causes.sort();
        causes
    }
}
