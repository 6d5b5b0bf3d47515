//! The move towards the security groups of the class: of an ENI in use when its turn comes, of one that waits for a pod at once.

use super::{Look, Step};
use crate::groups::{Change, Standing, Turn, standing};

impl Look<'_> {
    /// Before a kept ENI is another pod's. Nobody uses it, so it needs no turn.
    pub(super) fn groups_first(&self) -> Option<Step> {
        if !self.claim.is_kept() {
            return None;
        }
        let wanted = || self.seen.groups.wanted.clone().unwrap_or_default();
        match standing(self.claim, self.seen, self.now) {
            Standing::Behind(Change::Edited, _) => Some(Step::WantGroups(wanted())),
            Standing::Requested => Some(Step::SetGroups(wanted())),
            // What somebody else did to it is told once a pod has it.
            Standing::Behind(Change::Drift, _)
            | Standing::Unknown
            | Standing::InSync
            | Standing::Held
            | Standing::Done
            | Standing::Overtaken
            | Standing::Doubted
            | Standing::Drifted => None,
        }
    }

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
