//! Which claims a pod uses, as its annotations say.

use api::{SmolStr, interfaces::NotInterfaces, persistent::NotPersistent};

/// Which claims a pod uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Uses {
    /// Claims of its own, which are made for it and go with it.
    Own,
    /// The claim of this name, which somebody made in its namespace.
    Named(SmolStr),
    /// The claim of its own name, which is made where there is none.
    Persistent(Persistent),
}

/// How long a claim lasts that is named as the pods of a `StatefulSet` that use it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Persistent {
    /// Until somebody deletes it.
    Retain,
    /// Until Kubernetes deletes it with this set, or somebody before.
    Delete(Box<StatefulSet>),
}

/// A `StatefulSet`, as its pods name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatefulSet {
    /// `apps/v1`, say.
    pub api_version: SmolStr,
    /// Its name, in the namespace of its pods.
    pub name: SmolStr,
    /// UID of the object: a set that is made again is another one.
    pub uid: SmolStr,
}

/// Why the annotations of a pod ask for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// That of several interfaces.
    #[error(transparent)]
    Interfaces(#[from] NotInterfaces),
    /// That of a claim which outlives the pod.
    #[error(transparent)]
    Persistent(#[from] NotPersistent),
}
