//! Who reaches a node over its bridges.

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::schema::NeverNull;

/// How many are shown. A bridge has at most 1023 ports (`BR_MAX_PORTS` in net/bridge/br_private.h).
pub const MOST: usize = 2048;
/// Length of an id that is shown, in characters.
pub const LONGEST_ID: usize = 128;

/// Addresses that a container has by the configuration of its network, to reach the node over a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = NeverNull)]
pub struct NodeAccess {
    /// The addresses with the prefix length that the interface shows, IPv4 first, for example 169.254.172.2/22.
    #[schemars(schema_with = "addresses")]
    pub addresses: Vec<IpNet>,
    /// The bridge; absent where another plugin makes the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    pub bridge: Option<String>,
    /// What the configuration calls the addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub id: Option<String>,
    /// Name of the network.
    #[schemars(length(max = 128))]
    pub network: String,
    /// The container, as the runtime names it.
    #[schemars(length(max = 128))]
    pub container_id: String,
    /// Name of the interface in the container.
    #[schemars(length(max = 15))]
    pub interface: String,
}

pub(crate) fn addresses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 2, "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "maxLength": 49, "pattern": "^[0-9a-f.:]+/[0-9]{1,3}$" }
    })
}
