//! The custom resources: EniClass, EniClaim and EniNode, made of the nouns of the crate `api`.

// What stands here is what `kubectl explain` prints: names of kinds and calls without backticks.
#![allow(clippy::doc_markdown)]
// Each printed column has a type, a path and sometimes a priority of its own.
#![allow(clippy::duplicated_attributes)]

mod eni_claim;
mod eni_class;
mod eni_node;
mod selector;

pub use api::{
    ClaimStatus, Condition, Interface, NodeStatus, Time, cidr, claim, condition, id, interface,
    name,
    name::{
        AGENT, CLASS, CLASS_LABEL_PREFIX, FINALIZER, FORCE_DETACH, FORCE_FORGET, GROUP, OPERATOR,
        OUT_OF_SERVICE, RESOURCE, VERSION,
    },
    node, reason, sysctl, tag, time,
};
pub use eni_claim::{EniClaim, EniClaimSpec, Owner, OwnerKind};
pub use eni_class::{EniClass, EniClassSpec, SecurityGroups, Subnets};
pub use eni_node::{EniNode, EniNodeSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The definition of every kind.
pub fn all() -> [CustomResourceDefinition; 3] {
    [EniClass::crd(), EniClaim::crd(), EniNode::crd()]
}
