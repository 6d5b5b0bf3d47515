//! What the server answers.

use serde_json::{Value, json};

use crate::{Refusal, json};

/// An answer that is not a watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Seconds of the header Retry-After.
    pub retry_after: Option<u32>,
    /// An object, a list or a `Status`.
    pub body: Value,
}

impl Answer {
    pub(crate) fn ok(status: u16, body: Value) -> Self {
        Self {
            status,
            retry_after: None,
            body,
        }
    }

    /// Whether it was done.
    pub fn is_success(&self) -> bool {
        self.status < 300
    }

    /// `reason` of the `Status`, if it was refused.
    pub fn reason(&self) -> &str {
        json::text(&self.body, "reason")
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.code,
            retry_after: refusal.retry_after,
            body: refusal.status(),
        }
    }
}

/// Metadata alone, where the header Accept asks for it.
pub(crate) fn shaped(object: Value, accept: &str) -> Value {
    if !accept.contains("as=PartialObjectMetadata") {
        return object;
    }
    let partial = |object: &Value| {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": json::at(object, "metadata"),
        })
    };
    match object.get("items") {
        Some(_) => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": json::at(&object, "metadata"),
            "items": json::list(&object, "items").iter().map(partial).collect::<Vec<_>>(),
        }),
        None if json::text(&object, "kind") == "Status" => object,
        None => partial(&object),
    }
}
