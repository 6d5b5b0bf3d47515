//! The operator's shell: watches feed one owner of the fleet, executors carry out its orders; no policy of its own.

// Prepared answers and objects of the unit tests.
#![cfg_attr(test, allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps))]

mod clock;
mod closed;
mod convert;
pub mod ec2;
mod error;
mod events;
mod execute;
pub mod hooks;
pub mod http;
mod kubernetes;
pub mod lease;
mod log;
mod metrics;
mod monitor;
pub mod options;
mod owner;
#[cfg(test)]
mod script;
mod watch;

pub use clock::Clock;
pub use error::Error;
pub use kubernetes::{client, head_limit};
pub use monitor::Monitor;
pub use options::Options;
pub use owner::run;
