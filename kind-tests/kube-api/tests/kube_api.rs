//! The server's rules, each shown by a request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod kube_api {
    pub mod apply;
    pub mod deletes;
    pub mod lists;
    pub mod makers;
    pub mod metadata;
    pub mod scripts;
    pub mod writes;
}
