//! The fleet of claims as a pure value, and every decision about it.

pub mod backoff;
pub mod bind;
pub mod capacity;
pub mod claim;
pub mod cloud;
pub mod cluster;
pub mod fleet;
pub mod id;
pub mod kind;
pub mod lease;
pub mod order;
pub mod place;
pub mod plan;
pub mod reason;
pub mod report;
pub mod status;
pub mod subnet;
pub mod time;
pub mod token;

pub use fleet::Fleet;
pub use kind::Kind;
pub use order::{Change, Effect, Fact, Order, Outcome, Question, Target};
pub use plan::{Decision, Seen, plan};
pub use reason::{Note, Reason};
pub use time::Time;
