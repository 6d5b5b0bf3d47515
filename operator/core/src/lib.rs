//! The fleet of claims as a pure value, and every decision about it.

pub mod claim;
pub mod cluster;
pub mod ec2;
pub mod error;
pub mod fleet;
pub mod lease;
pub mod order;
pub mod reason;

pub use api::{
    Time,
    time::{MINUTE, SECOND},
};
pub use fleet::{Fleet, Settings, SweepMode};
pub use lease::Term;
pub use order::{Change, Fact, Order, Outcome, Read, Target};
pub use reason::{Note, Reason};
