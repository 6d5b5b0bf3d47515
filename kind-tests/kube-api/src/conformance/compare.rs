//! What of an answer must be alike: all but identities, times and the details of managed fields.

use serde_json::{Value, json};

use crate::{
    Answer, Method, Request,
    json::{at, list, put, remove, text},
};

/// An answer as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was asked.
    pub asked: String,
    /// The HTTP status.
    pub status: u16,
    /// `reason` of a refusal.
    pub reason: String,
    /// Reason and field of each cause, sorted.
    pub causes: Vec<(String, String)>,
    /// The object or list, without what cannot be alike.
    pub object: Value,
}

pub(super) fn outcome(request: &Request, answer: &Answer) -> Outcome {
    let body = &answer.body;
    let cause = |cause: &Value| {
        let field = text(cause, "field").to_owned();
        (text(cause, "reason").to_owned(), field)
    };
    let mut causes: Vec<_> = list(body, "details.causes").iter().map(cause).collect();
    causes.sort();
    causes.dedup();
    let object = if text(body, "kind") == "Status" {
        let mut details = at(body, "details").clone();
        if details.is_object() {
            remove(&mut details, "uid");
            remove(&mut details, "causes");
            remove(&mut details, "retryAfterSeconds");
        }
        json!({ "status": text(body, "status"), "details": details })
    } else if at(body, "items").is_array() {
        let items: Vec<Value> = list(body, "items").iter().map(normal).collect();
        json!({
            "kind": text(body, "kind"), "items": items,
            "goesOn": !text(body, "metadata.continue").is_empty(),
            "remaining": at(body, "metadata.remainingItemCount"),
        })
    } else {
        normal(body)
    };
    Outcome {
        asked: asked(request),
        status: answer.status,
        reason: answer.reason().to_owned(),
        causes,
        object,
    }
}

fn asked(request: &Request) -> String {
    let Request {
        method,
        path,
        query,
        content_type,
        body,
        ..
    } = request;
    let of = if *method == Method::Patch {
        content_type.as_str()
    } else {
        ""
    };
    format!("{method:?} {path}?{query} {of} {body}")
}

/// An event of a watch; none for bookmarks, whose time nobody promises.
pub(super) fn event(event: &Value) -> Option<Value> {
    let kind = text(event, "type");
    (kind != "BOOKMARK").then(|| json!({ "type": kind, "object": normal(at(event, "object")) }))
}

/// An object without what cannot be alike. Of a built-in kind only what the rules here know.
fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["uid", "resourceVersion", "creationTimestamp", "selfLink"] {
        remove(&mut object, &format!("metadata.{field}"));
    }
    if !at(&object, "metadata.deletionTimestamp").is_null() {
        put(&mut object, "metadata.deletionTimestamp", "set");
    }
    let manager = |entry: &Value| {
        let part = |field: &str| text(entry, field).to_owned();
        [part("manager"), part("operation"), part("subresource")].join(" ")
    };
    let mut managers: Vec<String> = list(&object, "metadata.managedFields")
        .iter()
        .map(manager)
        .collect();
    managers.sort();
    put(&mut object, "metadata.managedFields", managers);
    let owned = at(&object, "metadata.generateName")
        .as_str()
        .map(str::to_owned);
    if let Some(prefix) = owned {
        put(&mut object, "metadata.name", format!("{prefix}*"));
    }
    let is_custom = text(&object, "apiVersion").contains("eniclaim.io");
    let is_lease = text(&object, "apiVersion").contains("coordination.k8s.io");
    if !is_custom && !is_lease {
        let phase = at(&object, "status.phase").clone();
        remove(&mut object, "spec");
        put(&mut object, "status", json!({ "phase": phase }));
        // Its own controllers write there, too.
        remove(&mut object, "metadata.managedFields");
        // Counted for some built-in kinds of newer servers only.
        remove(&mut object, "metadata.generation");
    }
    object
}
