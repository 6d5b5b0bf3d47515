//! What a node can hold and holds.

mod access;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Condition,
    id::{BootId, EniId, InstanceId, InstanceType, Mac, PodUid, Slot, Zone},
    schema::NeverNull,
};

pub(crate) use self::access::addresses as access_addresses;
pub use self::access::{LONGEST_ID, MOST, NodeAccess};

/// Observed state. The node's agent writes `agent`, `nodeAccess` and the condition PluginInstalled; the operator writes the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = NeverNull)]
pub struct NodeStatus {
    /// The EC2 instance behind the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// How many ENIs of ours the node can hold, the published extended resource eniclaim.io/eni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    pub capacity: Option<u32>,
    /// How many of them are in use by claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    pub used: Option<u32>,
    /// How many more claims the node can take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    pub free: Option<u32>,
    /// The network cards of the instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub cards: Vec<Card>,
    /// Occupied slots; updated within 30 seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "atomic"))]
    pub slots: Vec<OccupiedSlot>,
    /// Written by the node's agent when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub agent: Option<Agent>,
    /// Who has addresses on bridges of the node by the configuration of a network, written by the node's agent; updated within seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2048), extend("x-kubernetes-list-type" = "atomic"))]
    pub node_access: Vec<NodeAccess>,
    /// AgentReady, NodeSupported and CapacityFenced by the operator, PluginInstalled by the node's agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// The EC2 instance behind the node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Id of the instance.
    pub id: InstanceId,
    /// Its type, for example m5.large.
    #[serde(rename = "type")]
    pub instance_type: InstanceType,
    /// Its availability zone.
    pub zone: Zone,
}

/// One network card of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// Index of the card.
    #[schemars(range(max = 63))]
    #[schemars(extend("format" = "int32"))]
    pub index: u32,
    /// How many ENIs EC2 allows on this card.
    #[schemars(extend("format" = "int32"))]
    pub limit: u32,
    /// How many of them are not ours.
    #[schemars(extend("format" = "int32"))]
    pub foreign: u32,
    /// How many more are left to others, such as the AWS VPC CNI: pods do not get them.
    #[serde(default)]
    #[schemars(extend("format" = "int32"))]
    pub reserved: u32,
}

/// One occupied slot.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct OccupiedSlot {
    /// Which slot.
    #[serde(flatten)]
    pub slot: Slot,
    /// The ENI in it, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eni_id: Option<EniId>,
    /// Its MAC address, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The claim that holds it as namespace/name; absent for an ENI that is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127))]
    pub claim: Option<String>,
}

/// What the node's agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Version of the agent.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Boot id of the node when the agent started: an older one proves nothing about this boot.
    pub boot_id: BootId,
    /// UID of the agent's pod.
    pub pod_uid: PodUid,
}
