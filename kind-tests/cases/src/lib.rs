//! Which cases of the catalogue, and which shapes of an interface, are covered by tests that passed.
//!
//! A test says in its doc comment what it covers: `/// Cases: M01, I04.`, `/// Shape: IPv4, 1 or 2 interfaces, Primary.`. Which
//! tests passed is what `kind-tests/recorded.sh` kept of their programs' output.

pub mod catalogue;
pub mod passed;
pub mod shape;
pub mod source;

use std::path::PathBuf;

/// The repository.
pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
