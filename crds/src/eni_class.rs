//! EniClass: what a StorageClass is to disks, for network interfaces; written by the administrator.

use std::collections::BTreeMap;

use api::{
    ClassStatus, ConnectionTracking, DriftPolicy, Interface, IpFamily, SourceDestCheck,
    class::{SecurityGroups, Subnets},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::AddressCounts;

/// Where ENIs of this class are made, who may use them and what they look like in a pod.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io", version = "v1alpha1", kind = "EniClass", plural = "eniclasses", singular = "eniclass",
    shortname = "eclass", category = "eni", status = "ClassStatus", derive = "PartialEq",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniClass describes network interfaces that pods can ask for by the label eniclaim.io/class.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Interface", type_ = "string", json_path = ".spec.interface.name"),
    // A path with [*] would print the first element alone (apiextensions-apiserver, tableconvertor.go); this prints all.
    printcolumn(name = "Subnets", type_ = "string", json_path = ".spec.subnets.ids"),
    printcolumn(name = "Security Groups", type_ = "string", json_path = ".status.securityGroupIds"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.rollout.updated", priority = 1),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.rollout.total", priority = 1),
    printcolumn(name = "Paused", type_ = "string", json_path = ".status.rollout.paused", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a class is a label value on pods: at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.addressCounts) || ((!has(self.ipFamilies) || 'IPv4' in self.ipFamilies || !(has(self.addressCounts.ipv4) || has(self.addressCounts.ipv4Prefixes))) && (has(self.ipFamilies) && 'IPv6' in self.ipFamilies || !(has(self.addressCounts.ipv6) || has(self.addressCounts.ipv6Prefixes))))")
        .message("addressCounts counts addresses or prefixes of a family that ipFamilies does not list; add the family to ipFamilies, or take the count out"),
    validation = Rule::new("!has(self.ipFamilies) || 'IPv4' in self.ipFamilies || !has(self.addressCounts) || !has(self.addressCounts.ipv6Prefixes) || self.addressCounts.ipv6Prefixes < 1")
        .message("an ENI of IPv6 alone needs an IPv6 address, and EC2 gives a new ENI none beside IPv6 prefixes; take out ipv6Prefixes, or add IPv4 to ipFamilies"),
    validation = Rule::new("!has(self.interface) || !has(self.interface.mtu) || self.interface.mtu >= 1280 || !has(self.ipFamilies) || !('IPv6' in self.ipFamilies)")
        .message("IPv6 needs an MTU of at least 1280 (RFC 8200); raise interface.mtu, or take IPv6 out of ipFamilies")
)]
pub struct EniClassSpec {
    /// Namespaces whose pods may use this class. Absent: none. Empty ({}): all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::selector::label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Where the ENIs are made: only subnets in the zone of the pod's node. An edit holds for ENIs that are made later.
    pub subnets: Subnets,
    /// Families of the ENIs' addresses, the preferred one first: IPv4, IPv6 or both. IPv6 needs a subnet with an IPv6 block,
    /// IPv6 without IPv4 one of IPv6 alone (Ipv6Native), and IPv4 none of those. An edit holds for ENIs that are made later.
    #[serde(default = "ipv4_alone")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = Rule::new("self.size() < 2 || self[0] != self[1]").message("ipFamilies names a family twice"))]
    pub ip_families: Vec<IpFamily>,
    /// How many addresses and prefixes of each listed family an ENI gets. Absent: one address of each. An edit holds for ENIs
    /// that are made later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AddressCounts")]
    pub address_counts: Option<AddressCounts>,
    /// The security groups of the ENIs. An edit reaches ENIs in use as well: one at first, then more at a time, and no more when
    /// EC2 refuses them or a claim that got them is not Ready.
    pub security_groups: SecurityGroups,
    /// What happens when somebody else changes the security groups of an ENI.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
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

fn ipv4_alone() -> Vec<IpFamily> {
    vec![IpFamily::IPv4]
}

fn tags(_: &mut SchemaGenerator) -> Schema {
    // EC2 takes 50 tags on a resource; ten are ours.
    json_schema!({
        "type": "object", "maxProperties": 40,
        "additionalProperties": { "type": "string", "maxLength": 256 }
    })
}
