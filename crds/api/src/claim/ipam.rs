//! The addresses of a claim's ENI.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::cidr::ip;

/// The addresses of the ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Ipam {
    /// Addresses with the prefix length and router of their subnet, those of the family first that the class lists first.
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub addresses: Vec<Address>,
    /// Prefixes that are delegated to the ENI, for example 10.0.1.16/28: the VPC routes all of their addresses to it. The pod
    /// may use each of them; none is on the interface before the pod puts it there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "prefixes")]
    pub prefixes: Vec<IpNet>,
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
    /// The VPC's router in that subnet, for example 10.0.1.1; of IPv6 fe80:ec2::1, which is the router in every subnet.
    #[schemars(schema_with = "ip")]
    pub gateway: IpAddr,
    /// Which of the ENI's addresses it is.
    pub role: AddressRole,
}

/// What EC2 calls an address of an ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AddressRole {
    /// The first of its family that the ENI was made with; that of IPv4 never changes.
    Primary,
    /// Another one.
    Secondary,
}

fn prefixes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 128, "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "maxLength": 49, "pattern": "^[0-9a-f.:]+/[0-9]{1,3}$" }
    })
}
