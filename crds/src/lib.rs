//! The nouns of eniclaim: what users and both daemons agree on, and nothing that acts.

// What stands here is what `kubectl explain` prints: names of kinds and calls without backticks.
#![allow(clippy::doc_markdown)]
// Each printed column has a type, a path and sometimes a priority of its own.
#![allow(clippy::duplicated_attributes)]

pub mod claim;
pub mod class;
pub mod condition;
pub mod ids;
pub mod node;
mod schema;

pub use claim::{EniClaim, EniClaimSpec, EniClaimStatus};
pub use class::{EniClass, EniClassSpec};
pub use condition::Condition;
pub use node::{EniNode, EniNodeSpec, EniNodeStatus};

/// API group of every kind in this crate.
pub const GROUP: &str = "eniclaim.io";
/// The only version served today.
pub const VERSION: &str = "v1alpha1";

/// Label **and** annotation by which a pod asks for an ENI of the class it names.
/// The label is what the operator selects by, the annotation is what the CNI plugin sees.
pub const CLASS: &str = "eniclaim.io/class";
/// Extended resource of a node: how many ENIs of ours it can hold. One is used per interface of a pod.
pub const RESOURCE: &str = "eniclaim.io/eni";
/// Prefix of the node label `class.eniclaim.io/<class>: "true"`: the class can work on this node.
pub const CLASS_LABEL_PREFIX: &str = "class.eniclaim.io/";
/// Finalizer of a claim: held until its ENI is gone from EC2.
pub const FINALIZER: &str = "eniclaim.io/eni";

/// Field manager under which the operator applies its part of a status.
pub const OPERATOR: &str = "eniclaim-operator";
/// Field manager under which a node's agent applies its part of a status.
pub const AGENT: &str = "eniclaim-agent";

/// AWS tags that the operator writes at creation; an ENI without our [`tag::CLUSTER`] is never touched.
pub mod tag {
    /// The cluster that owns the ENI (chart value `clusterId`).
    pub const CLUSTER: &str = "eniclaim.io/cluster";
    /// UID of the claim that owns the ENI: the proof of ownership.
    pub const CLAIM_UID: &str = "eniclaim.io/claim-uid";
    /// `<namespace>/<name>` of the claim, for people.
    pub const CLAIM: &str = "eniclaim.io/claim";
    /// Class of the claim, for people and bills.
    pub const CLASS: &str = "eniclaim.io/class";
    /// When the Create request was frozen, RFC 3339: EC2 itself returns no creation time.
    pub const CREATED_AT: &str = "eniclaim.io/created-at";
    /// Which incarnation of the claim made the ENI.
    pub const INCARNATION: &str = "eniclaim.io/incarnation";
    /// The AWS VPC CNI leaves ENIs alone that carry this tag with the value `true`.
    pub const NO_MANAGE: &str = "node.k8s.amazonaws.com/no_manage";
    /// What the EC2 console shows.
    pub const NAME: &str = "Name";
}
