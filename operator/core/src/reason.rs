//! Every reason that a person may read, in a condition or an Event.

use std::fmt;

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

            /// How it is said.
            pub fn tone(self) -> Tone {
                match self { $(Self::$name => Tone::$tone),+ }
            }
        }
    };
}

/// How a reason is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// A step of the way: an Event when it is reached, never repeated.
    Step,
    /// Somebody waits, and it passes by itself: a Normal Event while it lasts.
    Waits,
    /// Somebody waits, and perhaps for ever: a Warning Event while it lasts.
    Warns,
}

reasons! {
    /// The ENI is being created.
    Creating = Step,
    /// EC2 made the ENI.
    Created = Step,
    /// The ENI is being attached.
    Attaching = Step,
    /// The ENI is attached.
    Attached = Step,
    /// The pod has its interface.
    Ready = Step,
    /// The device is on its way home.
    Releasing = Step,
    /// The agent gave the device back.
    Released = Step,
    /// The ENI is being detached.
    Detaching = Step,
    /// The ENI is being deleted.
    Deleting = Step,
    /// The pod is not scheduled.
    NotScheduled = Waits,
    /// The operator has not read everything that it needs.
    Reading = Waits,
    /// EC2 wants fewer calls.
    Throttled = Waits,
    /// The node's agent has not done its part.
    WaitingForAgent = Warns,
    /// The label names a class that does not exist.
    ClassNotFound = Warns,
    /// The class is not for this namespace.
    NamespaceNotSelected = Warns,
    /// The pod has the label and not the annotation.
    NotAnnotated = Warns,
    /// The pod has no network of its own.
    HostNetwork = Warns,
    /// The node has no EC2 instance that can hold an ENI.
    NodeUnsupported = Warns,
    /// The node has no free slot.
    NodeFull = Warns,
    /// No subnet of the class lies in the node's zone.
    NoSubnetInZone = Warns,
    /// A subnet of the class does not exist.
    SubnetNotFound = Warns,
    /// The subnets of the class have no free address.
    SubnetFull = Warns,
    /// The account may have no more ENIs.
    QuotaFull = Warns,
    /// AWS does not allow the call.
    Denied = Warns,
    /// AWS knows neither us nor where to call.
    NoCredentials = Warns,
    /// AWS refuses the request as it is.
    Refused = Warns,
    /// AWS does not answer.
    AwsUnavailable = Warns,
    /// EC2 is in a state that we did not expect.
    Unexpected = Warns,
    /// EC2 does not know the ENI any more.
    EniLost = Warns,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Reason {
    /// The reason of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
    }
}

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
}
