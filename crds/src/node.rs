//! EniNode: what a node can hold and holds; a report, named as its Node.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition::Condition,
    ids::{EniId, InstanceId, Mac},
};

/// An EniNode has nothing to ask for: it is a report.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io",
    version = "v1alpha1",
    kind = "EniNode",
    plural = "eninodes",
    singular = "eninode",
    shortname = "enode",
    category = "eniclaim",
    status = "EniNodeStatus",
    derive = "PartialEq",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniNode reports what network interfaces a node can hold and holds. It is named as its Node.",
    printcolumn(name = "Instance", type_ = "string", json_path = ".status.instance.id"),
    printcolumn(name = "Type", type_ = "string", json_path = ".status.instance.type"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".status.instance.zone"),
    printcolumn(name = "Capacity", type_ = "integer", json_path = ".status.capacity"),
    printcolumn(
        name = "Agent",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"AgentReady\")].status"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
pub struct EniNodeSpec {}

/// What is so. `agent` comes from the node's agent, everything else from the operator.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EniNodeStatus {
    /// The EC2 instance behind the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// How many ENIs of ours the node can hold, the published extended resource eniclaim.io/eni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    pub capacity: Option<u32>,
    /// The network cards of the instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub cards: Vec<Card>,
    /// What is in the slots of the cards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub slots: Vec<Slot>,
    /// What the node's agent says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// AgentReady, NodeSupported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The EC2 instance behind the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Id of the instance.
    pub id: InstanceId,
    /// Its type, for example m5.large.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Its availability zone.
    #[schemars(length(max = 32))]
    pub zone: String,
}

/// One network card of the instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// Index of the card.
    #[schemars(range(max = 63))]
    #[schemars(extend("format" = "int32"))]
    pub index: u32,
    /// How many ENIs EC2 lets onto this card.
    #[schemars(extend("format" = "int32"))]
    pub limit: u32,
    /// How many of them are not ours.
    #[schemars(extend("format" = "int32"))]
    pub foreign: u32,
    /// How many of them are ours.
    #[schemars(extend("format" = "int32"))]
    pub ours: u32,
}

/// One occupied slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Index of the card.
    #[schemars(range(max = 63))]
    #[schemars(extend("format" = "int32"))]
    pub network_card: u32,
    /// Index of the device on the card.
    #[schemars(range(max = 127))]
    #[schemars(extend("format" = "int32"))]
    pub device_index: u32,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Version of the agent.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Boot id of the node when the agent started: an older one proves nothing about this boot.
    #[schemars(length(max = 64))]
    pub boot_id: String,
    /// UID of the agent's pod.
    #[schemars(length(max = 64))]
    pub pod_uid: String,
}
