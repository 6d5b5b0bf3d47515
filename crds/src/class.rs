//! EniClass: what a StorageClass is to disks, for network interfaces; written by the administrator.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{InterfaceName, SecurityGroupId, SubnetId};

/// A kind of network interface: where its ENIs are made, who may use it and what they look like in a pod.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io", version = "v1alpha1", kind = "EniClass", plural = "eniclasses", singular = "eniclass",
    shortname = "eclass", category = "eniclaim", derive = "PartialEq",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniClass is a kind of network interface that pods can ask for by the label eniclaim.io/class.",
    printcolumn(name = "Subnets", type_ = "string", json_path = ".spec.subnets.ids"),
    printcolumn(name = "Security Groups", type_ = "string", json_path = ".spec.securityGroups.ids", priority = 1),
    printcolumn(name = "Interface", type_ = "string", json_path = ".spec.interface.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a class is a label value on pods: at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct EniClassSpec {
    /// Namespaces whose pods may use this class. Absent: none. Empty ({}): all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Where the ENIs are made: the subnets in the zone of the pod's node are tried in this order.
    pub subnets: Subnets,
    /// The security groups of the ENIs.
    pub security_groups: SecurityGroups,
    /// What the ENI looks like inside the pod.
    #[serde(default)]
    pub interface: Interface,
    /// AWS tags put on every ENI of this class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "tags")]
    #[x_kube(validation = Rule::new("self.all(k, k.size() > 0 && k.size() <= 128 && !k.startsWith('aws:') && !k.startsWith('eniclaim.io/') && !k.startsWith('node.k8s.amazonaws.com/') && k != 'Name')")
        .message("a tag key has 1 to 128 characters and is neither Name nor begins with aws:, eniclaim.io/ or node.k8s.amazonaws.com/, which are not yours to set"))]
    pub tags: BTreeMap<String, String>,
}

/// Subnets by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subnets {
    /// Subnet ids, for example subnet-0a1b2c3d4e5f60718.
    #[schemars(length(min = 1, max = 32))]
    pub ids: Vec<SubnetId>,
}

/// Security groups by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroups {
    /// Security group ids, for example sg-0a1b2c3d4e5f60718. EC2 takes 16 on one ENI at most.
    #[schemars(length(min = 1, max = 16))]
    pub ids: Vec<SecurityGroupId>,
}

/// What the ENI looks like inside the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

impl Default for Interface {
    fn default() -> Self {
        Self {
            name: InterfaceName::default(),
            default_route: DefaultRoute::Never,
            instance_metadata: InstanceMetadata::Blocked,
        }
    }
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

fn tags(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // EC2 takes 50 tags on a resource; ten are ours.
    schemars::json_schema!({
        "type": "object", "maxProperties": 40,
        "additionalProperties": { "type": "string", "maxLength": 256 }
    })
}
