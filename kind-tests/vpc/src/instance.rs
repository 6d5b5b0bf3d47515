//! Instances, and what their types can hold.

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{Cidr, Ec2Error, Eni, Event, GroupId, InstanceId, Subnet, SubnetId, Transition};

/// What an instance type can hold.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct InstanceType {
    /// Its name.
    pub name: &'static str,
    /// Interfaces of each network card; the primary one counts on card 0.
    pub cards: &'static [u32],
    /// Addresses of each family that one interface has at most; a prefix takes the place of one.
    pub addresses: u32,
}

/// The types of this world. Figures from
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html>; of each card in
/// <https://github.com/aws/amazon-vpc-cni-k8s/blob/master/pkg/vpc/vpc_ip_resource_limit.go>.
pub const INSTANCE_TYPES: &[InstanceType] = &[
    InstanceType {
        name: "m5.large",
        cards: &[3],
        addresses: 10,
    },
    InstanceType {
        name: "m5.4xlarge",
        cards: &[8],
        addresses: 30,
    },
    InstanceType {
        name: "c6in.32xlarge",
        cards: &[7, 7],
        addresses: 50,
    },
    InstanceType {
        name: "p4d.24xlarge",
        cards: &[15; 4],
        addresses: 50,
    },
    InstanceType {
        name: "trn1.32xlarge",
        cards: &[5; 8],
        addresses: 50,
    },
    InstanceType {
        name: "p5.48xlarge",
        cards: &[2; 32],
        addresses: 50,
    },
];

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// What people call it.
    pub name: String,
    /// Its type.
    #[serde(with = "by_name")]
    pub kind: &'static InstanceType,
    /// The subnet of its primary interface.
    pub subnet: SubnetId,
    /// Entries of the network's route table that point at its primary interface.
    pub routes: Vec<Cidr>,
    /// Where it is between its start and its end.
    pub state: InstanceState,
}

/// Where an instance is between its start and its end. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InstanceState {
    /// It was stopped and starts.
    Pending {
        /// When it runs.
        due_ms: u64,
    },
    /// It runs.
    Running,
    /// It is about to be stopped.
    Stopping {
        /// When it is.
        due_ms: u64,
    },
    /// It does not run, keeps its interfaces, and can be started.
    Stopped,
    /// It is about to be terminated, and still has its interfaces.
    ShuttingDown {
        /// When it is terminated.
        due_ms: u64,
    },
    /// It is gone for good, and still described.
    Terminated {
        /// Until when.
        due_ms: u64,
    },
}

/// An instance as it is described.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceView {
    /// The instance.
    pub instance: Instance,
    /// The subnet that it was launched in.
    pub home: Subnet,
    /// Its interfaces, the primary one first.
    pub enis: Vec<Eni>,
}

/// What a new instance shall be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launch {
    /// What people call it.
    pub name: String,
    /// One of [`INSTANCE_TYPES`].
    pub instance_type: String,
    /// Where.
    pub subnet: SubnetId,
    /// With which address; the next free one if absent.
    pub address: Option<Ipv4Addr>,
    /// With how many IPv6 addresses; none: as the subnet says.
    pub ipv6: Option<u32>,
    /// The security groups of its primary interface.
    pub groups: BTreeSet<GroupId>,
    /// Route table entries that point at its primary interface.
    pub routes: Vec<Cidr>,
    /// The source/destination check of its primary interface.
    pub source_dest_check: bool,
}

impl InstanceState {
    /// EC2's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Running => "running",
            Self::Stopping { .. } => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown { .. } => "shutting-down",
            Self::Terminated { .. } => "terminated",
        }
    }

    /// EC2's number of the state.
    pub fn code(self) -> u8 {
        match self {
            Self::Pending { .. } => 0,
            Self::Running => 16,
            Self::Stopping { .. } => 64,
            Self::Stopped => 80,
            Self::ShuttingDown { .. } => 32,
            Self::Terminated { .. } => 48,
        }
    }

    /// When it ends by itself, and what happens then to the instance `id`.
    pub(crate) fn transition(self, id: &InstanceId) -> Option<Transition> {
        let (due_ms, event) = match self {
            Self::Running | Self::Stopped => return None,
            Self::Pending { due_ms } => (due_ms, Event::Started(id.clone())),
            Self::Stopping { due_ms } => (due_ms, Event::Stopped(id.clone())),
            Self::ShuttingDown { due_ms } => (due_ms, Event::Terminated(id.clone())),
            Self::Terminated { due_ms } => (due_ms, Event::Forgotten(id.clone())),
        };
        Some(Transition { due_ms, event })
    }
}

impl InstanceType {
    pub(crate) fn get(name: &str) -> Result<&'static Self, Ec2Error> {
        let found = INSTANCE_TYPES.iter().find(|kind| kind.name == name);
        found.ok_or_else(|| Ec2Error::InstanceTypeNotFound(name.to_owned()))
    }
}

/// An instance's type as text: its name.
mod by_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::InstanceType;

    pub(super) fn serialize<S: Serializer>(
        kind: &InstanceType,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static InstanceType, D::Error> {
        InstanceType::get(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
