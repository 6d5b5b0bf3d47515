//! The contract between container runtimes, the plugin `eniclaim` and the node's agent.

pub mod agent;
pub mod config;
pub mod environment;
pub mod json;
pub mod netns;
pub mod plugin;
mod reply;
pub mod result;
pub mod tombstone;
pub mod version;

pub use cni_protocol::{self as protocol, CniError, error};
