//! The charts as Helm renders them, without a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "charts/crds.rs"]
mod crds;
#[path = "charts/golden.rs"]
mod golden;
#[path = "charts/helm.rs"]
mod helm;
#[path = "charts/observed.rs"]
mod observed;
#[path = "charts/pods.rs"]
mod pods;
#[path = "charts/policy.rs"]
mod policy;
#[path = "charts/readme.rs"]
mod readme;
#[path = "charts/refused.rs"]
mod refused;
#[path = "charts/values.rs"]
mod values;
