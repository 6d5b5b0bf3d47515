//! Standard error, as long as it is there: `eprintln!` panics when its terminal has been closed.

use std::{
    fmt::Display,
    io::{Write, stderr},
};

/// Writes one line, unless standard error is closed.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(stderr(), "{line}");
}
