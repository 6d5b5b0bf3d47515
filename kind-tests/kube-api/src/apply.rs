//! Server-side apply: the applier holds what it names, and what it no longer names goes unless others hold it.

use serde_json::Value;

use crate::{
    Answer, Api, Refusal,
    call::Write,
    fields::{self, Path, Set, Step, take, with_named},
    json::{at, put, remove, text},
    managers::{Managers, ownable, owned},
    merge::merge,
    refusal::Cause,
    store::{Stored, stamp},
};

impl Api {
    pub(crate) fn apply(&mut self, write: &Write) -> Result<Answer, Refusal> {
        check(write)?;
        let (kind, name) = (write.target.kind, write.target.name);
        let held = self.objects.get(&write.id()).cloned();
        if held.is_none() && write.target.status {
            return Err(Refusal::not_found(kind, name));
        }
        check_types(write)?;
        if let Some(held) = held {
            let (object, managers) = applied(write, &held)?;
            let object = self.update(write, &held, object, Some(managers))?;
            return Ok(Answer::ok(200, object));
        }
        let uid = text(write.body, "metadata.uid");
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Refusal::conflict(kind, name, &why));
        }
        let mut object = write.body.clone();
        remove(&mut object, "metadata.resourceVersion");
        put(&mut object, "metadata.name", name);
        let made = self.make(write, object, name, |managers, _, write, now| {
            let set = fields::fields(write.body, &write.target.kind.schema.root);
            managers.hold(&write.writer, ownable(set, &write.writer), now);
        })?;
        Ok(Answer::ok(201, made))
    }
}

fn check(write: &Write) -> Result<(), Refusal> {
    if write.query.get("fieldManager").is_none_or(String::is_empty) {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(Refusal::options("PatchOptions", &cause));
    }
    if text(write.body, "apiVersion").is_empty() || text(write.body, "kind").is_empty() {
        return Err(Refusal::bad_request(
            "couldn't get version/kind; json parse error: Object 'Kind' is missing",
        ));
    }
    write.check_body()?;
    if !crate::json::list(write.body, "metadata.managedFields").is_empty() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

fn check_types(write: &Write) -> Result<(), Refusal> {
    let kind = write.target.kind;
    let Some(wrong) = kind.schema.untyped(write.body) else {
        return Ok(());
    };
    let (namespace, name) = (write.target.namespace, write.target.name);
    Err(Refusal::unexpected(format!(
        "failed to create typed patch object ({namespace}/{name}; {}, Kind={}): {wrong}",
        kind.api_version(),
        kind.kind
    )))
}

/// The object after an apply, and who then manages it.
fn applied(write: &Write, held: &Stored) -> Result<(Value, Managers), Refusal> {
    let Write { writer, body, .. } = write;
    let node = &write.target.kind.schema.root;
    let before = &*held.object;
    let mut merged = merge(before, body, node);
    let set = ownable(fields::fields(body, node), writer);
    let mut managers = held.managers.clone();
    let last = managers.of(writer).cloned().unwrap_or_default();
    managers.hold(writer, set, &stamp(write.now));
    let (last, held) = (with_named(&last, node), with_named(&managers.all(), node));
    drop_unheld(&mut merged, &last, &held);

    let difference = owned(fields::difference(before, &merged, node), writer);
    let is_forced = write
        .query
        .get("force")
        .is_some_and(|v| v == "true" || v == "1");
    let conflicts = managers.conflicts(writer, &difference);
    if !is_forced && !conflicts.is_empty() {
        return Err(Refusal::apply_conflict(&conflicts));
    }
    managers.yield_to(writer, &difference);
    if at(&merged, "metadata.resourceVersion").is_null() {
        put(
            &mut merged,
            "metadata.resourceVersion",
            text(before, "metadata.resourceVersion"),
        );
    }
    Ok((merged, managers))
}

/// Takes away what the applier named last time and now nobody does (`prune` of sigs.k8s.io/structured-merge-diff,
/// merge/update.go).
fn drop_unheld(object: &mut Value, last: &Set, held: &Set) {
    // Whole items first: without its keys an item cannot be found.
    let mut gone: Vec<&Path> = last.difference(held).collect();
    gone.sort_by_key(|path| (matches!(path.last(), Some(Step::Field(_))), path.len()));
    for path in gone {
        take(object, path);
    }
}
