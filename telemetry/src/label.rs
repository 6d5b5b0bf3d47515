//! The labels of metrics: one name for one thing, in every program.

/// Name of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// An action of the EC2 API.
    Action,
    /// A command of the CNI.
    Command,
    /// A node.
    Node,
    /// A Kubernetes kind.
    Object,
    /// How something ended.
    Outcome,
    /// Phase of a claim.
    Phase,
    /// Reason of an Event.
    Reason,
    /// Stage of a claim.
    Stage,
    /// A subnet.
    Subnet,
    /// A version.
    Version,
    /// A zone.
    Zone,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 11] = [
        Self::Action,
        Self::Command,
        Self::Node,
        Self::Object,
        Self::Outcome,
        Self::Phase,
        Self::Reason,
        Self::Stage,
        Self::Subnet,
        Self::Version,
        Self::Zone,
    ];

    /// As Prometheus has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Command => "command",
            Self::Node => "node",
            Self::Object => "object",
            Self::Outcome => "outcome",
            Self::Phase => "phase",
            Self::Reason => "reason",
            Self::Stage => "stage",
            Self::Subnet => "subnet",
            Self::Version => "version",
            Self::Zone => "zone",
        }
    }

    /// What its values are.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Action => {
                "An action of the EC2 API as IAM policies spell it, for example CreateNetworkInterface."
            }
            Self::Command => {
                "A command of the CNI: ADD, CHECK or DEL; IPAM where it asks for addresses alone."
            }
            Self::Node => "Name of a node.",
            Self::Object => "A Kubernetes kind as manifests spell it, for example EniClaim.",
            Self::Outcome => "How it ended, in the words of the table of outcomes.",
            Self::Phase => "status.phase of a claim.",
            Self::Reason => "Reason of an Event, as in events.md.",
            Self::Stage => {
                "How far a claim is: created (EC2 made the ENI), attached, ready (the pod has its interface)."
            }
            Self::Subnet => "Id of a subnet.",
            Self::Version => "Version of the program.",
            Self::Zone => "Name of an availability zone.",
        }
    }
}
