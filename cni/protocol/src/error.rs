//! The one error a plugin can give: a code that programs know and a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Error codes of the CNI specification (1.1.0, "Error"), and ours from 100 on; documented and stable.
pub mod code {
    /// The configuration's cniVersion is not one of ours.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// An environment variable is missing or malformed; the message names it.
    pub const ENVIRONMENT: u32 = 4;
    /// Reading or writing failed.
    pub const IO: u32 = 5;
    /// The configuration on stdin is not JSON.
    pub const DECODING: u32 = 6;
    /// The configuration is JSON, but not one of ours.
    pub const CONFIGURATION: u32 = 7;
    /// Nothing is wrong for ever: the runtime should try again.
    pub const TRY_LATER: u32 = 11;
    /// The kernel refused a step; everything done before was undone.
    pub const KERNEL: u32 = 100;
    /// Plugin and agent do not understand each other.
    pub const PROTOCOL: u32 = 101;
    /// CHECK found something else than what ADD gave.
    pub const DIFFERENT: u32 = 102;
}

/// What a failed verb prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CniError {
    /// One of [`code`].
    pub code: u32,
    /// One sentence: what is so, and the way out.
    pub msg: String,
}

impl CniError {
    /// An error with one of the codes of [`code`].
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
        }
    }
}

impl fmt::Display for CniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)
    }
}

impl std::error::Error for CniError {}
