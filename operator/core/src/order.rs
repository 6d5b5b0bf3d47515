//! What comes out of the fleet: orders that leave the executor no choice.

use std::{collections::BTreeMap, fmt};

use api::{
    ClaimStatus, NodeStatus, SmolStr, Time,
    id::{
        AttachmentId, ClaimUid, ClassName, EniId, InstanceId, InstanceType, NodeName, NodeUid,
        PodName, PodUid, Slot, SubnetId,
    },
};

use crate::{
    claim::Creation,
    cluster::{Key, PodSource, Version},
    reason::Note,
};

/// What an order is about; there is at most one order at a time for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A claim, its ENI included.
    Claim(Key),
    /// An ENI that no claim names.
    Orphan(EniId),
    /// A pod that shall get a claim.
    Pod(Key),
    /// A node object.
    Node(NodeName),
    /// The report on a node.
    Report(NodeName),
    /// A direct read of a pod.
    PodRead(Key),
    /// A read of EC2.
    Read(Topic),
}

/// What a read of EC2 is about; one of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Every ENI of this cluster.
    Listing,
    /// ENIs that somebody waits for.
    Enis,
    /// ENIs by the UID of their claim.
    Tagged,
    /// One ENI by its id.
    Eni,
    /// Instances.
    Instances,
    /// Instance types.
    Types,
    /// Subnets.
    Subnets,
}

impl Topic {
    /// Every topic, in the order in which those that are due together are read.
    pub const ALL: [Self; 7] = [
        Self::Listing,
        Self::Enis,
        Self::Eni,
        Self::Tagged,
        Self::Instances,
        Self::Types,
        Self::Subnets,
    ];
}

/// One thing to do; the executor does it once and reports the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Order {
    /// Change EC2.
    Ec2(Ec2Order),
    /// Write to Kubernetes.
    Write(Write),
    /// Read EC2, or a pod.
    Read(Read),
    /// Publish an Event; nothing waits for it.
    Publish(Event),
}

/// A change of EC2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ec2Order {
    /// What it is about.
    pub target: Target,
    /// What to do.
    pub effect: Effect,
    /// The call must have ended by then: another process may lead afterwards.
    pub not_after: Time,
}

/// A write to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Write {
    /// What to write.
    pub object: Object,
    /// It must not begin after that: another process may lead afterwards.
    pub not_after: Time,
}

/// What is written to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// Make a claim for a pod, with our finalizer on it.
    NewClaim(NewClaim),
    /// Write the operator's part of a status at the version it was decided on.
    Status(StatusWrite),
    /// Put our finalizer on a claim.
    AddFinalizer(ClaimRef),
    /// Take our finalizer off: nothing of the claim is left in EC2.
    RemoveFinalizer(ClaimRef),
    /// Delete a claim whose pod is gone.
    DeleteClaim(ClaimRef),
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
    /// Name of the pod.
    pub pod: PodName,
    /// The UID under which the runtime knows the pod.
    pub uid: PodUid,
    /// Who says that the pod runs.
    pub source: PodSource,
    /// Its class.
    pub class: ClassName,
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

/// A change of EC2. Destructive ones name ids that nobody uses any more, so a late one harms nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
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
        /// Whether the instance is asked.
        mode: DetachMode,
    },
    /// `DeleteNetworkInterface`.
    Delete {
        /// The ENI.
        eni: EniId,
    },
}

/// How a Detach is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetachMode {
    /// The instance gives the device up.
    Normal,
    /// It is taken from an instance that does not answer; the device index may be unusable until it is stopped.
    Force,
}

/// An action of the EC2 API, as IAM policies and throttling name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `CreateNetworkInterface`.
    CreateNetworkInterface,
    /// `AttachNetworkInterface`.
    AttachNetworkInterface,
    /// `ModifyNetworkInterfaceAttribute`.
    ModifyNetworkInterfaceAttribute,
    /// `DetachNetworkInterface`.
    DetachNetworkInterface,
    /// `DeleteNetworkInterface`.
    DeleteNetworkInterface,
    /// `DescribeNetworkInterfaces`.
    DescribeNetworkInterfaces,
    /// `DescribeInstances`.
    DescribeInstances,
    /// `DescribeInstanceTypes`.
    DescribeInstanceTypes,
    /// `DescribeSubnets`.
    DescribeSubnets,
}

