//! EniClaim: one ENI for one owner; its status is the address book.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    class::{DefaultRoute, InstanceMetadata},
    condition::Condition,
    ids::{AttachmentId, EniId, InstanceId, InterfaceName, Mac, SecurityGroupId, SubnetId, VpcId},
};

/// What is asked for.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io", version = "v1alpha1", kind = "EniClaim", plural = "eniclaims", singular = "eniclaim",
    shortname = "eclaim", category = "eniclaim", namespaced, status = "EniClaimStatus", derive = "PartialEq",
    selectable = ".status.nodeName",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniClaim is one Elastic Network Interface for one pod. Its status says what was allocated, where it is and what it waits for.",
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.className"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Pod", type_ = "string", json_path = ".spec.owner.name"),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName"),
    printcolumn(name = "ENI", type_ = "string", json_path = ".status.eni.id"),
    printcolumn(name = "IP", type_ = "string", json_path = ".status.ipam.addresses[0].address"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "MAC", type_ = "string", json_path = ".status.eni.mac", priority = 1),
    printcolumn(name = "Zone", type_ = "string", json_path = ".status.eni.zone", priority = 1),
    printcolumn(name = "Subnet", type_ = "string", json_path = ".status.eni.subnetId", priority = 1),
    printcolumn(name = "IfName", type_ = "string", json_path = ".status.device.ifName", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a claim has at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct EniClaimSpec {
    /// The EniClass that says where and how the ENI is made.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("className cannot change; delete the pod and make it again with the other class"))]
    pub class_name: String,
    /// For whom the ENI is. The operator writes it when it makes the claim for a pod.
    #[x_kube(validation = Rule::new("self == oldSelf").message("owner cannot change; a claim belongs to one pod"))]
    pub owner: Owner,
}

/// For whom the ENI is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// Pod: the claim goes when this pod goes.
    pub kind: OwnerKind,
    /// Name of the owner, in the namespace of the claim.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// UID of the owner: a pod made again under the same name is another owner.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}

/// The kinds of owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OwnerKind {
    /// One pod.
    Pod,
}

/// What is so. `device`, its timeline and the conditions Plugged and MetadataBlocked come from the node's agent,
/// everything else from the operator.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EniClaimStatus {
    /// One word for people, derived from the rest; never an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The node where the device is or is going. The node's agent selects its claims by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// Who may plug the device in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// What was decided from the class when the claim was bound; later edits of the class do not change a running pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<ClaimInterface>,
    /// The Create request, frozen before EC2 hears of it, so that the same call can be repeated exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation: Option<Creation>,
    /// The last thing that went wrong, until it is mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// The ENI as EC2 made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eni: Option<Eni>,
    /// Where the ENI is plugged into an instance. The slot comes first, the id when EC2 gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// The addresses of the ENI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipam: Option<Ipam>,
    /// Where the device is, told by the node's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// When each stage was reached.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub timeline: Timeline,
    /// Provisioned, Attached, Plugged, MetadataBlocked, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// One word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// The pod is gone; the node's agent takes the device home.
    Releasing,
    /// The ENI is being detached.
    Detaching,
    /// The ENI is being deleted.
    Deleting,
}

/// Who may plug the device in: this pod, on this node, on this instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Name of the pod.
    #[schemars(length(max = 253))]
    pub pod_name: String,
    /// UID of the pod; the plugin is answered only for this one.
    #[schemars(length(max = 64))]
    pub pod_uid: String,
    /// UID of the node object.
    #[schemars(length(max = 64))]
    pub node_uid: String,
    /// The node's instance, from its providerID.
    pub instance_id: InstanceId,
    /// When it was bound.
    #[schemars(schema_with = "crate::schema::time")]
    pub since: Time,
}

/// What the agent makes of the device inside the pod, as the class said when the claim was bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimInterface {
    /// Name of the interface in the pod.
    pub name: InterfaceName,
    /// Whether the pod's default route leaves by the ENI.
    pub default_route: DefaultRoute,
    /// Whether the instance metadata service is reachable through the ENI.
    pub instance_metadata: InstanceMetadata,
}

