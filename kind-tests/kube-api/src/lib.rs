//! The Kubernetes API server's rules as a pure value: requests and the time in, answers and watch events out.
//!
//! Nothing here does I/O or looks at a clock. UIDs and generated names come from a counter, so equal histories give
//! equal servers. [`conformance`] compares it with a real server. Not here: authorization, admission plugins other than
//! namespaces and quotas, validation of built-in kinds beyond Events, Leases and changes of pods, directives of strategic
//! merge patches, conversion between versions.

mod answer;
mod apply;
mod call;
pub mod conformance;
mod controllers;
mod create;
mod delete;
mod failure;
mod fields;
pub mod json;
mod kind;
mod list;
mod managers;
mod merge;
mod metadata;
mod names;
mod patch;
mod quota;
mod refusal;
mod request;
mod schema;
mod selector;
mod store;
mod strategic;
mod strategy;
mod update;
mod watch;

pub use answer::Answer;
pub use failure::{Failure, Failures, How};
pub use kind::{Kind, Kinds};
pub use refusal::{Cause, Refusal};
pub use request::{Method, Request};
pub use store::{Api, Id, Snapshot};
pub use watch::{Shown, Watch};
