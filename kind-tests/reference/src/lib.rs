//! The reference is made and compared by this crate's tests: `make reference`.
