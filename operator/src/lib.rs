//! The operator's shell: watches feed one owner of the fleet, executors carry out its orders; no policy of its own.

mod border;
mod clock;
pub mod ec2;
mod error;
mod events;
mod execute;
pub mod http;
pub mod lease;
mod metrics;
mod monitor;
pub mod options;
mod owner;
mod watch;

pub use clock::Clock;
pub use error::Error;
pub use monitor::Monitor;
pub use options::Options;
pub use owner::run;
