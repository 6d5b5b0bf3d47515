//! Watches: what changed since a version, as a selector sees it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Api, Cause, Refusal, Request,
    answer::shaped,
    json::put,
    list::selector,
    request::{Target, parameters},
    selector::Selector,
    store::Change,
};

/// How often a watch that asked for bookmarks gets one.
const BOOKMARK: SignedDuration = SignedDuration::from_mins(1);
/// How long a watch lasts that did not say it; the real server draws from 30 to 60 minutes.
const LONGEST: SignedDuration = SignedDuration::from_mins(45);

/// An open watch.
#[derive(Debug)]
pub struct Watch {
    resource: String,
    kind: String,
    api_version: String,
    namespace: String,
    selector: Selector,
    accept: String,
    /// Everything up to this version was shown.
    seen: u64,
    epoch: u64,
    /// What it begins with.
    first: Vec<Value>,
    ends: Timestamp,
    bookmark: Option<Timestamp>,
    /// The connection is dead, and nobody noticed.
    is_dead: bool,
}

/// What a watch has to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// Events, in their order.
    pub events: Vec<Value>,
    /// Whether the stream ends after them.
    pub ended: bool,
}

impl Watch {
    /// When it has to be looked at again although nothing changed.
    pub fn wakes(&self) -> Timestamp {
        self.bookmark.map_or(self.ends, |at| at.min(self.ends))
    }

    fn shows(&self, object: &Value) -> bool {
        self.selector.selects(object)
    }

    fn event(&self, kind: &str, object: &Value) -> Value {
        json!({ "type": kind, "object": shaped(object.clone(), &self.accept) })
    }

    /// What a change looks like through the selector.
    fn see(&self, change: &Change) -> Option<Value> {
        let (before, after) = (change.before.as_deref(), change.after.as_deref());
        let was = before.is_some_and(|object| self.shows(object));
        match after.filter(|object| self.shows(object)) {
            Some(after) => Some(self.event(if was { "MODIFIED" } else { "ADDED" }, after)),
            // It is shown as it was when it was last seen, under the version at which it went.
            None => before.filter(|_| was).map(|before| {
                let mut gone = before.clone();
                put(
                    &mut gone,
                    "metadata.resourceVersion",
                    change.version.to_string(),
                );
                self.event("DELETED", &gone)
            }),
        }
    }

    fn bookmark(&self, version: u64, is_initial_end: bool) -> Value {
        let mut object = json!({
            "kind": self.kind, "apiVersion": self.api_version,
            "metadata": { "resourceVersion": version.to_string(), "creationTimestamp": null },
        });
        if is_initial_end {
            put(
                &mut object,
                "metadata.annotations",
                json!({ "k8s.io/initial-events-end": "true" }),
            );
        }
        json!({ "type": "BOOKMARK", "object": object })
    }
}

impl Api {
    /// Opens a watch.
    pub fn watch(&mut self, request: &Request, now: Timestamp) -> Result<Watch, Refusal> {
        let kinds = self.kinds.clone();
        let target = Target::parse(&kinds, &request.path)?;
        let query = parameters(&request.query);
        let is_dead = match self.failures.strike(request.method, target) {
            Some(failure) if failure.how == crate::How::DeadWatch => true,
            Some(failure) => match failure.how.refusal(target) {
                Some(refusal) => return Err(refusal),
                None => false,
            },
            None => false,
        };
        let flag = |name: &str| query.get(name).is_some_and(|v| v == "true" || v == "1");
        let asked = query
            .get("resourceVersion")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0_u64);
        let initial = flag("sendInitialEvents");
        if initial
            && query
                .get("resourceVersionMatch")
                .is_none_or(|m| m != "NotOlderThan")
        {
            return Err(Refusal::options(
                "ListOptions",
                &Cause::forbidden(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ),
            ));
        }
        let lasts = query.get("timeoutSeconds").and_then(|v| v.parse().ok());
        let mut watch = Watch {
            resource: target.kind.resource(),
            kind: target.kind.kind.clone(),
            api_version: target.kind.api_version(),
            namespace: target.namespace.to_owned(),
            selector: selector(target, &query)?,
            accept: request.accept.clone(),
            seen: asked,
            epoch: self.epoch,
            first: Vec::new(),
            ends: now + lasts.map_or(LONGEST, SignedDuration::from_secs),
            bookmark: flag("allowWatchBookmarks").then(|| now + BOOKMARK),
            is_dead,
        };
        if asked == 0 || initial {
            let held = self.stored(&watch.resource).filter(|(id, stored)| {
                (watch.namespace.is_empty() || id.namespace == watch.namespace)
                    && watch.shows(&stored.object)
            });
            watch.first = held.map(|(_, s)| watch.event("ADDED", &s.object)).collect();
            watch.seen = self.version;
        }
        if initial && watch.bookmark.is_some() {
            watch.first.push(watch.bookmark(self.version, true));
        }
        Ok(watch)
    }

    /// What the watch has to show now.
    pub fn poll(&self, watch: &mut Watch, now: Timestamp) -> Shown {
        if watch.is_dead {
            return Shown::default();
        }
        if watch.epoch != self.epoch {
            return Shown {
                events: Vec::new(),
                ended: true,
            };
        }
        let mut events = std::mem::take(&mut watch.first);
        if watch.seen < self.compacted {
            let message = format!(
                "too old resource version: {} ({})",
                watch.seen, self.compacted
            );
            events.push(json!({ "type": "ERROR", "object": Refusal::expired(message).status() }));
            return Shown {
                events,
                ended: true,
            };
        }
        let from = self
            .log
            .partition_point(|change| change.version <= watch.seen);
        let new = self.log.range(from..).filter(|change| {
            change.id.resource == watch.resource
                && (watch.namespace.is_empty() || change.id.namespace == watch.namespace)
        });
        events.extend(new.filter_map(|change| watch.see(change)));
        watch.seen = watch.seen.max(self.version);
        let ended = now >= watch.ends;
        if watch.bookmark.is_some_and(|at| ended || now >= at) {
            // A watch from a version that the server has not reached gets none.
            if watch.seen <= self.version {
                events.push(watch.bookmark(watch.seen, false));
            }
            watch.bookmark = Some(now + BOOKMARK);
        }
        Shown { events, ended }
    }
}
