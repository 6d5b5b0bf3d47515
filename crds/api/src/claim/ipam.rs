//! The addresses of a claim's ENI.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cidr::ip;

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

impl Ipam {
    /// The ENI's primary address.
    pub fn primary(&self) -> Option<&Address> {
        self.addresses.first()
    }
}
