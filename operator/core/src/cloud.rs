//! What EC2 told us: ENIs, instances, instance types, subnets, and refusals.

use std::net::Ipv4Addr;

use crate::{
    claim::Slot,
    id::{
        AttachmentId, ClaimUid, EniId, GroupId, InstanceId, InstanceType, Mac, SubnetId, VpcId,
        Zone,
    },
    kind::Kind,
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
    pub groups: Vec<GroupId>,
    /// Its primary address.
    pub address: Ipv4Addr,
    /// Whether it is `available`: neither still being made, nor in use.
    pub available: bool,
    /// Its attachment, unless that is detached.
    pub attachment: Option<AttachmentView>,
    /// The claim that its tag names.
    pub claim: Option<ClaimUid>,
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

/// What is known of an ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EniSeen {
    /// Nothing: not read since we last changed it.
    Unknown,
    /// A read did not show it; reads may be stale.
    Absent,
    /// As a read showed it.
    Known(Box<EniView>),
    /// EC2 answered our Delete of it with success.
    Deleted,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its type.
    pub kind: InstanceType,
    /// Its zone.
    pub zone: Zone,
    /// Its VPC.
    pub vpc: VpcId,
    /// Whether it runs.
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
}

/// Whether an instance can hold on to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Pending, running, stopping or rebooting: its agent must answer.
    Alive,
    /// Stopped: nothing runs there, so a Detach pulls nothing away.
    Stopped,
    /// Shutting down or terminated: EC2 itself detaches, and deletes what is marked so.
    Dead,
}

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeFacts {
    /// For each network card its index and how many ENIs it takes.
    pub cards: Vec<(u32, u32)>,
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
    /// First address of its block.
    pub base: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
}

/// A call that EC2 refused, or that never got an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// What to make of it.
    pub kind: Kind,
    /// AWS's code, or ours where AWS never answered.
    pub code: String,
    /// AWS's message, or ours.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
}
