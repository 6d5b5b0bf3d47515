//! What DHCP servers lease to a claim's interface.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{IpFamily, cidr::ip};

/// How the interface stands with the DHCP servers of one IP family, and what they say. A renewal that says the same is not written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// IPv4: by DHCPv4; IPv6: by DHCPv6.
    pub family: IpFamily,
    /// Whether there is a lease.
    pub state: LeaseState,
    /// Addresses that are leased, or, if they differ from the claim's, offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "ips")]
    pub addresses: Vec<IpAddr>,
    /// Length of the prefix of their subnet. DHCPv6 says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(max = 128), extend("format" = "int32"))]
    pub prefix_length: Option<u8>,
    /// Prefixes that are delegated to the interface, or offered, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "nets")]
    pub prefixes: Vec<IpNet>,
    /// The server: its address, or its DUID in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub server: Option<String>,
    /// DNS servers, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "ips")]
    pub dns_servers: Vec<IpAddr>,
    /// The domain of the VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub domain_name: Option<String>,
    /// Domains to search, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "domains")]
    pub search_domains: Vec<String>,
    /// NTP servers, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "ips")]
    pub ntp_servers: Vec<IpAddr>,
    /// MTU in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(max = 65535), extend("format" = "int32"))]
    pub mtu: Option<u16>,
    /// Routes. Where dhcp is Maintain they are only what the server says; the routes of the pod are the class's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub routes: Vec<LeasedRoute>,
}

/// Whether there is a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LeaseState {
    /// There is: for what the claim has, or where dhcp is Configure for what the interface has.
    Leased,
    /// A server offers other addresses than the claim's, and no lease was taken.
    Differs,
    /// A server refused what was asked for.
    Refused,
    /// There was, until it ended.
    Expired,
    /// Another host uses the address that was leased, and the lease was declined.
    Conflict,
    /// No server answers.
    NoAnswer,
}

/// A route that a DHCP server names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LeasedRoute {
    /// The destination.
    #[schemars(schema_with = "net")]
    pub dst: IpNet,
    /// The router; absent: the destination is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ip")]
    pub via: Option<IpAddr>,
}

fn net(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 49, "pattern": "^[0-9a-f.:]+/[0-9]{1,3}$" })
}

fn list(items: &Schema) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic", "items": items
    })
}

fn ips(generator: &mut SchemaGenerator) -> Schema {
    list(&ip(generator))
}

fn nets(generator: &mut SchemaGenerator) -> Schema {
    list(&net(generator))
}

fn domains(_: &mut SchemaGenerator) -> Schema {
    list(&json_schema!({ "type": "string", "maxLength": 253 }))
}
