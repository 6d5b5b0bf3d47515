//! The charts as Helm renders them, without a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "charts/crds.rs"]
mod crds;
#[path = "charts/helm.rs"]
mod helm;
#[path = "charts/policy.rs"]
mod policy;
