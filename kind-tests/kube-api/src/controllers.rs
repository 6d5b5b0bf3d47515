//! What the controller manager does about ends: namespaces that are deleted, and objects whose owners are gone.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Api, Request,
    delete::{FOREGROUND, ORPHAN},
    json::{at, list, put, text},
    metadata,
    request::Method,
    store::{Id, Stored},
};

impl Api {
    /// One step of both controllers.
    pub fn collect(&mut self, now: Timestamp) {
        self.collect_garbage(now);
        self.settle_dependents(now);
        self.end_namespaces(now);
    }

    /// Deletes what has owners of which none exists any more.
    fn collect_garbage(&mut self, now: Timestamp) {
        let uids: BTreeSet<&str> = self
            .objects
            .values()
            .map(|stored| text(&stored.object, "metadata.uid"))
            .collect();
        let orphan = |object: &Value| {
            let owners = list(object, "metadata.ownerReferences");
            !owners.is_empty()
                && owners
                    .iter()
                    .all(|owner| !uids.contains(text(owner, "uid")))
        };
        let orphans: Vec<Id> = self
            .objects
            .iter()
            .filter(|(_, stored)| {
                at(&stored.object, "metadata.deletionTimestamp").is_null() && orphan(&stored.object)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in orphans {
            self.delete_id(&id, now);
        }
    }

    /// Deletes the dependents of what goes after them, and has dependents forget what shall leave them.
    fn settle_dependents(&mut self, now: Timestamp) {
        for finalizer in [FOREGROUND, ORPHAN] {
            for (owner, uid) in self.waiting_for_dependents(finalizer) {
                let dependents = self.dependents(&uid);
                for dependent in &dependents {
                    if finalizer == FOREGROUND {
                        self.delete_id(dependent, now);
                    } else {
                        self.edit(dependent, |object| forget(object, &uid));
                    }
                }
                if self.dependents(&uid).is_empty() {
                    self.finalize(&owner, finalizer);
                }
            }
        }
    }

    /// What is deleted and has this finalizer, with its UID.
    fn waiting_for_dependents(&self, finalizer: &str) -> Vec<(Id, String)> {
        let waits = |object: &Value| {
            !at(object, "metadata.deletionTimestamp").is_null()
                && list(object, "metadata.finalizers").contains(&json!(finalizer))
        };
        let waiting = self.objects.iter().filter(|(_, s)| waits(&s.object));
        waiting
            .map(|(id, s)| (id.clone(), text(&s.object, "metadata.uid").to_owned()))
            .collect()
    }

    fn dependents(&self, owner: &str) -> Vec<Id> {
        let depends = |object: &Value| {
            let owners = list(object, "metadata.ownerReferences");
            owners
                .iter()
                .any(|reference| text(reference, "uid") == owner)
        };
        let dependents = self.objects.iter().filter(|(_, s)| depends(&s.object));
        dependents.map(|(id, _)| id.clone()).collect()
    }

    /// Takes a finalizer away, as its controller does.
    fn finalize(&mut self, id: &Id, finalizer: &str) {
        let Some(Stored { object, managers }) = self.objects.get(id).cloned() else {
            return;
        };
        let mut free = (*object).clone();
        let mut left = list(&free, "metadata.finalizers").to_vec();
        left.retain(|held| held != finalizer);
        put(&mut free, "metadata.finalizers", left);
        metadata::tidy(&mut free);
        self.commit_or_remove(id.clone(), free, managers);
    }

    /// Deletes all that lies in a namespace that ends, and then the namespace.
    fn end_namespaces(&mut self, now: Timestamp) {
        let ending: Vec<String> = self
            .all("namespaces")
            .filter(|namespace| !at(namespace, "metadata.deletionTimestamp").is_null())
            .map(|namespace| text(namespace, "metadata.name").to_owned())
            .collect();
        for name in ending {
            let within: Vec<(Id, bool)> = self
                .objects
                .iter()
                .filter(|(id, _)| id.namespace == name)
                .map(|(id, s)| {
                    (
                        id.clone(),
                        at(&s.object, "metadata.deletionTimestamp").is_null(),
                    )
                })
                .collect();
            if within.is_empty() {
                let id = Id::new("namespaces", "", &name);
                self.edit(&id, |namespace| {
                    put(namespace, "spec.finalizers", json!([]));
                });
                let is_held = self
                    .get(&id)
                    .is_some_and(|n| !list(n, "metadata.finalizers").is_empty());
                if !is_held {
                    self.remove(&id);
                }
            }
            for (id, _) in within.iter().filter(|(_, alive)| *alive) {
                self.delete_id(id, now);
            }
        }
    }

    /// Deletes an object as a controller does, with the object's own grace.
    pub fn delete_id(&mut self, id: &Id, now: Timestamp) {
        if let Some(path) = self.path(id) {
            self.call(&Request::new(Method::Delete, &path, Value::Null), now);
        }
    }

    /// The path of an object.
    pub fn path(&self, id: &Id) -> Option<String> {
        let kind = self.kinds.named(&id.resource)?;
        let root = if kind.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let namespace = if kind.namespaced {
            format!("/namespaces/{}", id.namespace)
        } else {
            String::new()
        };
        let version = kind.api_version();
        Some(format!(
            "{root}/{version}{namespace}/{}/{}",
            kind.plural, id.name
        ))
    }
}

/// The object without its reference to this owner.
fn forget(object: &mut Value, owner: &str) {
    let mut left = list(object, "metadata.ownerReferences").to_vec();
    left.retain(|reference| text(reference, "uid") != owner);
    put(object, "metadata.ownerReferences", left);
    metadata::tidy(object);
}
