//! EniClaim: one ENI for one owner; its status is the address book.

use api::{
    ClaimStatus,
    id::{ClassName, InterfaceName},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ENI that is wanted.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io", version = "v1alpha1", kind = "EniClaim", plural = "eniclaims", singular = "eniclaim",
    shortname = "eclaim", category = "eni", namespaced, status = "ClaimStatus", derive = "PartialEq",
    selectable = ".status.nodeName",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniClaim is one Elastic Network Interface: for one pod, or, where somebody made the claim, for the pods that name it, one after the other. Its status says what was allocated, where it is and what it waits for.",
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.className"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Pod", type_ = "string", json_path = ".status.binding.podName"),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName"),
    printcolumn(name = "ENI", type_ = "string", json_path = ".status.eni.id"),
    printcolumn(name = "IP", type_ = "string", json_path = ".status.ipam.addresses[0].address"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    // The router of every IPv6 address, and of no other one.
    printcolumn(name = "IPv6", type_ = "string", json_path = ".status.ipam.addresses[?(@.gateway==\"fe80:ec2::1\")].address", priority = 1),
    printcolumn(name = "MAC", type_ = "string", json_path = ".status.eni.mac", priority = 1),
    printcolumn(name = "Zone", type_ = "string", json_path = ".status.eni.zone", priority = 1),
    printcolumn(name = "Subnet", type_ = "string", json_path = ".status.eni.subnetId", priority = 1),
    printcolumn(name = "Card", type_ = "integer", json_path = ".status.attachment.networkCard", priority = 1),
    printcolumn(name = "Index", type_ = "integer", json_path = ".status.attachment.deviceIndex", priority = 1),
    printcolumn(name = "IfName", type_ = "string", json_path = ".status.device.ifName", priority = 1),
    printcolumn(name = "Lease", type_ = "string", json_path = ".status.conditions[?(@.type==\"Leased\")].reason", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a claim has at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.owner) == has(oldSelf.owner) && (!has(self.owner) || self.owner == oldSelf.owner)")
        .message("owner cannot change; a claim belongs to one pod, or was made by hand"),
    validation = Rule::new("has(self.interface) == has(oldSelf.interface) && (!has(self.interface) || self.interface == oldSelf.interface)")
        .message("interface cannot change; delete the pod and create it again with the other annotation eniclaim.io/interfaces")
)]
pub struct EniClaimSpec {
    /// The EniClass that says where and how the ENI is made.
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("className cannot change; delete the pod and make it again with the other class"))]
    pub class_name: ClassName,
    /// The pod that the ENI is for and goes with. The operator writes it when it makes the claim for a pod. Absent: the ENI stays until the
    /// claim is deleted, and pods use it, one at a time: those that name it in the annotation eniclaim.io/claim, and of a StatefulSet with the
    /// annotation eniclaim.io/persistent the one of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Owner", extend("x-kubernetes-map-type" = "atomic"))]
    pub owner: Option<Owner>,
    /// Which of the pod's interfaces the ENI becomes. The operator writes it when it makes the claim for a pod that asks for
    /// interfaces by name (annotation eniclaim.io/interfaces). Absent: the pod has one, and it is named as the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClaimInterface", extend("x-kubernetes-map-type" = "atomic"))]
    pub interface: Option<ClaimInterface>,
}

/// What the claim says of its interface, and not the class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimInterface {
    /// Name of the interface in the pod.
    pub name: InterfaceName,
}

/// For whom the ENI is; `kind` says what the other fields are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// Pod or StaticPod: the claim is deleted with this pod.
    pub kind: OwnerKind,
    /// Name of the owner, in the namespace of the claim.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// UID of the owner: a pod made again under the same name is another owner. Of a static pod it is the UID that kubelet gave
    /// it, the annotation kubernetes.io/config.mirror of its mirror, which stays the same when the mirror is made again.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}

/// The kinds of owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OwnerKind {
    /// One pod of the API server.
    Pod,
    /// One pod that kubelet runs from a manifest of its own; the API server has a mirror of it.
    StaticPod,
}
