//! An elastic network interface, and where it is between pending, available and in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{
    AttachmentId, ConnectionTracking, EniId, GroupId, InstanceId, Others, SubnetId, VpcId,
};

/// A network interface. Its id, MAC, addresses, subnet, zone and network never change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Eni {
    /// Its id.
    pub id: EniId,
    /// The network it lies in.
    pub vpc: VpcId,
    /// The subnet it lies in.
    pub subnet: SubnetId,
    /// The subnet's availability zone.
    pub zone: String,
    /// Its hardware address, unique in this world.
    pub mac: Mac,
    /// Its primary private address, unique in its network; none in a subnet of IPv6 alone.
    pub address: Option<Ipv4Addr>,
    /// Its other addresses, and its prefixes.
    pub others: Others,
    /// Its security groups.
    pub groups: BTreeSet<GroupId>,
    /// What its maker wrote.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether traffic must come from, or go to, its own address.
    pub source_dest_check: bool,
    /// Idle time-outs of its tracked connections.
    #[serde(default)]
    pub connection_tracking: ConnectionTracking,
    /// Where it is.
    pub state: EniState,
}

/// Where an interface is. An attachment exists exactly while it is in use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EniState {
    /// Just created; it cannot be attached yet.
    Pending {
        /// When it becomes available, in milliseconds.
        due_ms: u64,
    },
    /// Free.
    Available,
    /// On its way to, at, or on its way from an instance.
    InUse(Attachment),
}

/// An interface at an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// The instance.
    pub instance: InstanceId,
    /// The network card of the instance.
    pub card: u32,
    /// The device index, unique on its card. Card 0, index 0 is the primary interface.
    pub device: u32,
    /// When the attachment was asked for, in milliseconds since the epoch.
    pub asked_ms: u64,
    /// Whether the interface goes with its instance.
    pub delete_on_termination: bool,
    /// How far it is.
    pub state: AttachmentState,
}

/// How far an attachment is; `detached` has no state here, it is the end of the attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttachmentState {
    /// The instance does not see the device yet.
    Attaching {
        /// When it will, in milliseconds.
        due_ms: u64,
    },
    /// The instance has the device.
    Attached,
    /// The instance has lost the device.
    Detaching {
        /// When the attachment is over, in milliseconds.
        due_ms: u64,
    },
}

impl Eni {
    /// Its attachment, while it is in use.
    pub fn attachment(&self) -> Option<&Attachment> {
        match &self.state {
            EniState::InUse(attachment) => Some(attachment),
            EniState::Pending { .. } | EniState::Available => None,
        }
    }

    pub(crate) fn attachment_mut(&mut self) -> Option<&mut Attachment> {
        match &mut self.state {
            EniState::InUse(attachment) => Some(attachment),
            EniState::Pending { .. } | EniState::Available => None,
        }
    }

    /// Whether it is the interface that its instance was launched with.
    pub fn is_primary(&self) -> bool {
        self.attachment().is_some_and(Attachment::is_primary)
    }

    /// The instance that has the device at this moment: exactly while it is attached.
    /// At which moment of `detaching` a real device goes is unverified.
    pub fn plugged_into(&self) -> Option<&InstanceId> {
        let attachment = self.attachment()?;
        match attachment.state {
            AttachmentState::Attached => Some(&attachment.instance),
            AttachmentState::Attaching { .. } | AttachmentState::Detaching { .. } => None,
        }
    }

    /// The value of `status` in EC2's answers. EC2 also knows `attaching` and `detaching` here;
    /// when it shows them instead of `in-use` is unverified.
    pub fn status(&self) -> &'static str {
        match self.state {
            EniState::Pending { .. } => "pending",
            EniState::Available => "available",
            EniState::InUse(_) => "in-use",
        }
    }
}

impl Attachment {
    /// Whether this is the slot of the primary interface, which cannot be emptied.
    pub fn is_primary(&self) -> bool {
        (self.card, self.device) == (0, 0)
    }
}

impl AttachmentState {
    /// The value of `attachment.status` in EC2's answers.
    pub fn status(self) -> &'static str {
        match self {
            Self::Attaching { .. } => "attaching",
            Self::Attached => "attached",
            Self::Detaching { .. } => "detaching",
        }
    }
}

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The `n`-th address of this world, locally administered as EC2's are.
    pub(crate) const fn nth(n: u64) -> Self {
        let [.., a, b, c] = n.to_be_bytes();
        Self([0x06, 0xec, 0x20, a, b, c])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: Vec<String> = self.0.iter().map(|octet| format!("{octet:02x}")).collect();
        f.write_str(&octets.join(":"))
    }
}
