//! The core against EC2's rules, in any order of events.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "core/lease.rs"]
mod lease;
