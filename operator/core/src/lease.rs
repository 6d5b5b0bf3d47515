//! Who leads.

use api::Time;

/// Whether this process leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Another process leads, or nobody: nothing is changed, everything is read.
    Standby,
    /// This process leads until then.
    Leader {
        /// When no call may still be on its way.
        until: Time,
    },
}
