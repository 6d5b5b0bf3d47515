//! What operator and agent say of themselves: one format of log lines, one vocabulary of log fields and of metrics.

pub mod failure;
pub mod field;
pub mod label;
pub mod line;
pub mod log;
pub mod outcome;
pub mod registry;

pub use failure::Failure;
pub use label::Label;
pub use outcome::Outcome;
pub use registry::Registry;

/// Content type of `/metrics`. Prometheus 3 refuses an answer that names none.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
