//! What EC2 shows: ENIs, instances, instance types, subnets.

use std::net::IpAddr;

use api::{
    SmolStr, SourceDestCheck, Time,
    id::{
        AttachmentId, ClaimUid, EniId, InstanceId, InstanceType, Mac, SecurityGroupId, Slot,
        SubnetId, VpcId, Zone,
    },
    ipnet::{IpNet, Ipv4Net, Ipv6Net},
    tag,
};

/// An ENI as one read showed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EniView {
    /// Its id.
    pub id: EniId,
    /// Its MAC address.
    pub mac: Mac,
    /// The subnet it lies in.
    pub subnet: SubnetId,
    /// The VPC it lies in.
    pub vpc: VpcId,
    /// The zone it lies in.
    pub zone: Zone,
    /// Its groups.
    pub groups: Vec<SecurityGroupId>,
    /// Its addresses: those of IPv4, the primary one first, then those of IPv6.
    pub addresses: Vec<IpAddr>,
    /// The prefixes that are delegated to it.
    pub prefixes: Vec<IpNet>,
    /// Whether EC2 checks the addresses of its traffic.
    pub source_dest_check: SourceDestCheck,
    /// Whether it is `available`: neither still being made, nor in use.
    pub available: bool,
    /// Its attachment, unless that is detached.
    pub attachment: Option<AttachmentView>,
    /// What its tags say.
    pub tags: EniTags,
}

/// What the tags of an ENI say about who it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EniTags {
    /// `eniclaim.io/cluster`.
    pub cluster: Option<SmolStr>,
    /// `eniclaim.io/cluster-uid`.
    pub cluster_uid: Option<SmolStr>,
    /// `eniclaim.io/claim-uid`.
    pub claim: Option<ClaimUid>,
    /// `eniclaim.io/claim`: namespace/name.
    pub claim_name: Option<SmolStr>,
    /// `eniclaim.io/created-at`, where it is a time.
    pub created_at: Option<Time>,
    /// Whether it carries `eniclaim.io/persistent` or `eniclaim.io/retained`.
    pub kept: bool,
    /// Whether it carries `eniclaim.io/hold`.
    pub hold: bool,
}

impl EniTags {
    /// Picks out what concerns us.
    pub fn of<K: AsRef<str>, V: AsRef<str>>(tags: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut of = Self::default();
        for (key, value) in tags {
            let value = value.as_ref();
            match key.as_ref() {
                tag::CLUSTER => of.cluster = Some(value.into()),
                tag::CLUSTER_UID => of.cluster_uid = Some(value.into()),
                tag::CLAIM_UID => of.claim = Some(value.into()),
                tag::CLAIM => of.claim_name = Some(value.into()),
                tag::CREATED_AT => of.created_at = value.parse().ok(),
                tag::PERSISTENT | tag::RETAINED => of.kept = true,
                tag::HOLD => of.hold = true,
                _ => {}
            }
        }
        of
    }
}

/// An attachment as one read showed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttachmentView {
    /// Its id.
    pub id: AttachmentId,
    /// The instance.
    pub instance: InstanceId,
    /// The slot.
    pub slot: Slot,
    /// How far it is.
    pub state: AttachmentState,
    /// Whether EC2 deletes the ENI with the instance.
    pub delete_on_termination: bool,
}

/// How far an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttachmentState {
    /// On its way to the instance.
    Attaching,
    /// There.
    Attached,
    /// On its way out.
    Detaching,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its type.
    pub instance_type: InstanceType,
    /// Its zone.
    pub zone: Zone,
    /// Its VPC; none once it is terminated.
    pub vpc: Option<VpcId>,
    /// Whether software on it may still use a device.
    pub state: InstanceState,
    /// What is attached to it, ours included.
    pub attached: Vec<AttachedEni>,
}

/// One ENI in an instance's list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachedEni {
    /// The slot it is in.
    pub slot: Slot,
    /// Its id.
    pub eni: EniId,
    /// Its MAC address.
    pub mac: Mac,
    /// Whether it is a trunk, which security groups for pods need.
    pub trunk: bool,
}

/// Whether software on an instance may still use a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Pending, running, stopping or rebooting: its agent must answer.
    Alive,
    /// Stopped: nothing runs there, so a Detach pulls nothing away.
    Stopped,
    /// Shutting down: EC2 itself detaches, and deletes what is marked so; a Detach now would make it forget the mark.
    ShuttingDown,
    /// Terminated, or unknown to EC2.
    Terminated,
}

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeFacts {
    /// For each network card that takes ENIs like ours its index and how many.
    pub cards: Vec<(u32, u32)>,
}

impl TypeFacts {
    /// How many ENIs one card takes; none where there is no such card.
    pub fn on_card(&self, card: u32) -> u32 {
        let mut cards = self.cards.iter();
        cards
            .find(|(c, _)| *c == card)
            .map_or(0, |(_, limit)| *limit)
    }

    /// How many ENIs the instance takes, its own included.
    pub fn limit(&self) -> u32 {
        self.cards.iter().map(|(_, limit)| limit).sum()
    }
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// Its id.
    pub id: SecurityGroupId,
    /// The VPC it belongs to.
    pub vpc: VpcId,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its zone.
    pub zone: Zone,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its IPv4 block; none: it is a subnet of IPv6 alone.
    pub ipv4: Option<Ipv4Net>,
    /// Its IPv6 block, while one is associated with it.
    pub ipv6: Option<Ipv6Net>,
    /// Whether EC2 gives each ENI there an IPv6 address unless the request says otherwise.
    pub assigns_ipv6: bool,
    /// IPv4 addresses that were free when it was read.
    pub free: u32,
}
