//! The nouns of eniclaim, each defined once: custom resources, both cores, operator and agent are made of them.
//!
//! Plain values without I/O: they compare, hash, and serialise as the API server stores them.

// What stands here is what `kubectl explain` prints: names of kinds and calls without backticks.
#![allow(clippy::doc_markdown)]

pub mod attributes;
pub mod cidr;
pub mod claim;
pub mod class;
pub mod condition;
pub mod family;
pub mod id;
pub mod interface;
pub mod interfaces;
pub mod name;
pub mod node;
pub mod persistent;
pub mod reason;
pub mod schema;
pub mod security_groups;
pub mod sysctl;
pub mod tag;
pub mod time;
mod words;

pub use attributes::{ConnectionTracking, SourceDestCheck};
pub use claim::ClaimStatus;
pub use class::ClassStatus;
pub use condition::{Condition, ConditionStatus};
pub use family::IpFamily;
pub use interface::Interface;
pub use ipnet;
pub use node::NodeStatus;
pub use reason::Reason;
pub use security_groups::DriftPolicy;
pub use smol_str::{SmolStr, ToSmolStr};
pub use time::Time;
