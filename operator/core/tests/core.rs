//! The core against EC2's rules, in any order of events.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "core/claims.rs"]
mod claims;
#[path = "core/ec2.rs"]
mod ec2;
#[path = "core/executor.rs"]
mod executor;
#[path = "core/lease.rs"]
mod lease;
#[path = "core/planning.rs"]
mod planning;
#[path = "core/properties.rs"]
mod properties;
#[path = "core/world.rs"]
mod world;
