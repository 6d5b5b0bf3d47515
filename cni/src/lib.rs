//! The contract between container runtimes, the plugin `eniclaim` and the node's agent.

pub mod agent;
pub mod config;
pub mod environment;
pub mod error;
pub mod plugin;
pub mod protocol;
pub mod result;
pub mod tombstone;
pub mod version;

pub use error::CniError;
