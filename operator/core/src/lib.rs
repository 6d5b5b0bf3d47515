//! The fleet of claims as a pure value, and every decision about it.

pub mod addresses;
pub mod admit;
pub mod backoff;
pub mod budget;
pub mod capacity;
pub mod check;
pub mod claim;
pub mod class_status;
pub mod cluster;
pub mod decision;
pub mod drain;
pub mod ec2;
pub mod error;
pub mod fact;
pub mod fleet;
pub mod goal;
pub mod groups;
pub mod lease;
mod leases;
pub mod marks;
pub mod message;
pub mod node_report;
pub mod order;
pub mod place;
pub mod reason;
pub mod request;
pub mod reserve;
pub mod resolve;
pub mod rollout;
pub mod seen;
pub mod status;
pub mod step;
pub mod subnet;
pub mod token;
pub mod uses;
pub mod weight;

pub use api::{
    Time,
    time::{MINUTE, SECOND},
};
pub use fact::{Change, Fact, Outcome};
pub use fleet::{Fleet, NodeRoom, Settings, Subject, SubnetRoom, SweepMode};
pub use lease::Term;
pub use order::{Order, Read, Target};
pub use reason::{Note, Reason};
pub use rollout::Rollout;
