//! What goes in and out of the fleet: facts, and orders that leave the executor no choice.

use std::{collections::BTreeMap, fmt};

use crate::{
    claim::{Claim, Creation, Slot, Status},
    cloud::{EniView, Instance, Refusal, Subnet, TypeFacts},
    cluster::{Class, NamespaceFacts, Node, NodeReport, Pod},
    id::{
        AttachmentId, ClaimUid, ClassName, ClusterId, EniId, InstanceId, InstanceType, Key,
        Namespace, NodeName, NodeUid, PodUid, SubnetId, Version,
    },
    reason::Note,
    report::{NodePatch, Report},
};

/// What a watch shows: everything at once, then one object at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change<K, T> {
    /// The whole list; what is not in it is gone.
    All(Vec<T>),
    /// One object as it now is.
    Set(Box<T>),
    /// One object is gone.
    Gone(K),
}

/// Something that became known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Pods that carry our label.
    Pods(Change<Key, Pod>),
    /// Nodes.
    Nodes(Change<NodeName, Node>),
    /// Namespaces.
    Namespaces(Change<Namespace, NamespaceFacts>),
    /// Classes.
    Classes(Change<ClassName, Class>),
    /// Claims; one made again under a name that was used before is another one.
    Claims(Change<(Key, ClaimUid), Claim>),
    /// Our node reports.
    Reports(Change<NodeName, NodeReport>),
    /// An order was carried out, or not.
    Done(Target, Outcome),
}

/// What an order is about; there is at most one order at a time for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A claim.
    Claim(Key),
    /// A pod that shall get a claim.
    Pod(Key),
    /// The report on a node.
    Report(NodeName),
    /// A node object.
    Node(NodeName),
    /// A question to EC2.
    Question(Topic),
    /// Events: any number at a time.
    Voice,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// ENIs.
    Enis,
    /// Instances.
    Instances,
    /// Instance types.
    Types,
    /// Subnets.
    Subnets,
}

/// One thing to do; the executor does it once and tells the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Order {
    /// Make a claim for a pod, with our finalizer on it.
    CreateClaim(NewClaim),
    /// Write the operator's part of the status at the version it was decided on, then say the notes.
    WriteClaim(ClaimWrite),
    /// Change the outside for a claim.
    Effect {
        /// The claim.
        claim: Key,
        /// UID of the object.
        uid: ClaimUid,
        /// The version that it was decided on.
        version: Version,
        /// What to do.
        effect: Effect,
    },
    /// Make the report object of a node.
    CreateReport {
        /// The node.
        node: NodeName,
        /// UID of the node, its owner.
        uid: NodeUid,
    },
    /// Write the operator's part of a report.
    WriteReport {
        /// The node.
        node: NodeName,
        /// What it shall say.
        report: Box<Report>,
    },
    /// Change a node object.
    PatchNode {
        /// The node.
        node: NodeName,
        /// The change.
        patch: NodePatch,
    },
    /// Publish an Event.
    Tell(Tell),
    /// Ask EC2.
    Ask(Question),
}

/// A claim to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewClaim {
    /// Namespace and name of the claim.
    pub claim: Key,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: PodUid,
    /// Its class.
    pub class: ClassName,
}

/// A status to be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimWrite {
    /// The claim.
    pub claim: Key,
    /// UID of the object.
    pub uid: ClaimUid,
    /// The version that it was decided on.
    pub version: Version,
    /// The operator's whole part.
    pub status: Box<Status>,
    /// Steps that this write reaches.
    pub tell: Vec<Tell>,
}

/// A change of the outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Put our finalizer on the claim.
    AddFinalizer,
    /// `CreateNetworkInterface` with this very request.
    Create(Box<Creation>),
    /// `AttachNetworkInterface`.
    Attach {
        /// The ENI.
        eni: EniId,
        /// The instance.
        instance: InstanceId,
        /// The slot.
        slot: Slot,
    },
    /// `ModifyNetworkInterfaceAttribute`: the ENI goes with the instance.
    SetDeleteOnTermination {
        /// The ENI.
        eni: EniId,
        /// Its attachment.
        attachment: AttachmentId,
    },
    /// `DetachNetworkInterface`.
    Detach {
        /// The ENI.
        eni: EniId,
        /// The attachment that was released.
        attachment: AttachmentId,
    },
    /// `DeleteNetworkInterface`.
    Delete {
        /// The ENI.
        eni: EniId,
    },
    /// Ask Kubernetes to delete the claim, whose pod is gone.
    DeleteClaim,
    /// Take our finalizer off: nothing of the claim is left in EC2.
    RemoveFinalizer,
}

