//! What a class names in EC2, and what the operator says of it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use smol_str::SmolStr;

use crate::{
    Condition,
    id::{SecurityGroupId, SubnetId, Zone},
    schema::NeverNull,
};

/// Tags that something in EC2 carries, all of them: as the filters `tag:<key>` of EC2 compare them, so `*` stands for any text and
/// `?` for one character.
pub type Tags = BTreeMap<String, String>;

/// Subnets and security groups that a status shows at most: of subnets EC2's quota is 200 in a VPC.
pub const SHOWN: usize = 256;
/// Security groups that EC2 takes on one ENI, where the account's quota was raised as far as it goes.
pub const MOST_GROUPS: usize = 16;

/// Subnets by id, by tags, or by both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "has(self.ids) || has(self.tags)", "message": "subnets are named by ids, by tags, or by both: neither is there"
}])))]
pub struct Subnets {
    /// Subnet ids, for example subnet-0a1b2c3d4e5f60718.
    // Not a set: of a set server-side apply keeps no order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub ids: Vec<SubnetId>,
    /// Besides those by id, every subnet of the cluster's VPC that carries all of these tags. A value is compared as EC2's filters do:
    /// * stands for any text, ? for one character. Subnets that get or lose the tags are noticed within five minutes.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    #[schemars(schema_with = "tags")]
    pub tags: Tags,
    /// Which of the subnets in the zone of the pod's node is taken, of those with a free address.
    #[serde(default)]
    pub policy: SubnetPolicy,
}

/// Which of several subnets is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum SubnetPolicy {
    /// The first: in the order of `ids`, then those by tags in the order of their ids.
    #[default]
    Ordered,
    /// The one with the most free addresses, as EC2 last showed them.
    MostFree,
}

/// Security groups by id, by tags, or by both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "has(self.ids) || has(self.tags)", "message": "security groups are named by ids, by tags, or by both: neither is there"
}])))]
pub struct SecurityGroups {
    /// Security group ids, for example sg-0a1b2c3d4e5f60718. EC2 takes 16 on one ENI at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub ids: Vec<SecurityGroupId>,
    /// Besides those by id, every security group of the subnets' VPC that carries all of these tags. A value is compared as EC2's
    /// filters do: * stands for any text, ? for one character.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    #[schemars(schema_with = "tags")]
    pub tags: Tags,
}

// An empty value would look like any value, and be none: Karpenter refuses it as well and takes `*`.
fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "minProperties": 1, "maxProperties": 10,
        "additionalProperties": { "type": "string", "maxLength": 255 },
        "x-kubernetes-validations": [{
            "rule": "self.all(k, k.size() > 0 && k.size() <= 128 && self[k].size() > 0)",
            "message": "a tag to select by has a key of 1 to 128 characters and a value; for any value write *"
        }]
    })
}

/// Observed state, written by the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = NeverNull)]
pub struct ClassStatus {
    /// The class's metadata.generation that all of this was observed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int64"))]
    pub observed_generation: Option<i64>,
    /// Ready, SubnetsReady, SecurityGroupsReady.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// The subnets that the class names and EC2 has, in the order of the policy Ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub subnets: Vec<ClassSubnet>,
    /// The security groups that the class names and EC2 has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// How far the security groups have reached the ENIs of pods. Absent: each was given those of the class. While an edit is under way
    /// it is brought up to date every few seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<ClassRollout>,
}

/// How far the security groups of a class have reached the ENIs of pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassRollout {
    /// ENIs that were given the security groups of the class. One on hold (AWS tag eniclaim.io/hold), or one that somebody else changed
    /// and driftPolicy Report leaves so, is not among them after an edit.
    #[schemars(extend("format" = "int32"))]
    pub updated: u32,
    /// ENIs of the class that are in a pod, or on their way into one.
    #[schemars(extend("format" = "int32"))]
    pub total: u32,
    /// Why no more ENIs get the security groups, and what mends it. Absent: nothing is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 2_048))]
    pub paused: Option<SmolStr>,
}

/// One subnet of a class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassSubnet {
    /// Its id.
    pub id: SubnetId,
    /// The availability zone it lies in.
    pub zone: Zone,
    /// Its block of IPv4 addresses, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 18))]
    pub cidr: Option<SmolStr>,
    /// Its block of IPv6 addresses, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 43))]
    pub ipv6_cidr: Option<SmolStr>,
}

impl ClassStatus {
    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }
}
