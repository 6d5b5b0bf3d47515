//! The claim as the operator sees it: what is asked for, its own part of the status, and what the agent says.

use std::collections::BTreeMap;

use crate::{
    id::{
        AttachmentId, ClaimUid, ClassName, EniId, GroupId, InstanceId, Key, Mac, NodeName, NodeUid,
        PodUid, SubnetId, Version, VpcId, Zone,
    },
    reason::Reason,
    time::Time,
};

/// One ENI for one pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Namespace and name.
    pub key: Key,
    /// UID of the object.
    pub uid: ClaimUid,
    /// The version that this picture shows.
    pub version: Version,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether our finalizer holds it.
    pub finalizer: bool,
    /// The class it names.
    pub class: ClassName,
    /// The pod it is for.
    pub owner: Owner,
    /// The operator's part of the status.
    pub status: Status,
    /// The agent's part of the status.
    pub device: Option<Device>,
}

/// The pod that a claim is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its name, in the claim's namespace.
    pub name: String,
    /// Its UID.
    pub uid: PodUid,
}

/// The operator's part of a claim's status; written whole, before the effect that it announces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Status {
    /// One word for people; never an input.
    pub phase: Option<Phase>,
    /// The node where the device is or is going.
    pub node: Option<NodeName>,
    /// Who may plug the device in.
    pub binding: Option<Binding>,
    /// What the class said of the interface when the claim was bound.
    pub interface: Option<Interface>,
    /// The frozen Create request.
    pub creation: Option<Creation>,
    /// The last thing that went wrong.
    pub last_error: Option<LastError>,
    /// The ENI as EC2 made it.
    pub eni: Option<Eni>,
    /// The slot, and the attachment in it.
    pub attachment: Option<Attachment>,
    /// The addresses of the ENI.
    pub addresses: Vec<Address>,
    /// When each stage was reached.
    pub timeline: Timeline,
    /// Provisioned, Attached, Ready.
    pub conditions: Vec<Condition>,
}

/// One word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waits for what the condition Ready names.
    Pending,
    /// The ENI is being created.
    Creating,
    /// The ENI is being attached.
    Attaching,
    /// The ENI is attached, not plugged into the pod yet.
    Attached,
    /// The pod has its interface.
    Ready,
    /// The agent takes the device home.
    Releasing,
    /// The ENI is being detached, and deleted after that.
    Detaching,
    /// The ENI, never attached, is being deleted.
    Deleting,
}

/// Who may plug the device in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Name of the pod.
    pub pod_name: String,
    /// UID of the pod.
    pub pod_uid: PodUid,
    /// UID of the node.
    pub node_uid: NodeUid,
    /// The node's instance.
    pub instance: InstanceId,
    /// When it was bound, to the second.
    pub since: Time,
}

/// What the agent makes of the device inside the pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Name of the interface in the pod.
    pub name: String,
    /// Whether the pod's default route leaves by the ENI.
    pub default_route: DefaultRoute,
    /// Whether instance metadata is reachable.
    pub instance_metadata: InstanceMetadata,
}

/// Whether the pod's default route leaves by the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefaultRoute {
    /// It stays where it was.
    Never,
}

/// Whether instance metadata is reachable through the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceMetadata {
    /// Refused.
    Blocked,
    /// As the VPC has it.
    Allowed,
}

/// A Create request, frozen before EC2 hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Creation {
    /// 1 for the first; one more after each definite refusal.
    pub incarnation: u32,
    /// `ClientToken`: one ENI for one token, however often it is asked.
    pub token: String,
    /// Parameters of the call.
    pub request: CreateRequest,
    /// When it was frozen, to the second.
    pub started_at: Time,
}

/// Parameters of `CreateNetworkInterface`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CreateRequest {
    /// Where the ENI is made.
    pub subnet: SubnetId,
    /// The groups it gets.
    pub groups: Vec<GroupId>,
    /// What the console shows.
    pub description: String,
    /// All tags.
    pub tags: BTreeMap<String, String>,
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LastError {
    /// AWS's code.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// How often in a row.
    pub attempts: u32,
    /// When it is tried again, to the second. Absent while it is being tried: only then may an answer be outstanding.
    pub next_retry: Option<Time>,
}

/// The ENI as EC2 made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Eni {
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
    /// Its groups when it was made.
    pub groups: Vec<GroupId>,
}

/// One place for an ENI in an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Index of the network card.
    pub card: u32,
    /// Index of the device on that card.
    pub index: u32,
}

/// Where the ENI is plugged into an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// The instance.
    pub instance: InstanceId,
    /// The slot, reserved before EC2 hears of it.
    pub slot: Slot,
    /// Its id, once EC2 gave it.
    pub id: Option<AttachmentId>,
    /// When it was seen to be attached, to the second.
    pub attached_at: Option<Time>,
    /// Goes from false to true once: a released attachment is never plugged again.
    pub release: bool,
}

/// One address of the ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// With the length of the subnet's prefix.
    pub address: String,
    /// The router of the subnet.
    pub gateway: String,
    /// Whether it is the primary one.
    pub primary: bool,
}

/// When the operator's stages were reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Timeline {
    /// Bound to a node.
    pub requested: Option<Time>,
    /// Made by EC2.
    pub created: Option<Time>,
    /// Seen to be attached.
    pub attached: Option<Time>,
}

/// The operator's conditions of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKind {
    /// The ENI exists.
    Provisioned,
    /// The ENI is attached to the node's instance.
    Attached,
    /// The pod has its interface.
    Ready,
}

/// One statement about the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What is stated.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub holds: bool,
    /// For programs.
    pub reason: Reason,
    /// For people: what is so, and what mends it.
    pub message: String,
    /// When `holds` last changed, to the second.
    pub since: Time,
}

/// Where the device is, as the node's agent says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    /// The attachment that this is about.
    pub attachment: AttachmentId,
    /// Where it is.
    pub state: DeviceState,
    /// The pod it is in.
    pub pod: Option<PodUid>,
}

/// Where the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceState {
    /// On the node, not in a pod yet.
    Seen,
    /// In the pod.
    Plugged,
    /// Back on the node.
    Home,
    /// Never to be plugged again for this attachment.
    Released,
}

impl Status {
    /// The condition of that kind.
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }

    /// The attachment's id, once EC2 gave it.
    pub fn attachment_id(&self) -> Option<&AttachmentId> {
        self.attachment.as_ref().and_then(|a| a.id.as_ref())
    }
}

impl Claim {
    /// Where the device of this very attachment is; the agent's word about an earlier one proves nothing.
    pub fn device_state(&self) -> Option<DeviceState> {
        let device = self.device.as_ref()?;
        (self.status.attachment_id() == Some(&device.attachment)).then_some(device.state)
    }

    /// Whether the device of this attachment is in the pod that the claim is bound to.
    pub fn plugged(&self) -> bool {
        let pod = self.device.as_ref().and_then(|d| d.pod.as_ref());
        self.device_state() == Some(DeviceState::Plugged)
            && pod == self.status.binding.as_ref().map(|b| &b.pod_uid)
    }
}
