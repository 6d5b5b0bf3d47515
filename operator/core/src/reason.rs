//! What goes with a reason: the type of its Event, and the sentence for people.

use api::id::NodeName;
pub use api::reason::Reason;

/// Whether a reason is an Event, and of which type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Progress that the conditions show: no Event.
    Silent,
    /// A Normal Event.
    Normal,
    /// A Warning Event, repeated while it lasts.
    Warning,
}

impl Tone {
    /// That of a reason.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::Creating
            | Reason::Created
            | Reason::Attaching
            | Reason::Attached
            | Reason::Ready
            | Reason::Releasing
            | Reason::Detaching
            | Reason::Deleting
            | Reason::SearchingEni
            | Reason::PodTerminating
            | Reason::Resolved
            | Reason::VpcUnknown
            | Reason::Reading => Self::Silent,
            Reason::InUse
            | Reason::Available
            | Reason::WaitingForPod
            | Reason::NotScheduled
            | Reason::Queued
            | Reason::WaitingForSlot
            | Reason::GroupsChanged
            | Reason::LeaseChanged
            | Reason::Swept
            | Reason::WouldSweep => Self::Normal,
            Reason::Throttled
            | Reason::WaitingForAgent
            | Reason::ClassNotFound
            | Reason::NamespaceNotSelected
            | Reason::NotAnnotated
            | Reason::HostNetwork
            | Reason::WrongInterfaces
            | Reason::PersistentUnsupported
            | Reason::WrongCount
            | Reason::WriteRefused
            | Reason::ClaimNameTaken
            | Reason::NotServed
            | Reason::ClaimNotFound
            | Reason::ClaimUnusable
            | Reason::ClaimInUse
            | Reason::OtherZone
            | Reason::NodeUnsupported
            | Reason::NodeFull
            | Reason::ServicesUnknown
            | Reason::NoSubnetInZone
            | Reason::SubnetLacksFamily
            | Reason::SubnetNotFound
            | Reason::SubnetInOtherVpc
            | Reason::NoSubnetSelected
            | Reason::SecurityGroupNotFound
            | Reason::SecurityGroupInOtherVpc
            | Reason::NoSecurityGroupSelected
            | Reason::TooManySecurityGroups
            | Reason::SubnetFull
            | Reason::QuotaFull
            | Reason::Denied
            | Reason::NoCredentials
            | Reason::Refused
            | Reason::AwsUnavailable
            | Reason::WrongRegion
            | Reason::Unexpected
            | Reason::EniLost
            | Reason::AttachmentLost
            | Reason::AttachStuck
            | Reason::DetachStuck
            | Reason::Forgotten
            | Reason::DriftFound
            | Reason::RolloutHalted
            | Reason::SweepStopped
            | Reason::ClaimLost
            | Reason::LeaseLost
            | Reason::LeaseUnavailable
            | Reason::Unreadable => Self::Warning,
        }
    }
}

/// What a running pod has of it when its ENI or attachment goes, and the way out.
pub(crate) const RUNNING_STAYS_WITHOUT: &str = "A pod that runs already stays without one: delete the pod, and its successor gets an ENI of its own";

/// A reason with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    /// One word.
    pub reason: Reason,
    /// One sentence: what is so, and the way out.
    pub message: String,
}

impl Note {
    /// A reason with its sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Why a node cannot hold ENIs.
    pub(crate) fn unsupported(node: &NodeName, why: &str) -> Self {
        Self::new(
            Reason::NodeUnsupported,
            format!("node {node} cannot hold ENIs: {why}"),
        )
    }
}
