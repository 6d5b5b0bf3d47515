//! What of an answer must be alike: all but identities and times.

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
            if let Some(prefix) = at(&request.body, "metadata.generateName").as_str()
                && text(&details, "name").starts_with(prefix)
            {
                put(&mut details, "name", format!("{prefix}*"));
            }
            remove(&mut details, "retryAfterSeconds");
        }
        json!({ "status": text(body, "status"), "details": details })
    } else if text(body, "kind").ends_with("List") {
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

/// An event of a watch, or why there is none. None for bookmarks whose time nobody promises.
pub(super) fn event(event: &Value) -> Option<Value> {
    let (kind, object) = (text(event, "type"), at(event, "object"));
    match kind {
        "BOOKMARK" => {
            let annotations = at(object, "metadata.annotations");
            (!annotations.is_null()).then(|| json!({ "type": kind, "annotations": annotations }))
        }
        "ERROR" => Some(refused(kind, object)),
        "" => Some(refused(kind, event)),
        _ => Some(json!({ "type": kind, "object": normal(object) })),
    }
}

fn refused(kind: &str, status: &Value) -> Value {
    json!({ "type": kind, "code": at(status, "code"), "reason": text(status, "reason") })
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
    let mut managers = list(&object, "metadata.managedFields").to_vec();
    for manager in &mut managers {
        remove(manager, "time");
    }
    // The real server orders them by time, and a script takes less than its resolution.
    managers.sort_by_key(Value::to_string);
    put(&mut object, "metadata.managedFields", managers);
    let owned = at(&object, "metadata.generateName")
        .as_str()
        .map(str::to_owned);
    if let Some(prefix) = owned {
        put(&mut object, "metadata.name", format!("{prefix}*"));
    }
    // Of kinds that others write, too, only what the operator reads or writes.
    let kept: &[&str] = match text(&object, "kind") {
        "Pod" | "Namespace" => &["phase"],
        "Node" => &["capacity"],
        _ => return object,
    };
    let mut status = json!({});
    for field in kept {
        put(
            &mut status,
            field,
            at(&object, &format!("status.{field}")).clone(),
        );
    }
    // Of conditions those of others than Kubernetes itself.
    let of_others = |c: &&Value| text(c, "type").contains('/');
    let conditions = list(&object, "status.conditions").iter().filter(of_others);
    let mut conditions: Vec<Value> = conditions.cloned().collect();
    // Its Go type writes it even where nobody set it.
    for condition in &mut conditions {
        remove(condition, "lastProbeTime");
    }
    put(&mut status, "conditions", conditions);
    put(&mut object, "status", status);
    for field in ["spec", "metadata.managedFields", "metadata.generation"] {
        remove(&mut object, field);
    }
    object
}
