//! The move towards the security groups of the class: of an ENI in use when its turn comes, of one that waits for a pod at once.

use super::{Look, Step};
use crate::groups::{Change, Standing, Turn, standing};

impl Look<'_> {
    /// Before a kept ENI is another pod's. Nobody uses it, so it needs no turn; what somebody else did to it is told once a pod has it.
    pub(super) fn groups_first(&self) -> Option<Step> {
        self.claim
            .is_kept()
            .then(|| self.regroup(|change, _| change == Change::Edited))
            .flatten()
    }

    /// Everything else is there.
    pub(super) fn groups(&self) -> Step {
        let step = self.regroup(|_, turn| *turn == Turn::Now);
        step.unwrap_or(Step::Ready)
    }

    fn regroup(&self, may_begin: impl Fn(Change, &Turn) -> bool) -> Option<Step> {
        let wanted = || self.seen.groups.wanted.clone().unwrap_or_default();
        match standing(self.claim, self.seen, self.now) {
            Standing::Behind(change, turn) => {
                may_begin(change, turn).then(|| Step::WantGroups(wanted()))
            }
            Standing::Requested => Some(Step::SetGroups(wanted())),
            Standing::Unknown
            | Standing::InSync
            | Standing::Held
            | Standing::Done
            | Standing::Overtaken
            | Standing::Doubted
            | Standing::Drifted => None,
        }
    }
}
