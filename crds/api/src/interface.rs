//! What an ENI looks like inside a pod: the part of a class that the agent obeys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::InterfaceName;

/// What the ENI looks like inside the pod. A claim carries it as the class said when the device was last not in the pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Name of the interface in the pod.
    #[serde(default)]
    pub name: InterfaceName,
    /// MTU in bytes. Absent: 9001, that of a VPC, as far as the device can. Below 1280 the kernel has no IPv6 on it (RFC 8200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 576, max = 9001), extend("format" = "int32"))]
    pub mtu: Option<u32>,
    /// Whether the pod's default route leaves by the ENI.
    #[serde(default)]
    pub default_route: DefaultRoute,
    /// Whether the pod may reach the instance metadata service, and so the node's credentials. Blocked holds for the whole pod,
    /// also through its other interfaces such as eth0.
    #[serde(default)]
    pub instance_metadata: InstanceMetadata,
}

/// Whether the pod's default route leaves by the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum DefaultRoute {
    /// The main routing table stays as it was; only traffic from the ENI's own addresses leaves by the ENI.
    #[default]
    Never,
}

/// Whether the pod may reach the instance metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum InstanceMetadata {
    /// Refused: by routing rules for every interface of the pod, and by a packet filter on the ENI that raw sockets cannot pass.
    /// A container with NET_ADMIN can undo both; the claim's condition MetadataBlocked is then False.
    #[default]
    Blocked,
    /// As the node and the VPC have it.
    Allowed,
}
