//! What the operator writes to Kubernetes.

use std::collections::BTreeMap;

use api::{
    ClaimStatus, ClassStatus, NodeStatus, SmolStr,
    id::{ClaimUid, ClassName, InterfaceName, NodeName, NodeUid, PodName, PodUid},
};

use super::Target;
use crate::{
    cluster::{Key, PodSource, Version},
    marks::PodWrite,
    uses::Persistent,
};

/// What is written to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// Make a claim that a pod asks for, with our finalizer on it.
    NewClaim(NewClaim),
    /// Write the operator's part of a status at the version it was decided on.
    Status(StatusWrite),
    /// Put our finalizer on a claim.
    AddFinalizer(ClaimRef),
    /// Take our finalizer off: nothing of the claim is left in EC2.
    RemoveFinalizer(ClaimRef),
    /// Delete a claim whose pod is gone.
    DeleteClaim(ClaimRef),
    /// Write on a pod what its ENIs are.
    Marks(Box<PodWrite>),
    /// Make the report object of a node.
    NewReport {
        /// The node.
        node: NodeName,
        /// UID of the node, its owner.
        uid: NodeUid,
    },
    /// Write the operator's part of a report.
    Report {
        /// The node.
        node: NodeName,
        /// What it shall say.
        status: Box<NodeStatus>,
    },
    /// Write what is said of a class.
    Class {
        /// The class.
        class: ClassName,
        /// UID of the object: one that was made again under its name is another one.
        uid: SmolStr,
        /// What it shall say.
        status: Box<ClassStatus>,
    },
    /// Change a node object.
    Node {
        /// The node.
        node: NodeName,
        /// The change.
        patch: NodePatch,
    },
}

/// A claim at the version that something was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimRef {
    /// The claim.
    pub key: Key,
    /// UID of the object.
    pub uid: ClaimUid,
    /// The version.
    pub version: Version,
}

/// A claim to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewClaim {
    /// Namespace and name of the claim.
    pub key: Key,
    /// Name of the pod that asks for it.
    pub pod: PodName,
    /// Its class.
    pub class: ClassName,
    /// How long it lasts.
    pub lasts: Lasts,
}

/// How long a new claim lasts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lasts {
    /// As long as the pod, which nobody else shares it with.
    Pod {
        /// The UID under which the runtime knows the pod.
        uid: PodUid,
        /// Who says that the pod runs.
        source: PodSource,
        /// Which of the pod's interfaces it is; none where the pod asks for none by name.
        interface: Option<InterfaceName>,
    },
    /// Longer: the next pods of its name use it as well.
    Beyond(Persistent),
}

/// A status to be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatusWrite {
    /// The claim, at the version that it was decided on.
    pub claim: ClaimRef,
    /// The operator's whole part.
    pub status: Box<ClaimStatus>,
}

/// A change of a node object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NodePatch {
    /// The resource in capacity and allocatable together.
    pub publish: Option<u32>,
    /// Class labels to set (true) and to remove (false).
    pub labels: BTreeMap<ClassName, bool>,
}

impl Object {
    /// What it is about.
    pub fn target(&self) -> Target {
        match self {
            Self::NewClaim(new) => {
                Target::Pod(Key::of(new.key.namespace.clone(), new.pod.as_str()))
            }
            Self::Status(StatusWrite { claim, .. })
            | Self::AddFinalizer(claim)
            | Self::RemoveFinalizer(claim)
            | Self::DeleteClaim(claim) => Target::Claim(claim.key.clone()),
            Self::Marks(write) => Target::Marks(write.key.clone()),
            Self::NewReport { node, .. } | Self::Report { node, .. } => {
                Target::Report(node.clone())
            }
            Self::Class { class, .. } => Target::Class(class.clone()),
            Self::Node { node, .. } => Target::Node(node.clone()),
        }
    }
}
