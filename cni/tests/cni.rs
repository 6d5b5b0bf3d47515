//! The real binary against a scripted agent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "cni/add.rs"]
mod add;
#[path = "cni/bad_input.rs"]
mod bad_input;
#[path = "cni/binary.rs"]
mod binary;
#[path = "cni/del.rs"]
mod del;
#[path = "cni/other_verbs.rs"]
mod other_verbs;
#[path = "cni/runtime.rs"]
mod runtime;
