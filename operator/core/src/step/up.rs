//! The way up: bind, create, attach, ready.

use api::{
    claim::{Attachment, CreateAnswer, Eni},
    id::EniId,
};

use super::{ATTACH_STUCK, Look, Step};
use crate::{
    ec2::{AttachmentState, EniView},
    error::ErrorClass,
    goal::Site,
    order::Action,
    reason::{Note, RUNNING_STAYS_WITHOUT, Reason},
    seen::{EniSeen, Search, Sends, Steady, SubnetSeen},
};

impl Look<'_> {
    pub(super) fn up(&self, site: &Site) -> Step {
        let status = &self.claim.status;
        if let Some(step) = status
            .attachment
            .as_ref()
            .and_then(|attachment| self.make_way(attachment, site))
        {
            return step;
        }
        if !self.is_bound_to(site) {
            return self.bind(site);
        }
        match &status.eni {
            None => self.create(),
            Some(eni) => self.place(eni, site),
        }
    }

    fn is_bound_to(&self, site: &Site) -> bool {
        self.claim.status.binding.as_ref().is_some_and(|b| {
            b.pod_uid == site.pod && b.node_uid == site.node_uid && b.instance_id == site.instance
        }) && self.claim.status.node_name.as_ref() == Some(&site.node)
    }

    /// An attachment that is released or elsewhere has to go before another one is made.
    fn make_way(&self, attachment: &Attachment, site: &Site) -> Option<Step> {
        let elsewhere = attachment.instance_id != site.instance;
        if !elsewhere && !attachment.is_released() {
            return None;
        }
        let why = Note::new(
            Reason::Releasing,
            format!(
                "{} leaves {} for {}",
                self.eni_name(),
                attachment.instance_id,
                site.instance
            ),
        );
        Some(self.leave(attachment, why).unwrap_or_else(|| {
            Step::DropAttachment(Note::new(
                Reason::Attaching,
                format!("{} has left {}", self.eni_name(), attachment.instance_id),
            ))
        }))
    }

    fn bind(&self, site: &Site) -> Step {
        if self.claim.status.eni.is_some() {
            return Step::Bind(site.clone(), None);
        }
        match (&self.claim.status.creation, &self.seen.shape) {
            // The request that is on its way is answered first: what it makes may do for the new node, too.
            (Some(_), _) => Step::Bind(site.clone(), None),
            (None, Ok(shape)) => Step::Bind(site.clone(), Some(Box::new(shape.clone()))),
            (None, Err(note)) => Step::Blocked(note.clone()),
        }
    }

    /// Sends the frozen request; after a refusal that excludes an ENI, freezes another one.
    pub(super) fn create(&self) -> Step {
        let Some(creation) = &self.claim.status.creation else {
            return match &self.seen.shape {
                Ok(shape) => Step::Freeze(Box::new(shape.clone())),
                Err(note) => Step::Blocked(note.clone()),
            };
        };
        if let EniSeen::Shown(view, _) = &self.seen.eni {
            return self.record(view);
        }
        match creation.answer {
            Some(CreateAnswer::Refused) => self.again(),
            Some(CreateAnswer::Inconclusive) if self.was_refused() => match self.seen.search {
                Search::Running => Step::Search,
                Search::Nothing => self.again(),
            },
            None if self.was_refused() => Step::Refused,
            // Remembered before anything else happens: a later refusal of the same token proves nothing then. And who leads anew
            // sends nothing before a write shows that no later request is on its way, which it may not have heard of.
            None if self.seen.sends == Sends::Inconclusive => Step::Refused,
            Some(CreateAnswer::Inconclusive) | None => Step::Create(Box::new(creation.clone())),
        }
    }

    /// Whether the last answer asks for another request.
    fn was_refused(&self) -> bool {
        self.refusal(Action::CreateNetworkInterface)
            .is_some_and(|b| match b.error.class {
                ErrorClass::SubnetFull
                | ErrorClass::QuotaFull
                | ErrorClass::Terminal
                | ErrorClass::Denied
                | ErrorClass::NodeFull
                | ErrorClass::Unlisted
                | ErrorClass::TokenReused => true,
                ErrorClass::Throttled
                | ErrorClass::Transient
                | ErrorClass::NotYet
                | ErrorClass::State
                | ErrorClass::Credentials => false,
            })
    }

    /// Another request: when its time has come, or at once when it would be a different one.
    fn again(&self) -> Step {
        let due = self
            .refusal(Action::CreateNetworkInterface)
            .is_none_or(|b| b.until <= self.now);
        match (&self.seen.shape, &self.claim.status.creation) {
            (Ok(shape), Some(creation))
                if due || !shape.is_asked_by(creation, self.claim, &self.seen.cluster) =>
            {
                Step::Freeze(Box::new(shape.clone()))
            }
            (Err(note), _) if due => Step::Blocked(note.clone()),
            _ => Step::Refused,
        }
    }

    /// EC2 has the ENI: writes it down, and the slot where it goes next.
    pub(super) fn record(&self, view: &EniView) -> Step {
        match &self.seen.subnet {
            SubnetSeen::Known(_) => {
                let free = view.attachment.is_none() && !self.claim.deleting;
                let slot = self.seen.slot.as_ref().ok().filter(|_| free);
                Step::Record(Box::new(view.clone()), slot.copied())
            }
            SubnetSeen::Unread | SubnetSeen::Foreign => Step::Blocked(Note::new(
                Reason::Reading,
                format!("{} of {} is being read from EC2", view.subnet, view.id),
            )),
        }
    }

    /// The ENI exists: brings it to the site.
    fn place(&self, eni: &Eni, site: &Site) -> Step {
        if let Some(step) = self.foreign(&eni.id) {
            return step;
        }
        if self.is_gone() {
            return self.lost(&eni.id);
        }
        if let Some(attachment) = self
            .claim
            .status
            .attachment
            .as_ref()
            .filter(|a| a.id.is_some())
        {
            return self.attached(eni, attachment);
        }
        // A zone that was not read yet, or is that of the ENI, is no reason to replace it.
        if self
            .seen
            .zone
            .as_ref()
            .is_some_and(|zone| *zone != eni.zone)
        {
            return self.replace(eni, site);
        }
        match &self.seen.eni {
            EniSeen::Shown(view, _) => self.attach(eni, view, site),
            EniSeen::Unknown | EniSeen::Missing(_) | EniSeen::NotFound | EniSeen::Deleted => {
                Step::AwaitEni
            }
        }
    }

    pub(super) fn lost(&self, eni: &EniId) -> Step {
        if self.claim.is_kept() {
            return Step::Blocked(Note::new(
                Reason::EniLost,
                format!(
                    "EC2 does not know {eni} any more, and with it the claim's addresses are gone; delete the claim and the pod that uses it, and create both again"
                ),
            ));
        }
        match &self.seen.shape {
            Ok(shape) => Step::Lost(Box::new(shape.clone()), eni.clone()),
            Err(note) if note.reason == Reason::Reading => Step::Blocked(Note::new(
                Reason::EniLost,
                format!(
                    "EC2 does not know {eni} any more; {}, then another ENI is made if it lives. {RUNNING_STAYS_WITHOUT}",
                    note.message
                ),
            )),
            Err(note) => Step::Blocked(Note::new(
                Reason::EniLost,
                format!(
                    "EC2 does not know {eni} any more, and no other one can be made: {}",
                    note.message
                ),
            )),
        }
    }

    /// The pod's node lies in another zone than the ENI, which can never leave its own.
    fn replace(&self, eni: &Eni, site: &Site) -> Step {
        if self.claim.is_kept() {
            return Step::Blocked(Note::new(
                Reason::OtherZone,
                format!(
                    "{} lies in {}, and node {} of pod {} does not; delete the pod, and let it run there: nodeSelector topology.kubernetes.io/zone: {}",
                    eni.id, eni.zone, site.node, site.pod_name, eni.zone
                ),
            ));
        }
        if self.seen.eni == EniSeen::Deleted {
            return self.lost(&eni.id);
        }
        self.delete(&eni.id)
    }

    fn attach(&self, eni: &Eni, view: &EniView, site: &Site) -> Step {
        match &view.attachment {
            Some(on) if on.state == AttachmentState::Detaching => Step::AwaitEni,
            Some(on) => self.found(on, Some(&site.instance)),
            // EC2 refuses to attach an ENI that is still pending, and each refusal costs a call.
            None if !view.available => Step::AwaitEni,
            None if !self.is_ours(view) => self.not_ours(&eni.id),
            None => self.take_slot(view),
        }
    }

    /// Reserves the slot that is free now, then attaches there; before that the ENI's traffic is checked as the class says.
    fn take_slot(&self, view: &EniView) -> Step {
        match &self.seen.slot {
            Err(note) => Step::Blocked(note.clone()),
            Ok(slot) => {
                let reserved = self.claim.status.attachment.as_ref().map(|a| a.slot);
                let asked = self.seen.source_dest_check;
                match asked.filter(|asked| *asked != view.source_dest_check) {
                    _ if reserved != Some(*slot) => Step::Reserve(*slot),
                    Some(check) => Step::SetSourceDestCheck(check),
                    None => self.groups_first().unwrap_or(Step::Attach(*slot)),
                }
            }
        }
    }

    /// EC2 took the Attach: waits for the device, and for the agent to plug it.
    fn attached(&self, eni: &Eni, attachment: &Attachment) -> Step {
        if let Some(note) = self.attachment_fault() {
            return Step::DropAttachment(note);
        }
        let shown = self.seen.eni.view().and_then(|view| {
            view.attachment
                .as_ref()
                .filter(|a| Some(&a.id) == attachment.id.as_ref())
        });
        // The agent that sees the device by its MAC is the fastest proof.
        let there = attachment.attached_at.is_some()
            || self.is_reported()
            || shown.is_some_and(|a| a.state == AttachmentState::Attached);
        if !there {
            let since = attachment.requested_at.unwrap_or(self.now);
            if self.now.since(since) >= ATTACH_STUCK {
                return Step::Release(Note::new(
                    Reason::AttachStuck,
                    format!(
                        "{} has been attaching to {} at {} for more than {} s; it is detached and attached in another slot",
                        eni.id,
                        attachment.instance_id,
                        attachment.slot,
                        ATTACH_STUCK / 1_000
                    ),
                ));
            }
            return Step::AwaitAttachment;
        }
        if !self.claim.is_plugged() {
            return Step::AwaitDevice;
        }
        let unmarked = shown.is_some_and(|a| !a.delete_on_termination);
        let ours = self.seen.eni.view().is_some_and(|view| self.is_ours(view));
        // What is kept must not go with the instance.
        if unmarked && ours && !self.claim.is_kept() {
            Step::Mark
        } else {
            self.groups()
        }
    }

    /// Why the attachment of the status is none, as EC2 shows it; nothing while it may be.
    pub(super) fn attachment_fault(&self) -> Option<Note> {
        let attachment = self.claim.status.attachment.as_ref()?;
        let (EniSeen::Shown(view, Steady::Yes), Some(id)) = (&self.seen.eni, &attachment.id) else {
            return None;
        };
        let same = view.attachment.as_ref().is_some_and(|a| a.id == *id);
        if same || self.is_attach_young() {
            return None;
        }
        let then = if self.claim.is_kept() {
            "A pod that runs stays without it until it is created again"
        } else {
            RUNNING_STAYS_WITHOUT
        };
        let message = format!(
            "{} was detached from {} by somebody else; it is attached again. {then}",
            view.id, attachment.instance_id
        );
        Some(Note::new(Reason::AttachmentLost, message))
    }

    pub(super) fn eni_name(&self) -> String {
        self.claim
            .status
            .eni
            .as_ref()
            .map_or_else(|| "the ENI".to_owned(), |eni| eni.id.to_string())
    }
}