/// The kind of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// [`Effect::AddFinalizer`].
    AddFinalizer,
    /// [`Effect::Create`].
    Create,
    /// [`Effect::Attach`].
    Attach,
    /// [`Effect::SetDeleteOnTermination`].
    SetDeleteOnTermination,
    /// [`Effect::Detach`].
    Detach,
    /// [`Effect::Delete`].
    Delete,
    /// [`Effect::DeleteClaim`].
    DeleteClaim,
    /// [`Effect::RemoveFinalizer`].
    RemoveFinalizer,
}

impl Effect {
    /// Its kind.
    pub fn action(&self) -> Action {
        match self {
            Self::AddFinalizer => Action::AddFinalizer,
            Self::Create(_) => Action::Create,
            Self::Attach { .. } => Action::Attach,
            Self::SetDeleteOnTermination { .. } => Action::SetDeleteOnTermination,
            Self::Detach { .. } => Action::Detach,
            Self::Delete { .. } => Action::Delete,
            Self::DeleteClaim => Action::DeleteClaim,
            Self::RemoveFinalizer => Action::RemoveFinalizer,
        }
    }
}

impl fmt::Display for Action {
    /// The AWS action, as IAM policies name it, or what is asked of Kubernetes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddFinalizer => "add the finalizer",
            Self::Create => "CreateNetworkInterface",
            Self::Attach => "AttachNetworkInterface",
            Self::SetDeleteOnTermination => "ModifyNetworkInterfaceAttribute",
            Self::Detach => "DetachNetworkInterface",
            Self::Delete => "DeleteNetworkInterface",
            Self::DeleteClaim => "delete the claim",
            Self::RemoveFinalizer => "remove the finalizer",
        })
    }
}

/// An Event to be published, once on each object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tell {
    /// The claim, with its UID.
    pub claim: Option<(Key, ClaimUid)>,
    /// The pod, with its UID.
    pub pod: Option<(Key, PodUid)>,
    /// What is said.
    pub note: Note,
}

/// A question to EC2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// Every ENI of this cluster.
    OurEnis {
        /// The cluster.
        cluster: ClusterId,
        /// How many facts were known when it was asked: its answer never replaces what was learnt since.
        asked: u64,
    },
    /// These ENIs, in one batch.
    Enis {
        /// The ENIs.
        ids: Vec<EniId>,
        /// How many facts were known when it was asked.
        asked: u64,
    },
    /// These instances.
    Instances(Vec<InstanceId>),
    /// These instance types.
    Types(Vec<InstanceType>),
    /// These subnets.
    Subnets(Vec<SubnetId>),
}

impl Question {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::OurEnis { .. } | Self::Enis { .. } => Topic::Enis,
            Self::Instances(_) => Topic::Instances,
            Self::Types(_) => Topic::Types,
            Self::Subnets(_) => Topic::Subnets,
        }
    }
}

impl Order {
    /// What it is about.
    pub fn target(&self) -> Target {
        match self {
            Self::CreateClaim(new) => Target::Pod(Key {
                namespace: new.claim.namespace.clone(),
                name: new.pod.clone(),
            }),
            Self::WriteClaim(write) => Target::Claim(write.claim.clone()),
            Self::Effect { claim, .. } => Target::Claim(claim.clone()),
            Self::CreateReport { node, .. } | Self::WriteReport { node, .. } => {
                Target::Report(node.clone())
            }
            Self::PatchNode { node, .. } => Target::Node(node.clone()),
            Self::Tell(_) => Target::Voice,
            Self::Ask(question) => Target::Question(question.topic()),
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done; the claim as the API server now has it.
    Claim(Box<Claim>),
    /// There is no such claim any more.
    ClaimGone,
    /// Done; the node report as the API server now has it.
    Report(Box<NodeReport>),
    /// Done; the node as the API server now has it.
    Node(Box<Node>),
    /// Kubernetes did not do it: a conflict, or no answer.
    Failed,
    /// EC2 refused, or did not answer.
    Refused(Box<Refusal>),
    /// EC2 made the ENI.
    Created(Box<EniView>),
    /// EC2 took the Attach and gave it this id.
    Attached(AttachmentId),
    /// EC2 took the change.
    Modified,
    /// EC2 took the Detach.
    Detached,
    /// EC2 deleted the ENI.
    Deleted,
    /// What EC2 knows of the ENIs that were asked for.
    Enis {
        /// The question.
        question: Box<Question>,
        /// Those that exist.
        found: Vec<EniView>,
    },
    /// What EC2 knows of these instances.
    Instances {
        /// Those asked for.
        asked: Vec<InstanceId>,
        /// Those that exist.
        found: Vec<Instance>,
    },
    /// What EC2 knows of these types.
    Types {
        /// Those asked for.
        asked: Vec<InstanceType>,
        /// Those that exist.
        found: BTreeMap<InstanceType, TypeFacts>,
    },
    /// What EC2 knows of these subnets.
    Subnets {
        /// Those asked for.
        asked: Vec<SubnetId>,
        /// Those that exist.
        found: Vec<Subnet>,
    },
}
