//! Every reason that a person may read, in a condition or an Event.

use std::fmt;

use api::id::NodeName;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $tone:ident),+ $(,)?) => {
        /// One word for a condition or an Event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name),+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As people and programs read it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// Whether it is an Event, and of which type.
            pub fn tone(self) -> Tone {
                match self { $(Self::$name => Tone::$tone),+ }
            }
        }
    };
}

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

reasons! {
    /// The ENI is being created.
    Creating = Silent,
    /// EC2 made the ENI.
    Created = Silent,
    /// The ENI is being attached.
    Attaching = Silent,
    /// The ENI is attached.
    Attached = Silent,
    /// The pod has its interface.
    Ready = Silent,
    /// The claim is being deleted while its pod uses it.
    InUse = Normal,
    /// The device is on its way back to the host.
    Releasing = Silent,
    /// The ENI is being detached.
    Detaching = Silent,
    /// The ENI is being deleted.
    Deleting = Silent,
    /// EC2 is searched for an ENI that an unanswered request may have made.
    SearchingEni = Silent,
    /// The pod is not scheduled.
    NotScheduled = Normal,
    /// The pod is being deleted: nothing new is begun for it.
    PodTerminating = Silent,
    /// The operator has not read everything that it needs.
    Reading = Silent,
    /// A place in the queue for EC2's request rate is awaited.
    Queued = Normal,
    /// EC2 wants fewer calls.
    Throttled = Warning,
    /// A slot of the node becomes free as soon as another ENI has left.
    WaitingForSlot = Normal,
    /// The node's agent has not done its part.
    WaitingForAgent = Warning,
    /// The label names a class that does not exist.
    ClassNotFound = Warning,
    /// The class is not for this namespace.
    NamespaceNotSelected = Warning,
    /// The pod has the label and not the annotation.
    NotAnnotated = Warning,
    /// The pod has no network of its own.
    HostNetwork = Warning,
    /// The pod's limits count another number of ENIs than it gets.
    WrongCount = Warning,
    /// The API server refuses a write of the claim, the node or its EniNode.
    WriteRefused = Warning,
    /// The name of the pod's claim is taken by another claim.
    ClaimNameTaken = Warning,
    /// The claim is not the one that the operator made for the pod.
    NotServed = Warning,
    /// The node has no EC2 instance that can hold an ENI.
    NodeUnsupported = Warning,
    /// The node has no free slot.
    NodeFull = Warning,
    /// No subnet of the class lies in the node's zone.
    NoSubnetInZone = Warning,
    /// A subnet of the class does not exist.
    SubnetNotFound = Warning,
    /// The subnets of the class have no free address.
    SubnetFull = Warning,
    /// The account may have no more ENIs.
    QuotaFull = Warning,
    /// AWS does not allow the call.
    Denied = Warning,
    /// AWS does not take the credentials, the region or the clock.
    NoCredentials = Warning,
    /// AWS refuses the request as it is.
    Refused = Warning,
    /// AWS does not answer.
    AwsUnavailable = Warning,
    /// The region or account does not know the claim's subnet.
    WrongRegion = Warning,
    /// EC2 is in a state that we did not expect.
    Unexpected = Warning,
    /// EC2 does not know the ENI any more.
    EniLost = Warning,
    /// Somebody else detached the ENI.
    AttachmentLost = Warning,
    /// The ENI has been attaching for too long.
    AttachStuck = Warning,
    /// The ENI has been detaching for too long.
    DetachStuck = Warning,
    /// An ENI was forgotten on a person's word.
    Forgotten = Warning,
    /// An ENI that no claim owns was deleted.
    Swept = Normal,
    /// An ENI that no claim owns would be deleted.
    WouldSweep = Normal,
    /// Too many ENIs without a claim at once: nothing is deleted.
    SweepStopped = Warning,
    /// The object does not fit the types of this version.
    Unreadable = Warning,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
