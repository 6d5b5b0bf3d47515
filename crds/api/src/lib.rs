//! The nouns of eniclaim, each defined once: custom resources, both cores, operator and agent are made of them.
//!
//! Plain values without I/O: they compare, hash, and serialise as the API server stores them.

// What stands here is what `kubectl explain` prints: names of kinds and calls without backticks.
#![allow(clippy::doc_markdown)]

pub mod cidr;
pub mod claim;
pub mod condition;
pub mod id;
pub mod interface;
pub mod name;
pub mod node;
pub mod reason;
pub mod schema;
pub mod sysctl;
pub mod tag;
pub mod time;
mod words;

pub use claim::ClaimStatus;
pub use condition::{Condition, ConditionStatus};
pub use interface::Interface;
pub use node::NodeStatus;
pub use reason::Reason;
pub use smol_str::{SmolStr, ToSmolStr};
pub use time::Time;
