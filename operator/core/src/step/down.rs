//! The way down: release, detach, delete, let go.

use api::{
    claim::{CreateAnswer, Creation, Eni},
    id::EniId,
};

use super::{Look, Step};
use crate::{
    reason::{Note, Reason},
    seen::{EniSeen, Search, Sends},
};

impl Look<'_> {
    pub(super) fn down(&self) -> Step {
        let status = &self.claim.status;
        match (&status.eni, &status.creation) {
            (Some(eni), _) if self.claim.force_forget.as_ref() == Some(&eni.id) => {
                Step::Forget(eni.id.clone())
            }
            (Some(eni), _) => self.take_away(eni),
            (None, Some(creation)) => self.resolve(creation),
            (None, None) => match &self.seen.eni {
                // The status was lost.
                EniSeen::Shown(view, _) => self.record(view),
                EniSeen::Unknown | EniSeen::Missing(_) | EniSeen::NotFound | EniSeen::Deleted => {
                    self.let_go()
                }
            },
        }
    }

    /// A request whose ENI nobody wrote down: what EC2 may have made is searched for, never made anew.
    fn resolve(&self, creation: &Creation) -> Step {
        if let EniSeen::Shown(view, _) = &self.seen.eni {
            return self.record(view);
        }
        let excluded = match creation.answer {
            Some(CreateAnswer::Refused) => true,
            Some(CreateAnswer::Inconclusive) => false,
            None => match self.seen.sends {
                Sends::None | Sends::Refused => true,
                Sends::Inconclusive => false,
            },
        };
        if excluded || self.seen.search == Search::Nothing {
            self.let_go()
        } else {
            Step::Search
        }
    }

    fn take_away(&self, eni: &Eni) -> Step {
        if let Some(step) = self.foreign(&eni.id) {
            return step;
        }
        let leaving = self
            .claim
            .status
            .attachment
            .as_ref()
            .and_then(|attachment| {
                let why = Note::new(
                    Reason::Releasing,
                    format!("{} leaves {}", eni.id, attachment.instance_id),
                );
                self.leave(attachment, why)
            });
        leaving.unwrap_or_else(|| self.delete(&eni.id))
    }

    /// Deletes an ENI that is attached nowhere.
    pub(super) fn delete(&self, eni: &EniId) -> Step {
        if self.is_gone() {
            return self.let_go();
        }
        match &self.seen.eni {
            EniSeen::Shown(view, _) if !self.is_ours(view) => self.not_ours(eni),
            EniSeen::Shown(view, _) if view.available => Step::Delete(eni.clone()),
            EniSeen::Shown(view, _) => match &view.attachment {
                Some(on) if self.claim.status.attachment.is_none() => self.found(on, None),
                Some(_) | None => Step::AwaitDelete,
            },
            EniSeen::Unknown | EniSeen::Missing(_) | EniSeen::NotFound | EniSeen::Deleted => {
                Step::AwaitDelete
            }
        }
    }

    /// The finalizer goes last: no other ENI may carry the claim's tag.
    fn let_go(&self) -> Step {
        match &self.seen.other {
            Some(other) => Step::Delete(other.clone()),
            None => Step::LetGo,
        }
    }
}
