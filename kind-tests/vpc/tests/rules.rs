//! EC2's rules, each by example, and what holds whatever is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "rules/always.rs"]
mod always;
#[path = "rules/attach.rs"]
mod attach;
#[path = "rules/create.rs"]
mod create;
#[path = "rules/describe.rs"]
mod describe;
#[path = "rules/dhcp.rs"]
mod dhcp;
#[path = "rules/families.rs"]
mod families;
#[path = "rules/lifecycle.rs"]
mod lifecycle;
#[path = "rules/makers.rs"]
mod makers;
#[path = "rules/mutation.rs"]
mod mutation;
#[path = "rules/saved.rs"]
mod saved;
#[path = "rules/settings.rs"]
mod settings;
#[path = "rules/stale.rs"]
mod stale;
#[path = "rules/tags.rs"]
mod tags;
#[path = "rules/throttle.rs"]
mod throttle;
