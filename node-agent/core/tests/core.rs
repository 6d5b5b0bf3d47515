//! The pure core.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "core/absence.rs"]
mod absence;
#[path = "core/custody.rs"]
mod custody;
#[path = "core/default_route.rs"]
mod default_route;
#[path = "core/dhcp.rs"]
mod dhcp;
#[path = "core/diff.rs"]
mod diff;
#[path = "core/difference.rs"]
mod difference;
#[path = "core/kernel.rs"]
mod kernel;
#[path = "core/layout.rs"]
mod layout;
#[path = "core/makers.rs"]
mod makers;
#[path = "core/plan.rs"]
mod plan;
#[path = "core/ports.rs"]
mod ports;
#[path = "core/replaced.rs"]
mod replaced;
#[path = "core/story.rs"]
mod story;
