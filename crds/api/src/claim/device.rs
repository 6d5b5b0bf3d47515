//! Where the device of a claim is, reported by the node's agent.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    Time,
    id::{AttachmentId, PodUid},
};

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
    /// Addresses by which the pod and its node reach each other over a bridge, with the prefix length of the bridge's subnet, IPv4 first,
    /// for example 169.254.176.2/22.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::node::access_addresses")]
    pub node_access: Vec<IpNet>,
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
