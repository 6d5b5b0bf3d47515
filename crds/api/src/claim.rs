//! Observed state of a claim: the address book of what is allocated to whom.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    Condition, ConditionStatus, Interface, Reason, Time,
    condition::{OPERATORS, kind},
    id::{
        AttachmentId, EniId, InstanceId, InterfaceName, Mac, NodeName, NodeUid, PodName, PodUid,
        SecurityGroupId, Slot, SubnetId, VpcId, Zone,
    },
    schema::NeverNull,
};

/// Observed state. The node's agent writes `device`, its part of `timeline` and the conditions Plugged and MetadataBlocked;
/// the operator writes the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = NeverNull, extend("x-kubernetes-validations" = [
    {
        "rule": "!has(oldSelf.creation) || (has(self.creation) && self.creation.incarnation >= oldSelf.creation.incarnation)",
        "message": "creation.incarnation never decreases"
    },
    {
        "rule": "!has(oldSelf.eni) || (has(self.eni) && self.eni.id == oldSelf.eni.id) || (has(self.creation) && has(oldSelf.creation) && self.creation.incarnation > oldSelf.creation.incarnation)",
        "message": "eni goes or changes only with a new creation.incarnation"
    },
    {
        "rule": "!has(oldSelf.attachment) || !has(self.attachment) || !has(oldSelf.attachment.release) || !has(oldSelf.attachment.id) || !has(self.attachment.id) || self.attachment.id != oldSelf.attachment.id || has(self.attachment.release)",
        "message": "attachment.release is never taken back for one attachment id"
    }
]))]
pub struct ClaimStatus {
    /// One word for people, derived from the rest; never an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The node where the device is or is going. The node's agent selects its claims by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<NodeName>,
    /// The pod that may get the device, and the node and instance where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub binding: Option<Binding>,
    /// What the interface looks like in the pod: as the class says, until the device is plugged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub interface: Option<Interface>,
    /// The CreateNetworkInterface request, stored before it is sent, so that exactly the same call can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub creation: Option<Creation>,
    /// The last failure, until it is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub last_error: Option<LastError>,
    /// The ENI as EC2 made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub eni: Option<Eni>,
    /// Where the ENI is attached. The slot is stored before the Attach is sent, the id when EC2 has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub attachment: Option<Attachment>,
    /// The addresses of the ENI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub ipam: Option<Ipam>,
    /// Where the device is, reported by the node's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub device: Option<Device>,
    /// When each stage was reached.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub timeline: Timeline,
    /// Provisioned, Attached, Plugged, MetadataBlocked, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// One word for people.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Waits for its pod to be scheduled, or for something that `lastError` and the condition Ready name.
    Pending,
    /// The ENI is being created.
    Creating,
    /// The ENI is being attached to the node's instance.
    Attaching,
    /// The ENI is attached; the node's agent has not plugged it into the pod yet.
    Attached,
    /// The pod has its interface.
    Ready,
    /// The node's agent returns the device to the host.
    Releasing,
    /// The ENI is being detached.
    Detaching,
    /// The ENI is being deleted.
    Deleting,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Creating,
        Self::Attaching,
        Self::Attached,
        Self::Ready,
        Self::Releasing,
        Self::Detaching,
        Self::Deleting,
    ];
}

/// Who may plug the device in: this pod, on this node, on this instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Name of the pod.
    pub pod_name: PodName,
    /// UID under which the runtime knows the pod; the plugin is answered only for this one. Of a static pod it is not the UID of
    /// its object, which is a mirror, but that of the mirror's annotation kubernetes.io/config.mirror.
    pub pod_uid: PodUid,
    /// UID of the node object.
    pub node_uid: NodeUid,
    /// The node's instance, from its providerID.
    pub instance_id: InstanceId,
    /// When it was bound.
    pub since: Time,
    /// Name of a container of the pod that can change the pod's network, since it is privileged or adds NET_ADMIN or SYS_ADMIN:
    /// what the agent sets up in the pod, the block of the instance metadata service above all, holds against all others only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub net_admin: Option<SmolStr>,
}

/// The frozen Create request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Creation {
    /// 1 for the first request; a request that differs is a new incarnation.
    #[schemars(range(min = 1))]
    #[schemars(extend("format" = "int32"))]
    pub incarnation: u32,
    /// ClientToken of the call: EC2 makes one ENI for one token, however often it is asked.
    #[schemars(length(max = 64))]
    pub token: SmolStr,
    /// The parameters of the call.
    pub request: CreateRequest,
    /// When the request was stored, before it was first sent.
    pub started_at: Time,
    /// What the answers so far prove, while no ENI is known. Absent: it may still be under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<CreateAnswer>,
}

/// What is known of the answers to a Create request that has shown no ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CreateAnswer {
    /// Every send was refused by an answer that excludes an ENI; the request is never sent again.
    Refused,
    /// At least one send ended without such an answer: EC2 may have made the ENI, and is searched for it by tag.
    Inconclusive,
}

/// Parameters of CreateNetworkInterface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest {
    /// Where the ENI is made.
    pub subnet_id: SubnetId,
    /// The groups it gets.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// What the EC2 console shows as description.
    #[schemars(length(max = 255))]
    pub description: SmolStr,
    /// All tags, ours and those of the class.
    #[schemars(schema_with = "frozen_tags")]
    pub tags: FrozenTags,
}

/// Tags as one text, since every claim keeps them as long as it lives and they are read only when the request is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<SmolStr, SmolStr>",
    into = "BTreeMap<SmolStr, SmolStr>"
)]
pub struct FrozenTags(Arc<str>);

