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
    /// Whether the pod's default route leaves by the ENI.
    #[serde(default)]
    pub default_route: DefaultRoute,
    /// Whether the pod may reach the instance metadata service, and so the node's credentials, through the ENI.
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

/// Whether the instance metadata service is reachable through the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum InstanceMetadata {
    /// Refused: by routing rules, and by a packet filter on the device that raw sockets cannot pass.
    #[default]
    Blocked,
    /// As the VPC has it.
    Allowed,
}
