//! The move towards the security groups of the class, of an ENI in use.

use super::{Look, Step};
use crate::groups::{Standing, Turn, standing};

impl Look<'_> {
    /// Everything else is there.
    pub(super) fn groups(&self) -> Step {
        let wanted = || self.seen.groups.wanted.clone().unwrap_or_default();
        match standing(self.claim, self.seen, self.now) {
            Standing::Behind(_, Turn::Now) => Step::WantGroups(wanted()),
            Standing::Requested => Step::SetGroups(wanted()),
            Standing::Behind(_, Turn::Later | Turn::Halted(_))
            | Standing::Unknown
            | Standing::InSync
            | Standing::Held
            | Standing::Done
            | Standing::Overtaken
            | Standing::Doubted
            | Standing::Drifted => Step::Ready,
        }
    }
}