/// The frozen Create request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Creation {
    /// 1 for the first request; a request that differs is a new incarnation.
    #[schemars(range(min = 1))]
    #[schemars(extend("format" = "int32"))]
    pub incarnation: u32,
    /// ClientToken of the call: EC2 makes one ENI for one token, however often it is asked.
    #[schemars(length(max = 64))]
    pub token: String,
    /// The parameters of the call.
    pub request: CreateRequest,
    /// When it was frozen.
    #[schemars(schema_with = "crate::schema::time")]
    pub started_at: Time,
}

/// Parameters of CreateNetworkInterface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest {
    /// Where the ENI is made.
    pub subnet_id: SubnetId,
    /// The groups it gets.
    #[schemars(length(max = 16))]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// What the EC2 console shows as description.
    #[schemars(length(max = 255))]
    pub description: String,
    /// All tags, ours and those of the class.
    #[schemars(schema_with = "frozen_tags")]
    pub tags: BTreeMap<String, String>,
}

fn frozen_tags(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "maxProperties": 50,
        "additionalProperties": { "type": "string", "maxLength": 512 }
    })
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// How often in a row.
    #[schemars(extend("format" = "int32"))]
    pub attempts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub next_retry: Option<Time>,
}

/// The ENI as EC2 made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The availability zone it lies in, for ever.
    #[schemars(length(max = 32))]
    pub zone: String,
    /// Its security groups when it was made.
    #[schemars(length(max = 16))]
    pub security_group_ids: Vec<SecurityGroupId>,
}

/// Where the ENI is plugged into an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The instance.
    pub instance_id: InstanceId,
    /// Index of the network card.
    #[schemars(range(max = 63))]
    #[schemars(extend("format" = "int32"))]
    pub network_card: u32,
    /// Index of the device on that card; 0 on card 0 is the instance's own.
    #[schemars(range(max = 127))]
    #[schemars(extend("format" = "int32"))]
    pub device_index: u32,
    /// Id of the attachment, once EC2 gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<AttachmentId>,
    /// When it was seen to be attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub attached_at: Option<Time>,
    /// Goes from false to true once and never back: a released attachment is never plugged again.
    #[serde(default)]
    pub release: bool,
}

/// The addresses of the ENI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ipam {
    /// Addresses with the length of the subnet's prefix.
    #[schemars(length(max = 64))]
    pub addresses: Vec<IpamAddress>,
}

/// One address of the ENI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IpamAddress {
    /// Address and length of the subnet's prefix, for example 10.0.1.50/24.
    #[schemars(length(max = 49), regex(pattern = r"^[0-9a-f.:]+/[0-9]{1,3}$"))]
    pub address: String,
    /// The VPC's router in that subnet, for example 10.0.1.1.
    #[schemars(length(max = 45), regex(pattern = r"^[0-9a-f.:]+$"))]
    pub gateway: String,
    /// Whether it is the primary address of the ENI.
    pub primary: bool,
}

/// Where the device is, told by the node's agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The attachment that this is about.
    pub attachment_id: AttachmentId,
    /// Where the device is.
    pub state: DeviceState,
    /// The pod it is plugged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pod_uid: Option<String>,
    /// The sandbox it is plugged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub container_id: Option<String>,
    /// Its name where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    pub if_name: Option<String>,
    /// Since when it is there.
    #[schemars(schema_with = "crate::schema::time")]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timeline {
    /// The claim was bound to a node. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub requested: Option<MicroTime>,
    /// EC2 made the ENI. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub created: Option<MicroTime>,
    /// EC2 or the agent said that it is attached. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub attached: Option<MicroTime>,
    /// The device appeared on the node. By the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub seen: Option<MicroTime>,
    /// The device is in the pod. By the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::optional_time")]
    pub plugged: Option<MicroTime>,
}

impl Timeline {
    /// Whether no stage was reached yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
