//! How an ENI leaves an instance: released by the agent, then detached.

use api::{
    Time,
    claim::{Attachment, DeviceState},
    id::InstanceId,
    time::{MINUTE, SECOND},
};

use super::{Look, Step};
use crate::{
    ec2::{AttachmentState, AttachmentView},
    order::DetachMode,
    reason::{Note, Reason},
    seen::{EniSeen, Host, LateAttach},
};

/// A Detach that EC2 took may not show in reads for this long; it is not repeated meanwhile.
const DETACH_SHOWS: i64 = 15 * SECOND;
/// On an instance that is dead or out of service, an ENI that detaches for longer is detached by force.
const FORCE_AFTER: i64 = MINUTE;

impl Look<'_> {
    /// The next move of an attachment that has to go; none once it is gone.
    pub(super) fn leave(&self, attachment: &Attachment, why: Note) -> Option<Step> {
        let Some(id) = &attachment.id else {
            return self.leave_unanswered();
        };
        if self.seen.eni == EniSeen::Deleted || self.is_gone() {
            return None;
        }
        if !attachment.is_released() {
            return Some(Step::Release(why));
        }
        let released = self.claim.device_state() == Some(DeviceState::Released);
        if !released && matches!(self.seen.host, Host::Alive(_)) {
            return Some(Step::AwaitRelease);
        }
        match &self.seen.eni {
            EniSeen::Unknown | EniSeen::Missing(_) | EniSeen::NotFound => Some(Step::AwaitDetach),
            EniSeen::Deleted => None,
            EniSeen::Shown(view, _) => match &view.attachment {
                None if self.may_arrive() => Some(Step::AwaitDetach),
                None => None,
                Some(_) if !self.is_ours(view) => Some(self.not_ours(&view.id)),
                Some(on) if on.id == *id => Some(self.detach(on)),
                Some(other) => Some(self.found(other, None)),
            },
        }
    }

    /// A slot was reserved; whether EC2 took the Attach has to be read.
    fn leave_unanswered(&self) -> Option<Step> {
        match &self.seen.eni {
            EniSeen::Unknown => Some(Step::AwaitDetach),
            EniSeen::Missing(_) | EniSeen::NotFound | EniSeen::Deleted => None,
            EniSeen::Shown(view, _) => match &view.attachment {
                Some(on) => Some(self.found(on, None)),
                // It goes nowhere else while it may still arrive there; EC2 refuses to delete what has arrived.
                None if self.may_arrive() => Some(Step::AwaitDetach),
                None => None,
            },
        }
    }

    /// Whether an Attach may still arrive that the status does not name.
    fn may_arrive(&self) -> bool {
        self.seen.late_attach == LateAttach::Possible && !self.claim.deleting
    }

    /// EC2 shows an attachment that the status does not have: our own Attach whose answer was lost or that took long, or somebody
    /// else's. It is used where the ENI shall be, and leaves anywhere else.
    pub(super) fn found(&self, on: &AttachmentView, wanted: Option<&InstanceId>) -> Step {
        let attachment = self.claim.status.attachment.as_ref();
        let is_named = attachment.is_some_and(|a| a.instance_id == on.instance);
        let is_asked = attachment.is_some_and(|a| a.id.is_none());
        // An earlier attachment, which a stale read may show, must not take the place of the one that is on its way.
        if is_asked && (!is_named || self.was_released(on)) && self.may_arrive() {
            return match wanted {
                Some(_) => Step::AwaitEni,
                None => Step::AwaitDetach,
            };
        }
        if !is_named && self.seen.attached_to.is_none() {
            return Step::Blocked(Note::new(
                Reason::Unexpected,
                format!(
                    "{} is attached to {}, which is no node's; detach it",
                    self.eni_name(),
                    on.instance
                ),
            ));
        }
        if wanted == Some(&on.instance) && !self.was_released(on) {
            return Step::RecordAttachment(on.clone());
        }
        let why = format!("{} leaves {}", self.eni_name(), on.instance);
        Step::RecordLeaving(on.clone(), Note::new(Reason::Releasing, why))
    }

    /// A release is never taken back, even where a stale read made us forget the attachment: its Detach may be on its way.
    fn was_released(&self, on: &AttachmentView) -> bool {
        let device = self.claim.device.as_ref();
        device.is_some_and(|d| d.attachment_id == on.id && d.state == DeviceState::Released)
    }

    fn detach(&self, on: &AttachmentView) -> Step {
        let dead = matches!(self.seen.host, Host::Dead | Host::OutOfService);
        let asked = self.claim.force_detach.as_ref() == Some(&on.id);
        let is_new = self.seen.detached;
        if is_new.is_some_and(|at| self.now.since(at) < DETACH_SHOWS) {
            return Step::AwaitDetach;
        }
        if on.state == AttachmentState::Detaching {
            let long = is_past(self.seen.detaching, FORCE_AFTER, self.now);
            return if asked || (dead && long) {
                Step::Detach(on.clone(), DetachMode::Force)
            } else {
                Step::AwaitDetach
            };
        }
        // EC2 detaches by itself, and deletes what is marked so; a Detach in between would make it forget the mark.
        if self.seen.host == Host::ShuttingDown && on.delete_on_termination {
            return Step::AwaitDetach;
        }
        let mode = if asked {
            DetachMode::Force
        } else {
            DetachMode::Normal
        };
        Step::Detach(on.clone(), mode)
    }
}

fn is_past(since: Option<Time>, limit: i64, now: Time) -> bool {
    since.is_some_and(|since| now.since(since) >= limit)
}
