//! The agent of one node: it plugs the ENIs of its claims into pods and returns them to the host.

pub mod agent;
pub mod api;
pub mod claim;
pub mod dhcp;
pub mod engine;
pub mod error;
pub mod health;
pub mod heartbeat;
pub mod http;
pub mod install;
mod instance_metadata;
pub mod journal;
pub mod kernel;
pub mod lease;
mod lock;
pub mod metrics;
pub mod options;
pub mod plug;
pub mod ports;
pub mod presence;
pub mod report;
pub mod socket;
pub mod status;
pub mod supervision;
mod threads;
mod trouble;
pub mod watch;

pub use error::Error;
