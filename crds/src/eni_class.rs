//! EniClass: what a StorageClass is to disks, for network interfaces; written by the administrator.

use std::collections::BTreeMap;

use api::{
    ConnectionTracking, Interface, SourceDestCheck,
    id::{SecurityGroupId, SubnetId},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where ENIs of this class are made, who may use them and what they look like in a pod.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io", version = "v1alpha1", kind = "EniClass", plural = "eniclasses", singular = "eniclass",
    shortname = "eclass", category = "eni", derive = "PartialEq",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniClass describes network interfaces that pods can ask for by the label eniclaim.io/class.",
    printcolumn(name = "Interface", type_ = "string", json_path = ".spec.interface.name"),
    // A path with [*] would print the first element alone (apiextensions-apiserver, tableconvertor.go); this prints all.
    printcolumn(name = "Subnets", type_ = "string", json_path = ".spec.subnets.ids"),
    printcolumn(name = "Security Groups", type_ = "string", json_path = ".spec.securityGroups.ids"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a class is a label value on pods: at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct EniClassSpec {
    /// Namespaces whose pods may use this class. Absent: none. Empty ({}): all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::selector::label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Where the ENIs are made: the subnets in the zone of the pod's node are tried in this order.
    pub subnets: Subnets,
    /// The security groups of the ENIs.
    pub security_groups: SecurityGroups,
    /// What the ENI looks like inside the pod. An edit reaches the pods whose interface is not plugged in yet.
    #[serde(default)]
    pub interface: Interface,
    /// Whether EC2 drops what is neither from nor to an address of the ENI. Disabled: the pod may forward traffic of others. An edit
    /// reaches ENIs that are not attached yet.
    #[serde(default)]
    pub source_dest_check: SourceDestCheck,
    /// Idle time-outs of tracked connections, for ENIs that are made from now on.
    #[serde(default, skip_serializing_if = "ConnectionTracking::is_empty")]
    pub connection_tracking: ConnectionTracking,
    /// AWS tags put on every ENI of this class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "tags")]
    #[x_kube(validation = Rule::new("self.all(k, k.size() > 0 && k.size() <= 128 && !k.startsWith('aws:') && !k.startsWith('eniclaim.io/') && !k.startsWith('node.k8s.amazonaws.com/') && k != 'Name')")
        .message("a tag key has 1 to 128 characters and is neither Name nor begins with aws:, eniclaim.io/ or node.k8s.amazonaws.com/, which are not yours to set"))]
    pub tags: BTreeMap<String, String>,
}

/// Subnets by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subnets {
    /// Subnet ids, for example subnet-0a1b2c3d4e5f60718.
    // Not a set: of a set server-side apply keeps no order.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub ids: Vec<SubnetId>,
}

/// Security groups by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroups {
    /// Security group ids, for example sg-0a1b2c3d4e5f60718. EC2 takes 16 on one ENI at most.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub ids: Vec<SecurityGroupId>,
}

fn tags(_: &mut SchemaGenerator) -> Schema {
    // EC2 takes 50 tags on a resource; ten are ours.
    json_schema!({
        "type": "object", "maxProperties": 40,
        "additionalProperties": { "type": "string", "maxLength": 256 }
    })
}