impl Action {
    /// Every action that is called.
    pub const ALL: [Self; 9] = [
        Self::CreateNetworkInterface,
        Self::AttachNetworkInterface,
        Self::ModifyNetworkInterfaceAttribute,
        Self::DetachNetworkInterface,
        Self::DeleteNetworkInterface,
        Self::DescribeNetworkInterfaces,
        Self::DescribeInstances,
        Self::DescribeInstanceTypes,
        Self::DescribeSubnets,
    ];

    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateNetworkInterface => "CreateNetworkInterface",
            Self::AttachNetworkInterface => "AttachNetworkInterface",
            Self::ModifyNetworkInterfaceAttribute => "ModifyNetworkInterfaceAttribute",
            Self::DetachNetworkInterface => "DetachNetworkInterface",
            Self::DeleteNetworkInterface => "DeleteNetworkInterface",
            Self::DescribeNetworkInterfaces => "DescribeNetworkInterfaces",
            Self::DescribeInstances => "DescribeInstances",
            Self::DescribeInstanceTypes => "DescribeInstanceTypes",
            Self::DescribeSubnets => "DescribeSubnets",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Effect {
    /// The action that carries it out.
    pub fn action(&self) -> Action {
        match self {
            Self::Create(_) => Action::CreateNetworkInterface,
            Self::Attach { .. } => Action::AttachNetworkInterface,
            Self::SetDeleteOnTermination { .. } => Action::ModifyNetworkInterfaceAttribute,
            Self::Detach { .. } => Action::DetachNetworkInterface,
            Self::Delete { .. } => Action::DeleteNetworkInterface,
        }
    }

    /// The ENI that it changes; none for one that does not exist yet.
    pub fn eni(&self) -> Option<&EniId> {
        match self {
            Self::Create(_) => None,
            Self::Attach { eni, .. }
            | Self::SetDeleteOnTermination { eni, .. }
            | Self::Detach { eni, .. }
            | Self::Delete { eni } => Some(eni),
        }
    }
}

/// A read that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Read {
    /// Every ENI that carries this value of `eniclaim.io/cluster`, page by page.
    Listing(String),
    /// These ENIs, by filter: what does not exist is left out.
    Enis(Vec<EniId>),
    /// ENIs whose tag `eniclaim.io/claim-uid` has one of these values.
    Tagged(Vec<ClaimUid>),
    /// One ENI by its id: the only read whose `NotFound` proves that it does not exist.
    Eni(EniId),
    /// These instances, by filter.
    Instances(Vec<InstanceId>),
    /// These instance types.
    Types(Vec<InstanceType>),
    /// These subnets, by filter.
    Subnets(Vec<SubnetId>),
    /// A pod, by a GET: a watch with a selector does not tell a deleted pod from one that lost its label.
    Pod(Key),
}

impl Read {
    /// What it is about.
    pub fn target(&self) -> Target {
        Target::Read(match self {
            Self::Listing(_) => Topic::Listing,
            Self::Enis(_) => Topic::Enis,
            Self::Tagged(_) => Topic::Tagged,
            Self::Eni(_) => Topic::Eni,
            Self::Instances(_) => Topic::Instances,
            Self::Types(_) => Topic::Types,
            Self::Subnets(_) => Topic::Subnets,
            Self::Pod(key) => return Target::PodRead(key.clone()),
        })
    }

    /// The action of EC2 that carries it out; none for a read of Kubernetes.
    pub fn action(&self) -> Option<Action> {
        match self {
            Self::Listing(_) | Self::Enis(_) | Self::Tagged(_) | Self::Eni(_) => {
                Some(Action::DescribeNetworkInterfaces)
            }
            Self::Instances(_) => Some(Action::DescribeInstances),
            Self::Types(_) => Some(Action::DescribeInstanceTypes),
            Self::Subnets(_) => Some(Action::DescribeSubnets),
            Self::Pod(_) => None,
        }
    }
}

/// The object that an Event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// A pod.
    Pod(Key, PodUid),
    /// A claim.
    Claim(Key, ClaimUid),
    /// A class.
    Class(ClassName, String),
    /// A node.
    Node(NodeName, NodeUid),
    /// A node report.
    Report(NodeName, String),
    /// All of the cluster, by the UID of its namespace kube-system.
    Cluster(SmolStr),
}

/// An Event to be published: again on the same object with the same reason it is counted up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// The object.
    pub about: About,
    /// What it says.
    pub note: Note,
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
            Self::NewReport { node, .. } | Self::Report { node, .. } => {
                Target::Report(node.clone())
            }
            Self::Node { node, .. } => Target::Node(node.clone()),
        }
    }
}
