//! What the API server says instead of an object: a `Status`, in its words.

use serde_json::{Value, json};

use crate::{Kind, json};

/// A request that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// `reason` of the `Status`; empty for an error that the server itself did not expect.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `details` of the `Status`.
    pub details: Value,
    /// Seconds of the header Retry-After.
    pub retry_after: Option<u32>,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// Dotted path with list indices.
    pub field: String,
    /// For example `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong with the field.
    pub message: String,
}

impl Cause {
    pub(crate) fn new(field: &str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self::new(
            field,
            "FieldValueInvalid",
            format!("Invalid value: {value}: {why}"),
        )
    }

    pub(crate) fn required(field: &str, why: &str) -> Self {
        let why = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Self::new(field, "FieldValueRequired", why)
    }

    pub(crate) fn forbidden(field: &str, why: &str) -> Self {
        Self::new(field, "FieldValueForbidden", format!("Forbidden: {why}"))
    }

    pub(crate) fn too_long(field: &str, max: usize) -> Self {
        Self::new(
            field,
            "FieldValueTooLong",
            format!("Too long: may not be more than {max} bytes"),
        )
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            details: Value::Null,
            retry_after: None,
        }
    }

    fn about(mut self, name: &str, group: &str, kind: &str, causes: Value) -> Self {
        let mut details = json!({ "kind": kind });
        if !name.is_empty() {
            json::put(&mut details, "name", name);
        }
        if !group.is_empty() {
            json::put(&mut details, "group", group);
        }
        if !causes.is_null() {
            json::put(&mut details, "causes", causes);
        }
        self.details = details;
        self
    }

    fn of(self, kind: &Kind, name: &str) -> Self {
        self.about(name, &kind.group, &kind.plural, Value::Null)
    }

    /// 404 for a path that leads nowhere.
    pub fn no_such_path() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource".to_owned(),
        )
    }

    /// 404 for an object that does not exist.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self::new(404, "NotFound", message).of(kind, name)
    }

    /// 409 for a name that is taken.
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(409, "AlreadyExists", message).of(kind, name)
    }

    /// 409 for a version or UID that is not the object's.
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            kind.resource()
        );
        Self::new(409, "Conflict", message).of(kind, name)
    }

    /// 409 for an object that is not the one to delete, by its kind and not its resource (`BeforeDelete` of
    /// k8s.io/apiserver, pkg/registry/rest/delete.go).
    pub(crate) fn not_the_one(kind: &Kind, name: &str, why: &str) -> Self {
        let whole = kind.whole_kind();
        let message = format!("Operation cannot be fulfilled on {whole} \"{name}\": {why}");
        let refusal = Self::new(409, "Conflict", message);
        refusal.about(name, &kind.group, &kind.kind, Value::Null)
    }

    /// 409 for a version that is not the object's.
    pub fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 409 for fields that another manager holds with other values.
    pub(crate) fn apply_conflict(causes: &[Cause]) -> Self {
        let whom: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.message, cause.field))
            .collect();
        let message = match whom.as_slice() {
            [one] => format!("Apply failed with 1 conflict: {one}"),
            many => format!(
                "Apply failed with {} conflicts: {}",
                many.len(),
                many.join("\n- ")
            ),
        };
        let mut refusal = Self::new(409, "Conflict", message);
        refusal.details = json!({ "causes": as_json(causes) });
        refusal
    }

    /// 403.
    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        Self::new(403, "Forbidden", message).of(kind, name)
    }

    /// 403 for something new in a namespace that ends.
    pub(crate) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut refusal = Self::forbidden(kind, name, &why);
        let cause = json!({
            "reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": format!("namespace {namespace} is being terminated"),
        });
        json::put(&mut refusal.details, "causes", json!([cause]));
        refusal
    }

    /// 422.
    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let whole = kind.whole_kind();
        let mut said: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        said.dedup();
        let said = match said.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{whole} \"{name}\" is invalid: {said}");
        Self::new(422, "Invalid", message).about(name, &kind.group, &kind.kind, as_json(causes))
    }

    /// 422 for parameters of the request.
    pub(crate) fn options(kind: &str, cause: &Cause) -> Self {
        let Cause { field, message, .. } = cause;
        let message = format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {message}");
        let causes = as_json(std::slice::from_ref(cause));
        Self::new(422, "Invalid", message).about("", "meta.k8s.io", kind, causes)
    }

    /// 422 for a patch after which the object cannot be read (`applyPatchToObject`, endpoints/handlers/patch.go).
    pub(crate) fn undecodable_patch(why: &str) -> Self {
        let cause = Cause::invalid("patch", &json!(""), why);
        let message = format!(" \"\" is invalid: {}: {}", cause.field, cause.message);
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = json!({ "causes": as_json(&[cause]) });
        refusal
    }

    /// 422 for a JSON patch that does not fit the object.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        let mut refusal = Self::new(422, "Invalid", message.to_owned());
        refusal.details = json!({});
        refusal
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message.to_owned())
    }

    /// 415.
    pub(crate) fn unsupported_media_type() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        Self::new(415, "UnsupportedMediaType", message.to_owned())
    }

    /// 410: the version was compacted.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    /// 429.
    pub fn too_many_requests(retry_after: u32) -> Self {
        let message =
            "the server has received too many requests and has asked us to try again later";
        let mut refusal = Self::new(429, "TooManyRequests", message.to_owned());
        refusal.details = json!({ "retryAfterSeconds": retry_after });
        refusal.retry_after = Some(retry_after);
        refusal
    }

    /// 500.
    pub fn internal(why: &str) -> Self {
        let message = format!("Internal error occurred: {why}");
        Self::new(500, "InternalError", message)
    }

    /// 500 without a reason: an error that the server passes on as it got it.
    pub(crate) fn unexpected(message: String) -> Self {
        Self::new(500, "", message)
    }

    /// 504.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message.into())
    }

    /// 504 for a version that the server has not reached.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::timeout(message);
        refusal.details = json!({
            "retryAfterSeconds": 1,
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        });
        refusal
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            json::put(&mut status, "reason", self.reason);
        }
        if !self.details.is_null() {
            json::put(&mut status, "details", self.details.clone());
        }
        status
    }
}

fn as_json(causes: &[Cause]) -> Value {
    causes
        .iter()
        .map(
            |Cause {
                 field,
                 reason,
                 message,
             }| { json!({ "reason": reason, "message": message, "field": field }) },
        )
        .collect()
}
