//! What the documents say, held against the code, the charts and the Makefile, and how images are released; without a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "documents/commands.rs"]
mod commands;
#[path = "documents/examples.rs"]
mod examples;
#[path = "documents/iam.rs"]
mod iam;
#[path = "documents/links.rs"]
mod links;
#[path = "documents/markdown.rs"]
mod markdown;
#[path = "documents/release.rs"]
mod release;
#[path = "documents/words.rs"]
mod words;
