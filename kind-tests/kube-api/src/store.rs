//! All objects, their versions, and what happened to them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Kind, Kinds, Refusal,
    failure::Failures,
    json::{at, list, put, text},
    managers::Managers,
};

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Resource with its group, such as `eniclaims.eniclaim.io`.
    pub resource: String,
    /// Empty for what lies in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object and who manages its fields.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) object: Arc<Value>,
    pub(crate) managers: Managers,
}

/// One change, as watches show it.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) id: Id,
    pub(crate) before: Option<Arc<Value>>,
    /// None: it was deleted.
    pub(crate) after: Option<Arc<Value>>,
}

/// An API server with its database.
#[derive(Debug)]
pub struct Api {
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) objects: BTreeMap<Id, Stored>,
    pub(crate) log: VecDeque<Change>,
    pub(crate) version: u64,
    /// Versions up to this one are forgotten.
    pub(crate) compacted: u64,
    /// Counts restores: a watch of before ends.
    pub(crate) epoch: u64,
    /// UIDs and generated names come from it; it never goes back.
    made: u64,
    /// What shall go wrong.
    pub failures: Failures,
}

/// The database at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    objects: BTreeMap<Id, Stored>,
    version: u64,
}

impl Id {
    /// An object by the resource with its group, its namespace and its name.
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl Api {
    /// An empty server for these kinds.
    pub fn new(kinds: Arc<Kinds>) -> Self {
        Self {
            kinds,
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            version: 1,
            compacted: 0,
            epoch: 0,
            made: 0,
            failures: Failures::default(),
        }
    }

    /// The kinds it serves.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The version of the whole.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// One object as it stands.
    pub fn get(&self, id: &Id) -> Option<&Value> {
        self.objects.get(id).map(|stored| &*stored.object)
    }

    /// All objects of a resource, by namespace and name.
    pub fn all<'a>(&'a self, resource: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.stored(resource).map(|(_, stored)| &*stored.object)
    }

    pub(crate) fn stored<'a>(
        &'a self,
        resource: &str,
    ) -> impl Iterator<Item = (&'a Id, &'a Stored)> + use<'a> {
        let resource = resource.to_owned();
        self.objects
            .range(Id::new(&resource, "", "")..)
            .take_while(move |(id, _)| id.resource == resource)
    }

    /// Changes an object past all rules, as a component does whose requests are not the point.
    pub fn edit(&mut self, id: &Id, change: impl FnOnce(&mut Value)) {
        let Some(Stored { object, managers }) = self.objects.get(id).cloned() else {
            return;
        };
        let mut changed = (*object).clone();
        change(&mut changed);
        if changed != *object {
            self.commit(id.clone(), changed, managers);
        }
    }

    /// Everything as it stands now, for a later [`Api::restore`].
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            objects: self.objects.clone(),
            version: self.version,
        }
    }

    /// A backup is restored: objects and versions go back, nothing of before can be watched, and open watches end.
    pub fn restore(&mut self, snapshot: Snapshot) {
        self.objects = snapshot.objects;
        self.version = snapshot.version;
        self.compacted = snapshot.version;
        self.log.clear();
        self.epoch += 1;
    }

    /// Forgets what happened until now: who watches from an older version is told so.
    pub fn compact(&mut self) {
        self.log.clear();
        self.compacted = self.version;
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Stores an object under the next version.
    pub(crate) fn commit(&mut self, id: Id, mut object: Value, managers: Managers) -> Value {
        self.version += 1;
        put(
            &mut object,
            "metadata.resourceVersion",
            self.version.to_string(),
        );
        put(&mut object, "metadata.managedFields", managers.as_json());
        let after = Arc::new(object.clone());
        let stored = Stored {
            object: after.clone(),
            managers,
        };
        let before = self.objects.insert(id.clone(), stored).map(|s| s.object);
        self.log.push_back(Change {
            version: self.version,
            id,
            before,
            after: Some(after),
        });
        object
    }

    /// Stores a changed object, or removes it where it was deleted and nothing holds it any more.
    pub(crate) fn commit_or_remove(&mut self, id: Id, object: Value, managers: Managers) -> Value {
        let is_held = !list(&object, "metadata.finalizers").is_empty()
            || !list(&object, "spec.finalizers").is_empty() && id.resource == "namespaces"
            || at(&object, "metadata.deletionGracePeriodSeconds")
                .as_u64()
                .unwrap_or(0)
                > 0;
        if at(&object, "metadata.deletionTimestamp").is_null() || is_held {
            return self.commit(id, object, managers);
        }
        self.remove(&id);
        object
    }

    /// Removes an object; watches show it as it was stored last.
    pub(crate) fn remove(&mut self, id: &Id) {
        let Some(stored) = self.objects.remove(id) else {
            return;
        };
        self.version += 1;
        self.log.push_back(Change {
            version: self.version,
            id: id.clone(),
            before: Some(stored.object),
            after: None,
        });
    }

    /// Whether something new may be made there.
    pub(crate) fn check_namespace(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        if !kind.namespaced {
            return Ok(());
        }
        let id = Id::new("namespaces", "", namespace);
        match (self.get(&id), self.kinds.named("namespaces")) {
            (Some(held), _) if at(held, "metadata.deletionTimestamp").is_null() => Ok(()),
            (Some(_), _) => Err(Refusal::terminating(kind, name, namespace)),
            (None, Some(namespaces)) => Err(Refusal::not_found(namespaces, namespace)),
            (None, None) => Ok(()),
        }
    }

    pub(crate) fn new_uid(&mut self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.next_number())
    }
}

/// The version that an object says it has; none if it says none.
pub(crate) fn version_of(object: &Value) -> Option<&str> {
    Some(text(object, "metadata.resourceVersion")).filter(|version| !version.is_empty())
}

/// RFC 3339 with whole seconds, as metadata has it.
pub(crate) fn stamp(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

/// A `Status` of success, about an object.
pub(crate) fn done(kind: &Kind, name: &str, uid: &str) -> Value {
    let mut details = json!({ "name": name, "kind": kind.plural, "uid": uid });
    if !kind.group.is_empty() {
        put(&mut details, "group", kind.group.clone());
    }
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    })
}
