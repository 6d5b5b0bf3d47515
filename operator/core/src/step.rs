//! The one move of a claim towards its goal, as a value.

mod down;
mod groups;
mod kept;
mod leave;
mod up;

use api::{
    SourceDestCheck, Time,
    claim::{Creation, DeviceState},
    id::{EniId, SecurityGroupId, Slot},
    time::{MINUTE, SECOND},
};

use crate::{
    claim::Claim,
    ec2::{AttachmentView, EniView},
    error::ErrorClass,
    goal::{Goal, Site},
    order::{Action, DetachMode},
    reason::{Note, Reason},
    request::Shape,
    seen::{Backoff, EniSeen, Seen, SubnetSeen},
};

/// A `NotFound` within this time of our own Create means not yet: EC2's eventual consistency.
pub const NOT_YET: i64 = 5 * MINUTE;
/// A read within this time of an Attach may not show it yet.
pub const ATTACH_SHOWS: i64 = MINUTE;
/// A device that the agent has not plugged or given back in this time is reported.
pub const PATIENCE: i64 = 30 * SECOND;
/// An ENI that has been attaching for this long is detached and put into another slot.
pub const ATTACH_STUCK: i64 = 90 * SECOND;
/// An ENI that has been detaching for longer is reported.
pub const DETACH_STUCK: i64 = 5 * MINUTE;

/// The one move of a claim towards its goal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing: our finalizer is off a claim that is being deleted.
    Rest,
    /// Put our finalizer on.
    AddFinalizer,
    /// Ask the API server whether the pod still exists.
    ConfirmPod,
    /// Delete the claim, whose pod has ended.
    DeleteClaim,
    /// Wait for what the note names.
    Blocked(Note),
    /// Write down pod and node, with the first Create request where there is no ENI yet.
    Bind(Site, Option<Box<Shape>>),
    /// Write down another Create request.
    Freeze(Box<Shape>),
    /// Send the frozen request.
    Create(Box<Creation>),
    /// Write down that the request was refused, and wait.
    Refused,
    /// Search EC2 by the claim's tag for an ENI that an unanswered request may have made.
    Search,
    /// Write down the ENI, and the slot where it goes next.
    Record(Box<EniView>, Option<Slot>),
    /// Write down that the ENI is gone, with the request for another one.
    Lost(Box<Shape>, EniId),
    /// Wait until EC2 shows the ENI as available.
    AwaitEni,
    /// Reserve a slot.
    Reserve(Slot),
    /// Tell EC2 whether to check the addresses of the ENI's traffic: it cannot be said when the ENI is made.
    SetSourceDestCheck(SourceDestCheck),
    /// Attach the ENI.
    Attach(Slot),
    /// Write down the attachment that EC2 shows.
    RecordAttachment(AttachmentView),
    /// Write down the attachment that EC2 shows, and that the agent shall give its device back.
    RecordLeaving(AttachmentView, Note),
    /// Wait until the device is on the node.
    AwaitAttachment,
    /// Wait until the agent has plugged the device into the pod; the interface follows its class until then.
    AwaitDevice,
    /// Everything is there; EC2 still has to be told to delete the ENI with the instance.
    Mark,
    /// Everything is there; write down the security groups that the ENI shall get.
    WantGroups(Vec<SecurityGroupId>),
    /// Everything is there; set the security groups that were written down.
    SetGroups(Vec<SecurityGroupId>),
    /// Everything is there.
    Ready,
    /// Nothing: the ENI is there, and waits for a pod.
    Available,
    /// Write down that the attachment is gone, because of what the note says.
    DropAttachment(Note),
    /// Write down that the agent shall give the device back.
    Release(Note),
    /// Wait until it has.
    AwaitRelease,
    /// Detach the ENI.
    Detach(AttachmentView, DetachMode),
    /// Wait until it is detached.
    AwaitDetach,
    /// Delete this ENI.
    Delete(EniId),
    /// Wait until it can be deleted, or is.
    AwaitDelete,
    /// Take the finalizer off: nothing of the claim is left in EC2.
    LetGo,
    /// Take the finalizer off on a person's word.
    Forget(EniId),
}

/// The one move of this claim. Pure and total: equal inputs give equal steps.
pub fn step(claim: &Claim, seen: &Seen, goal: &Goal, now: Time) -> Step {
    if claim.deleting && !claim.finalizer {
        return Step::Rest;
    }
    let look = Look { claim, seen, now };
    match goal {
        Goal::Unclear => Step::ConfirmPod,
        Goal::Unserved(_) | Goal::Gone | Goal::Kept if claim.deleting => look.down(),
        Goal::Unserved(note) => Step::Blocked(note.clone()),
        Goal::Gone => Step::DeleteClaim,
        Goal::Held(note) => look.held(note),
        Goal::On(_) | Goal::Kept if !claim.finalizer => Step::AddFinalizer,
        Goal::Kept => look.kept(),
        Goal::On(site) => look.up(site),
    }
}