impl From<BTreeMap<SmolStr, SmolStr>> for FrozenTags {
    fn from(tags: BTreeMap<SmolStr, SmolStr>) -> Self {
        // A map of texts is JSON.
        Self(serde_json::to_string(&tags).unwrap_or_default().into())
    }
}

impl From<FrozenTags> for BTreeMap<SmolStr, SmolStr> {
    fn from(tags: FrozenTags) -> Self {
        tags.to_map()
    }
}

impl FrozenTags {
    /// Each value by its key.
    pub fn to_map(&self) -> BTreeMap<SmolStr, SmolStr> {
        // It was made of such a map.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn frozen_tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 50,
        "additionalProperties": { "type": "string", "maxLength": 512 }
    })
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// The code as AWS spells it, or our reason where no call was made.
    #[schemars(length(max = 128))]
    pub code: String,
    /// The message as AWS sent it, or our sentence.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// RequestId of the AWS call, for a support case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub request_id: Option<String>,
    /// Consecutive failed attempts.
    #[schemars(extend("format" = "int32"))]
    pub attempts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_retry: Option<Time>,
}

/// The ENI as EC2 made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eni {
    /// Id of the ENI.
    pub id: EniId,
    /// Its MAC address, by which the agent finds the device.
    pub mac: Mac,
    /// The subnet it lies in.
    pub subnet_id: SubnetId,
    /// The VPC it lies in.
    pub vpc_id: VpcId,
    /// Its availability zone; it never changes.
    pub zone: Zone,
    /// Its security groups when it was made.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub security_group_ids: Vec<SecurityGroupId>,
}

/// Where the ENI is plugged into an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The instance.
    pub instance_id: InstanceId,
    /// The slot, reserved before EC2 hears of it.
    #[serde(flatten)]
    pub slot: Slot,
    /// Id of the attachment, once EC2 has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<AttachmentId>,
    /// When EC2 accepted the Attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// When it was first observed attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_at: Option<Time>,
    /// Set once and never taken back: a released attachment is never plugged again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
}

/// Whether the agent shall give the device back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Release {
    /// The agent returns the device to the host, never plugs this attachment again, and reports `device.state: Released`.
    Requested,
}

/// The addresses of the ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Ipam {
    /// Addresses with the prefix length and router of their subnet.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub addresses: Vec<Address>,
}

/// One address of the ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The address, for example 10.0.1.50.
    #[schemars(schema_with = "ip")]
    pub address: IpAddr,
    /// Length of the subnet's prefix, for example 24.
    #[schemars(range(max = 128), extend("format" = "int32"))]
    pub prefix_length: u8,
    /// The VPC's router in that subnet, for example 10.0.1.1.
    #[schemars(schema_with = "ip")]
    pub gateway: IpAddr,
    /// Which of the ENI's addresses it is.
    pub role: AddressRole,
}

/// What EC2 calls an address of an ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AddressRole {
    /// The one that the ENI was made with; it never changes.
    Primary,
}

fn ip(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 45, "pattern": "^[0-9a-f.:]+$" })
}

/// Where the device is, reported by the node's agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The attachment that this is about.
    pub attachment_id: AttachmentId,
    /// Seen: on the node, not in a pod yet. Plugged: in the pod. Home: back on the node. Released: never plugged again for
    /// this attachment.
    pub state: DeviceState,
    /// The pod it is plugged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<PodUid>,
    /// The sandbox it is plugged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub container_id: Option<SmolStr>,
    /// Name of the interface in the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    pub if_name: Option<SmolStr>,
    /// Since when.
    pub since: Time,
}

/// Where the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceState {
    /// On the node, not in a pod yet.
    Seen,
    /// In the pod.
    Plugged,
    /// Back on the node after it was in a pod.
    Home,
    /// On the node or gone, and never to be plugged again for this attachment.
    Released,
}

/// When each stage was reached first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timeline {
    /// The claim was bound to a node. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested: Option<Time>,
    /// EC2 made the ENI. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// EC2 or the agent said that it is attached. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<Time>,
    /// The device appeared on the node. By the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    /// The device is in the pod. By the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugged: Option<Time>,
}

impl Timeline {
    /// Whether no stage was reached yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ClaimStatus {
    /// The condition of that kind.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }

    /// The condition Ready where it says what has to be mended before the claim gets on. Nothing while it gets on by itself,
    /// and of a reason that this version does not know.
    pub fn blocked(&self) -> Option<&Condition> {
        self.condition(kind::READY).filter(|ready| {
            let reason = ready.reason.parse::<Reason>();
            ready.status == ConditionStatus::False && reason.is_ok_and(|reason| !reason.passes())
        })
    }

    /// Without the agent's part: what the operator applies under its own field manager.
    #[must_use]
    pub fn of_operator(mut self) -> Self {
        self.device = None;
        self.timeline.seen = None;
        self.timeline.plugged = None;
        self.conditions
            .retain(|c| OPERATORS.contains(&c.kind.as_str()));
        self.conditions
            .sort_by_key(|c| OPERATORS.iter().position(|kind| *kind == c.kind));
        self
    }

    /// The attachment's id, once EC2 gave it.
    pub fn attachment_id(&self) -> Option<&AttachmentId> {
        self.attachment.as_ref().and_then(|a| a.id.as_ref())
    }
}

impl Ipam {
    /// The ENI's primary address.
    pub fn primary(&self) -> Option<&Address> {
        self.addresses.first()
    }
}

impl Attachment {
    /// Whether the device shall be given back.
    pub fn is_released(&self) -> bool {
        self.release.is_some()
    }
}

/// Name of the interface in a pod where the claim does not say.
pub fn interface_name(status: &ClaimStatus) -> InterfaceName {
    status
        .interface
        .as_ref()
        .map_or_else(InterfaceName::default, |i| i.name.clone())
}
