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
#[path = "cni/check.rs"]
mod check;
#[path = "cni/del.rs"]
mod del;
#[path = "cni/json.rs"]
mod json;
#[path = "cni/other_verbs.rs"]
mod other_verbs;
#[path = "cni/pass_through.rs"]
mod pass_through;
#[path = "cni/places.rs"]
mod places;
#[path = "cni/result.rs"]
mod result;
#[path = "cni/runtime.rs"]
mod runtime;