/// What a step is taken from.
#[derive(Clone, Copy)]
struct Look<'a> {
    claim: &'a Claim,
    seen: &'a Seen,
    now: Time,
}

impl Look<'_> {
    /// The refusal of this very action, if that was the last thing that happened.
    fn refusal(&self, action: Action) -> Option<&Backoff> {
        let incarnation = incarnation(self.claim);
        self.seen
            .backoff
            .as_ref()
            .filter(|b| b.action == action && b.incarnation == incarnation)
    }

    /// Whether EC2 might not know the ENI everywhere yet.
    fn is_young(&self) -> bool {
        let status = &self.claim.status;
        let was_attached = status.attachment.as_ref().is_some_and(|a| a.id.is_some());
        !was_attached
            && status
                .timeline
                .created
                .is_some_and(|created| self.now.since(created) < NOT_YET)
    }

    /// Whether reads may not show the present attachment yet.
    fn is_attach_young(&self) -> bool {
        let attachment = self.claim.status.attachment.as_ref();
        attachment
            .and_then(|a| a.requested_at)
            .is_some_and(|at| self.now.since(at) < ATTACH_SHOWS)
    }

    /// Whether the ENI carries this claim's and this cluster's tags: no other is ever changed.
    fn is_ours(&self, view: &EniView) -> bool {
        view.tags.claim.as_ref() == Some(&self.claim.uid)
            && view.tags.cluster.as_ref() == Some(&self.seen.cluster.id)
    }

    fn not_ours(&self, eni: &EniId) -> Step {
        Step::Blocked(Note::new(
            Reason::Unexpected,
            format!(
                "{eni} does not carry the tags eniclaim.io/cluster={} and eniclaim.io/claim-uid={}, so it is not touched; put them back, or annotate the claim with {}={eni} to forget it",
                self.seen.cluster.id,
                self.claim.uid,
                api::name::FORCE_FORGET
            ),
        ))
    }

    /// Whether EC2 has no such ENI: a read by id said so, old enough, where region and account know its subnet.
    fn is_gone(&self) -> bool {
        let refused = [
            Action::AttachNetworkInterface,
            Action::DetachNetworkInterface,
            Action::DeleteNetworkInterface,
        ]
        .into_iter()
        .filter_map(|action| self.refusal(action))
        .any(|b| b.error.class == ErrorClass::NotYet);
        let said = match &self.seen.eni {
            EniSeen::Deleted => return true,
            EniSeen::NotFound => true,
            EniSeen::Missing(_) | EniSeen::Unknown => refused,
            EniSeen::Shown(..) => false,
        };
        said && !self.is_young() && matches!(self.seen.subnet, SubnetSeen::Known(_))
    }

    /// What stands in the way where EC2 does not show the ENI and its subnet is not known here.
    fn foreign(&self, eni: &EniId) -> Option<Step> {
        let unseen = matches!(self.seen.eni, EniSeen::Missing(_) | EniSeen::NotFound);
        let subnet = self.claim.status.eni.as_ref().map(|eni| &eni.subnet_id);
        (unseen && self.seen.subnet == SubnetSeen::Foreign).then(|| {
            Step::Blocked(Note::new(
                Reason::WrongRegion,
                format!(
                    "EC2 knows neither {eni} nor its subnet {} in the region and account that the operator uses; correct aws.region or the credentials, or, if the subnet was deleted, annotate the claim with {}={eni}",
                    subnet.map_or_else(String::new, ToString::to_string),
                    api::name::FORCE_FORGET
                ),
            ))
        })
    }

    /// The pod lives, but nothing new can be begun for it.
    fn held(&self, note: &Note) -> Step {
        if self.claim.is_plugged() && self.attachment_fault().is_none() {
            return Step::Ready;
        }
        Step::Blocked(note.clone())
    }

    /// Whether the device is with the agent, as far as the agent says.
    fn is_reported(&self) -> bool {
        self.claim
            .device_state()
            .is_some_and(|state| state != DeviceState::Released)
    }
}

/// The number of the present Create request.
pub fn incarnation(claim: &Claim) -> u32 {
    claim.status.creation.as_ref().map_or(0, |c| c.incarnation)
}
