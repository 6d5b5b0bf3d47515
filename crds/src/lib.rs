//! The custom resources: EniClass, EniClaim and EniNode, made of the nouns of the crate `api`.

// What stands here is what `kubectl explain` prints: names of kinds and calls without backticks.
#![allow(clippy::doc_markdown)]
// Each printed column has a type, a path and sometimes a priority of its own.
#![allow(clippy::duplicated_attributes)]

mod address_counts;
mod eni_claim;
mod eni_class;
mod eni_node;
mod selector;

pub use address_counts::AddressCounts;
pub use api::{
    ClaimStatus, ClassStatus, Condition, Interface, IpFamily, NodeStatus, Time, cidr, claim, class,
    condition, id, interface, interfaces, name,
    name::{
        AGENT, CLASS, CLASS_LABEL_PREFIX, FINALIZER, FORCE_DETACH, FORCE_FORGET, GROUP, OPERATOR,
        OUT_OF_SERVICE, RESOURCE, VERSION,
    },
    node, reason, security_groups, sysctl, tag, time,
};
pub use eni_claim::{ClaimInterface, EniClaim, EniClaimSpec, Owner, OwnerKind};
pub use eni_class::{EniClass, EniClassSpec};
pub use eni_node::{EniNode, EniNodeSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The definition of every kind.
pub fn all() -> [CustomResourceDefinition; 3] {
    [EniClass::crd(), EniClaim::crd(), EniNode::crd()]
}
