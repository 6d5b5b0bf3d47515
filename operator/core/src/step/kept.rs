//! Between two pods: an ENI that outlives them leaves the instance, and waits.

use api::claim::Eni;

use super::{Look, Step};
use crate::{
    reason::{Note, Reason},
    seen::EniSeen,
};

impl Look<'_> {
    pub(super) fn kept(&self) -> Step {
        let status = &self.claim.status;
        if let Some(attachment) = &status.attachment {
            let (eni, instance) = (self.eni_name(), &attachment.instance_id);
            let why = Note::new(
                Reason::Releasing,
                format!("the pod has ended; {eni} leaves {instance}"),
            );
            return self.leave(attachment, why).unwrap_or_else(|| {
                Step::DropAttachment(Note::new(
                    Reason::Detaching,
                    format!("{eni} has left {instance}"),
                ))
            });
        }
        match &status.eni {
            None => self.create(),
            Some(eni) => self.wait_for_pod(eni),
        }
    }

    fn wait_for_pod(&self, eni: &Eni) -> Step {
        if let Some(step) = self.foreign(&eni.id) {
            return step;
        }
        if self.is_gone() {
            return self.lost(&eni.id);
        }
        match &self.seen.eni {
            EniSeen::Shown(view, _) if !self.is_ours(view) => self.not_ours(&eni.id),
            EniSeen::Shown(view, _) if view.available => {
                self.groups_first().unwrap_or(Step::Available)
            }
            EniSeen::Shown(view, _) => match &view.attachment {
                Some(on) => self.found(on, None),
                None => Step::AwaitEni,
            },
            EniSeen::Unknown | EniSeen::Missing(_) | EniSeen::NotFound | EniSeen::Deleted => {
                Step::AwaitEni
            }
        }
    }
}
