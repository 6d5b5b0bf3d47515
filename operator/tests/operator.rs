//! The whole operator in one process: real kube client and AWS SDK against a small API server and EC2's rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// Scripts of what happens read better without these rules.
#![allow(
    clippy::format_collect,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::similar_names,
    clippy::unused_self
)]

/// As in the program; the allocator of musl would take a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "operator/actors.rs"]
mod actors;
#[path = "operator/agents.rs"]
mod agents;
#[path = "operator/attributes.rs"]
mod attributes;
#[path = "operator/check.rs"]
mod check;
#[path = "operator/cloud.rs"]
mod cloud;
#[path = "operator/connection.rs"]
mod connection;
#[path = "operator/drain.rs"]
mod drain;
#[path = "operator/farewell.rs"]
mod farewell;
#[path = "operator/faults.rs"]
mod faults;
#[path = "operator/full_nodes.rs"]
mod full_nodes;
#[path = "operator/hooks.rs"]
mod hooks;
#[path = "operator/judge.rs"]
mod judge;
#[path = "operator/lasting.rs"]
mod lasting;
#[path = "operator/lease.rs"]
mod lease;
#[path = "operator/measured.rs"]
mod measured;
#[path = "operator/neighbours.rs"]
mod neighbours;
#[path = "operator/prepared.rs"]
mod prepared;
#[path = "operator/process.rs"]
mod process;
#[path = "operator/random.rs"]
mod random;
#[path = "operator/static_pods.rs"]
mod static_pods;
#[path = "operator/story.rs"]
mod story;
#[path = "operator/users.rs"]
mod users;
#[path = "operator/wire.rs"]
mod wire;
#[path = "operator/wire_errors.rs"]
mod wire_errors;
#[path = "operator/wire_pages.rs"]
mod wire_pages;
#[path = "operator/world.rs"]
mod world;
