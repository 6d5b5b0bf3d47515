//! Objects deleted: at once, by grace, or when their finalizers are gone.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Api, Refusal,
    call::Write,
    json::{at, list, put, text},
    kind::Strategy,
    store::{Id, Stored, done, stamp},
};

/// The finalizer of what goes after its dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of what goes after its dependents have forgotten it.
pub(crate) const ORPHAN: &str = "orphan";

impl Api {
    pub(crate) fn delete(&mut self, write: &Write) -> Result<Value, Refusal> {
        let (kind, name, id) = (write.target.kind, write.target.name, write.id());
        let Some(Stored { object, managers }) = self.objects.get(&id).cloned() else {
            return Err(Refusal::not_found(kind, name));
        };
        check_preconditions(write, &object)?;
        let uid = text(&object, "metadata.uid").to_owned();
        let gone = |object| {
            if kind.returns_deleted() {
                object
            } else {
                done(kind, name, &uid)
            }
        };
        let grace = grace(write, &object);
        let mut marked = (*object).clone();
        set_dependents_finalizer(write, &mut marked);
        let is_held = !list(&marked, "metadata.finalizers").is_empty()
            || kind.strategy == Strategy::Namespace;
        // What ends gracefully is marked also when its grace is none, but once.
        let is_graceful = kind.strategy == Strategy::Pod
            && at(&object, "metadata.deletionGracePeriodSeconds") != 0;
        if is_held || is_graceful {
            mark(&mut marked, grace, write.now, kind.strategy);
        }
        let goes = grace == 0 && !is_held;
        if goes && !is_graceful {
            marked = (*object).clone();
        }
        if is_dry(write) {
            return Ok(if goes { gone(marked) } else { marked });
        }
        if marked != *object {
            marked = self.commit(id.clone(), marked, managers);
        }
        if goes {
            self.remove(&id);
            marked = gone(marked);
        }
        Ok(marked)
    }

    /// Each object that is selected, as if it were deleted by its name.
    pub(crate) fn delete_all(&mut self, write: &Write) -> Result<Value, Refusal> {
        let listed = self.list(write.target, write.query)?;
        for item in list(&listed, "items") {
            let target = crate::request::Target {
                namespace: text(item, "metadata.namespace"),
                name: text(item, "metadata.name"),
                ..write.target
            };
            let one = Write {
                target,
                query: write.query,
                body: write.body,
                writer: write.writer.clone(),
                now: write.now,
            };
            self.delete(&one)?;
        }
        Ok(listed)
    }

    /// Ends a pod whose containers have ended, as its kubelet does: its grace is over.
    pub fn finish_pod(&mut self, id: &Id) {
        let Some(Stored { object, managers }) = self.objects.get(id).cloned() else {
            return;
        };
        let mut ended = (*object).clone();
        put(&mut ended, "metadata.deletionGracePeriodSeconds", 0);
        let is_held = !list(&ended, "metadata.finalizers").is_empty();
        self.commit(id.clone(), ended, managers);
        if !is_held {
            self.remove(id);
        }
    }
}

fn check_preconditions(write: &Write, object: &Value) -> Result<(), Refusal> {
    let (kind, name) = (write.target.kind, write.target.name);
    for (field, what, otherwise) in [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ] {
        let asked = text(write.body, &format!("preconditions.{field}"));
        let has = text(object, &format!("metadata.{field}"));
        if !asked.is_empty() && asked != has {
            let why = format!(
                "the {what} in the precondition ({asked}) does not match the {what} in record ({has}). The object might have been {otherwise}"
            );
            return Err(Refusal::not_the_one(kind, name, &why));
        }
    }
    Ok(())
}

/// An option of the deletion: the query counts only where there is no body (endpoints/handlers/delete.go).
fn option(write: &Write, name: &str) -> Value {
    if write.body.is_null() {
        write.query.get(name).cloned().into()
    } else {
        at(write.body, name).clone()
    }
}

fn is_dry(write: &Write) -> bool {
    let asked = option(write, "dryRun");
    asked == "All" || asked == json!(["All"])
}

/// What shall become of dependents is a finalizer, which the garbage collector takes away
/// (`deletionFinalizersForGarbageCollection` of registry/generic/registry/store.go).
fn set_dependents_finalizer(write: &Write, object: &mut Value) {
    let kind = write.target.kind;
    // While a deletion waits for its grace, another one changes no finalizers.
    let has_grace = at(object, "metadata.deletionGracePeriodSeconds").as_i64() > Some(0);
    if has_grace || matches!(kind.strategy, Strategy::Event | Strategy::Namespace) {
        return;
    }
    let asked = option(write, "propagationPolicy");
    let finalizer = match asked.as_str() {
        Some("Foreground") => Some(FOREGROUND),
        Some("Orphan") => Some(ORPHAN),
        Some("Background") => None,
        // One that is there already stays.
        _ => return,
    };
    let mut finalizers = list(object, "metadata.finalizers").to_vec();
    finalizers.retain(|held| held != FOREGROUND && held != ORPHAN);
    finalizers.extend(finalizer.map(Value::from));
    put(object, "metadata.finalizers", finalizers);
    crate::metadata::tidy(object);
}

/// Seconds until the object may go; only pods have any.
fn grace(write: &Write, object: &Value) -> i64 {
    let is_pod = write.target.kind.strategy == Strategy::Pod;
    let is_running = is_pod
        && !text(object, "spec.nodeName").is_empty()
        && !matches!(text(object, "status.phase"), "Failed" | "Succeeded");
    if !is_running {
        return 0;
    }
    let asked = option(write, "gracePeriodSeconds");
    let asked = asked
        .as_i64()
        .or_else(|| asked.as_str().and_then(|v| v.parse().ok()));
    let own = at(object, "spec.terminationGracePeriodSeconds").as_i64();
    let held = at(object, "metadata.deletionGracePeriodSeconds").as_i64();
    let grace = asked.or(held).or(own).unwrap_or(0);
    let grace = if grace < 0 { 1 } else { grace };
    // A second deletion can only shorten it.
    held.map_or(grace, |held| grace.min(held))
}

fn mark(object: &mut Value, grace: i64, now: Timestamp, strategy: Strategy) {
    let held = at(object, "metadata.deletionGracePeriodSeconds").as_i64();
    if at(object, "metadata.deletionTimestamp").is_null() {
        if let Some(generation) = at(object, "metadata.generation").as_i64() {
            put(object, "metadata.generation", generation + 1);
        }
    } else if held == Some(grace) || strategy == Strategy::Namespace {
        return;
    }
    let at = stamp(
        now.saturating_add(SignedDuration::from_secs(grace))
            .unwrap_or(now),
    );
    put(object, "metadata.deletionTimestamp", at);
    if strategy == Strategy::Namespace {
        put(object, "status.phase", "Terminating");
    } else {
        put(object, "metadata.deletionGracePeriodSeconds", grace);
    }
}
