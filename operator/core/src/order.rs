//! What comes out of the fleet: orders that leave the executor no choice.

mod effect;
mod object;

use api::{
    SmolStr, Time,
    class::Tags,
    id::{
        ClaimUid, ClassName, EniId, InstanceId, InstanceType, NodeName, NodeUid, PodUid,
        SecurityGroupId, SubnetId,
    },
};

pub use self::{
    effect::{Action, DetachMode, Effect},
    object::{ClaimRef, Lasts, NewClaim, NodePatch, Object, StatusWrite},
};
use crate::{cluster::Key, reason::Note};

/// What an order is about; there is at most one order at a time for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A claim, its ENI included.
    Claim(Key),
    /// An ENI that no claim names.
    Orphan(EniId),
    /// A pod that shall get a claim.
    Pod(Key),
    /// What the object of a pod says of its ENIs.
    Marks(Key),
    /// A node object.
    Node(NodeName),
    /// The report on a node.
    Report(NodeName),
    /// What is said of a class.
    Class(ClassName),
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
    /// Security groups.
    Groups,
}

impl Topic {
    /// Every topic, in the order in which those that are due together are read.
    pub const ALL: [Self; 8] = [
        Self::Listing,
        Self::Enis,
        Self::Eni,
        Self::Tagged,
        Self::Instances,
        Self::Types,
        Self::Subnets,
        Self::Groups,
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
    /// Subnets.
    Subnets(Lookup<SubnetId>),
    /// Security groups.
    Groups(Lookup<SecurityGroupId>),
    /// A pod, by a GET: a watch with a selector does not tell a deleted pod from one that lost its label.
    Pod(Key),
}

/// What is looked for of one kind: what does not exist is left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lookup<T> {
    /// These.
    pub ids: Vec<T>,
    /// For each of these, all that carry these tags.
    pub tags: Vec<Tags>,
}

impl<T> Lookup<T> {
    /// What is looked for by id alone.
    pub fn by_id(ids: Vec<T>) -> Self {
        Self {
            ids,
            tags: Vec::new(),
        }
    }

    /// How many calls it takes when one filter takes so many values.
    pub fn calls(&self, values: usize) -> usize {
        self.ids.len().div_ceil(values) + self.tags.len()
    }
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
            Self::Groups(_) => Topic::Groups,
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
            Self::Groups(_) => Some(Action::DescribeSecurityGroups),
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
