//! The frozen Create request of a claim.

use std::{collections::BTreeMap, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    ConnectionTracking, Time,
    id::{SecurityGroupId, SubnetId},
};

/// The frozen Create request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Creation {
    /// 1 for the first request; a request that differs is a new incarnation.
    #[schemars(range(min = 1))]
    #[schemars(extend("format" = "int32"))]
    pub incarnation: u32,
    /// ClientToken of the call: EC2 makes one ENI for one token, however often it is asked.
    #[schemars(length(max = 64))]
    pub token: SmolStr,
    /// The parameters of the call.
    pub request: CreateRequest,
    /// When the request was stored, before it was first sent.
    pub started_at: Time,
    /// What the answers so far prove, while no ENI is known. Absent: it may still be under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<CreateAnswer>,
}

/// What is known of the answers to a Create request that has shown no ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CreateAnswer {
    /// Every send was refused by an answer that excludes an ENI; the request is never sent again.
    Refused,
    /// At least one send ended without such an answer: EC2 may have made the ENI, and is searched for it by tag.
    Inconclusive,
}

/// Parameters of CreateNetworkInterface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest {
    /// Where the ENI is made.
    pub subnet_id: SubnetId,
    /// The groups it gets.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// How many addresses and prefixes it gets beside its primary IPv4 address. Absent: none.
    #[serde(default, skip_serializing_if = "RequestedCounts::are_absent")]
    pub counts: RequestedCounts,
    /// What the EC2 console shows as description.
    #[schemars(length(max = 255))]
    pub description: SmolStr,
    /// Idle time-outs of tracked connections, where the class sets any.
    #[serde(default, skip_serializing_if = "ConnectionTracking::is_empty")]
    pub connection_tracking: ConnectionTracking,
    /// All tags, ours and those of the class.
    #[schemars(schema_with = "frozen_tags")]
    pub tags: FrozenTags,
}

/// Addresses in a delegated IPv4 prefix, which is a /28.
pub const IPV4_PREFIX_SIZE: u32 = 16;

/// Counts of a Create request, named as the parameters of CreateNetworkInterface. Absent: the call does not name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestedCounts {
    /// IPv4 addresses beside the primary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 64), extend("format" = "int32"))]
    pub secondary_private_ip_address_count: Option<u8>,
    /// IPv4 prefixes, each a /28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 64), extend("format" = "int32"))]
    pub ipv4_prefix_count: Option<u8>,
    /// IPv6 addresses; 0 where the subnet would give one that nobody asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 64), extend("format" = "int32"))]
    pub ipv6_address_count: Option<u8>,
    /// IPv6 prefixes, each a /80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 64), extend("format" = "int32"))]
    pub ipv6_prefix_count: Option<u8>,
}

impl RequestedCounts {
    /// Whether the call names none.
    pub fn are_absent(&self) -> bool {
        *self == Self::default()
    }

    /// How many IPv4 addresses of a subnet the ENI takes, the primary one and those of prefixes included.
    pub fn ipv4_addresses(&self) -> u32 {
        let of = |count: Option<u8>| u32::from(count.unwrap_or(0));
        1 + of(self.secondary_private_ip_address_count)
            + IPV4_PREFIX_SIZE * of(self.ipv4_prefix_count)
    }
}

/// Tags as one text, since every claim keeps them as long as it lives and they are read only when the request is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<SmolStr, SmolStr>",
    into = "BTreeMap<SmolStr, SmolStr>"
)]
pub struct FrozenTags(Arc<str>);

impl From<BTreeMap<SmolStr, SmolStr>> for FrozenTags {
    fn from(tags: BTreeMap<SmolStr, SmolStr>) -> Self {
        // A map of texts is JSON.
        Self(serde_json::to_string(&tags).unwrap_or_default().into())
    }
}

impl From<FrozenTags> for BTreeMap<SmolStr, SmolStr> {
    fn from(tags: FrozenTags) -> Self {
        tags.to_map()
    }
}

impl FrozenTags {
    /// Each value by its key.
    pub fn to_map(&self) -> BTreeMap<SmolStr, SmolStr> {
        // It was made of such a map.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn frozen_tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 50,
        "additionalProperties": { "type": "string", "maxLength": 512 }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_an_earlier_version_froze_is_read_and_written_as_it_was() {
        let frozen = r#"{"subnetId":"subnet-0a1b2c3d4e5f60718","securityGroupIds":[],"description":"d","tags":{"a":"b"}}"#;
        let request: CreateRequest = serde_json::from_str(frozen).unwrap();
        assert!(request.counts.are_absent());
        assert_eq!(request.counts.ipv4_addresses(), 1);
        assert_eq!(serde_json::to_string(&request).unwrap(), frozen);
    }
}
