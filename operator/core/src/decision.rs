//! What follows from a step: status, effect, what to poll, when to look again, and the sentence for people.

use api::{
    ClaimStatus, Time,
    id::EniId,
    time::{MINUTE, SECOND},
};

use crate::{
    claim::Claim,
    error::ErrorClass,
    goal::Goal,
    groups::{self, Standing},
    message,
    order::{Action, Effect},
    reason::{Note, Reason},
    seen::{Backoff, EniSeen, Seen, Steady},
    status,
    step::{ATTACH_SHOWS, ATTACH_STUCK, DETACH_STUCK, NOT_YET, PATIENCE, Step, incarnation, step},
};

/// An ENI that is not in the state we thought is read and tried again so often before people are told.
const USUAL: u32 = 2;

/// What shall be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The move.
    pub step: Step,
    /// What a person reads in the condition Ready, and in an Event where the reason has one.
    pub note: Note,
    /// What is worth an Event besides: of the security groups, which leave the claim Ready.
    pub alert: Option<Note>,
    /// The operator's part of the status; written first where it differs.
    pub status: ClaimStatus,
    /// What to do once that status stands.
    pub act: Option<Act>,
    /// Whether EC2 has to be looked at.
    pub poll: Option<Poll>,
    /// When to look again although nothing changed.
    pub wake: Option<Time>,
}

/// What to do once the status stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Act {
    /// Put our finalizer on.
    AddFinalizer,
    /// Take it off.
    RemoveFinalizer,
    /// Delete the claim.
    DeleteClaim,
    /// Read the pod.
    ReadPod,
    /// Change EC2.
    Effect(Effect),
}

/// What has to be looked at in EC2.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Poll {
    /// This ENI: a Create, Detach or Delete waits for it.
    Fast(EniId),
    /// This ENI: an attachment is on its way; the agent will most likely see it first.
    Slow(EniId),
    /// This ENI by its id: reads by filter do not show it.
    ById(EniId),
    /// ENIs that carry the claim's tag.
    Tagged,
}

/// What shall happen to this claim. Pure and total: equal inputs give equal decisions.
pub fn decide(claim: &Claim, seen: &Seen, goal: &Goal, now: Time) -> Decision {
    let step = step(claim, seen, goal, now);
    let effect = effect(claim, &step);
    let trouble = trouble(claim, seen, &step, effect.as_ref().map(Effect::action));
    let held = trouble.is_some_and(|t| t.until > now);
    let told = trouble.filter(|t| !is_usual(claim, t));
    // What EC2 says of security groups is no fault of the pod's interface.
    let at_groups = matches!(step, Step::SetGroups(_)) && is_in_use(claim, &step);
    let note = told.filter(|_| !at_groups).map_or_else(
        || message::note(claim, seen, &step, now),
        |backoff| message::refused(claim, backoff),
    );
    let next = status::after(claim, seen, &step, &note, told, now);
    let standing = groups::standing(claim, seen, now);
    let refused = told.filter(|told| at_groups && groups::halts(told.error.class));
    let wake = wake(claim, seen, &step, now)
        .into_iter()
        .chain(trouble.map(|t| t.until))
        .filter(|at| *at > now)
        .min();
    Decision {
        poll: poll(claim, seen, &step, now),
        alert: (is_in_use(claim, &step))
            .then(|| groups::alert(claim, seen, standing, refused))
            .flatten(),
        act: act(&step, effect).filter(|_| !held),
        note,
        status: next,
        wake,
        step,
    }
}

/// The refusal that a step waits out or repeats.
fn trouble<'a>(
    claim: &Claim,
    seen: &'a Seen,
    step: &Step,
    action: Option<Action>,
) -> Option<&'a Backoff> {
    let action = match step {
        Step::Refused => Some(Action::CreateNetworkInterface),
        _ => action,
    };
    seen.backoff
        .as_ref()
        .filter(|b| Some(b.action) == action && b.incarnation == incarnation(claim))
}

/// What is in the normal course of things is no error: that EC2 does not know a young ENI yet, or that it was in another state
/// than we thought, until reading it again did not help.
fn is_usual(claim: &Claim, backoff: &Backoff) -> bool {
    match backoff.error.class {
        ErrorClass::NotYet => claim
            .status
            .timeline
            .created
            .is_some_and(|created| backoff.at.since(created) < NOT_YET),
        ErrorClass::State => backoff.attempts <= USUAL,
        ErrorClass::Throttled
        | ErrorClass::Transient
        | ErrorClass::TokenReused
        | ErrorClass::NodeFull
        | ErrorClass::SubnetFull
        | ErrorClass::QuotaFull
        | ErrorClass::Terminal
        | ErrorClass::Denied
        | ErrorClass::Credentials
        | ErrorClass::Unlisted => false,
    }
}

fn effect(claim: &Claim, step: &Step) -> Option<Effect> {
    let status = &claim.status;
    let eni = status.eni.as_ref().map(|eni| eni.id.clone());
    let attachment = status.attachment.as_ref();
    match step {
        Step::Create(creation) => Some(Effect::Create(creation.clone())),
        Step::SetSourceDestCheck(check) => Some(Effect::SetSourceDestCheck {
            eni: eni?,
            check: *check,
        }),
        Step::Attach(slot) => Some(Effect::Attach {
            eni: eni?,
            instance: attachment?.instance_id.clone(),
            slot: *slot,
        }),
        Step::Mark => Some(Effect::SetDeleteOnTermination {
            eni: eni?,
            attachment: attachment?.id.clone()?,
        }),
        Step::SetGroups(groups) => Some(Effect::SetSecurityGroups {
            eni: eni?,
            groups: groups.clone(),
        }),
        Step::Detach(on, mode) => Some(Effect::Detach {
            eni: eni?,
            attachment: on.id.clone(),
            mode: *mode,
        }),
        Step::Delete(eni) => Some(Effect::Delete { eni: eni.clone() }),
        Step::Rest
        | Step::AddFinalizer
        | Step::ConfirmPod
        | Step::DeleteClaim
        | Step::Blocked(_)
        | Step::Bind(..)
        | Step::Freeze(_)
        | Step::Refused
        | Step::Search
        | Step::Record(..)
        | Step::Lost(..)
        | Step::AwaitEni
        | Step::Reserve(_)
        | Step::RecordAttachment(_)
        | Step::RecordLeaving(..)
        | Step::AwaitAttachment
        | Step::AwaitDevice
        | Step::WantGroups(_)
        | Step::Ready
        | Step::Available
        | Step::DropAttachment(_)
        | Step::Release(_)
        | Step::AwaitRelease
        | Step::AwaitDetach
        | Step::AwaitDelete
        | Step::LetGo
        | Step::Forget(_) => None,
    }
}

fn act(step: &Step, effect: Option<Effect>) -> Option<Act> {
    match step {
        Step::AddFinalizer => Some(Act::AddFinalizer),
        Step::ConfirmPod => Some(Act::ReadPod),
        Step::DeleteClaim => Some(Act::DeleteClaim),
        Step::LetGo | Step::Forget(_) => Some(Act::RemoveFinalizer),
        _ => effect.map(Act::Effect),
    }
}

fn poll(claim: &Claim, seen: &Seen, step: &Step, now: Time) -> Option<Poll> {
    let eni = || {
        let named = claim.status.eni.as_ref().map(|eni| eni.id.clone());
        named.or_else(|| seen.eni.view().map(|view| view.id.clone()))
    };
    let missing = matches!(seen.eni, EniSeen::Missing(Steady::Yes) | EniSeen::NotFound);
    let unsure = match &seen.eni {
        EniSeen::Missing(_) => true,
        EniSeen::Shown(view, Steady::Once) => claim
            .status
            .attachment
            .as_ref()
            .and_then(|a| a.id.as_ref())
            .is_some_and(|id| view.attachment.as_ref().is_none_or(|on| on.id != *id)),
        EniSeen::Shown(_, Steady::Yes)
        | EniSeen::Unknown
        | EniSeen::NotFound
        | EniSeen::Deleted => false,
    };
    match step {
        Step::Search => Some(Poll::Tagged),
        Step::AwaitEni | Step::AwaitDelete | Step::AwaitDetach => {
            eni().map(if missing { Poll::ById } else { Poll::Fast })
        }
        Step::AwaitAttachment | Step::AwaitDevice | Step::Ready | Step::AwaitRelease if missing => {
            eni().map(Poll::ById)
        }
        Step::AwaitAttachment | Step::AwaitDevice | Step::AwaitRelease | Step::Ready if unsure => {
            eni().map(Poll::Fast)
        }
        Step::AwaitAttachment => eni().map(Poll::Slow),
        Step::Ready if claim.status.is_regrouping() && seen.eni == EniSeen::Unknown => {
            eni().map(Poll::Fast)
        }
        Step::Ready if groups::standing(claim, seen, now) == Standing::Doubted => {
            eni().map(Poll::Fast)
        }
        Step::Ready | Step::AwaitDevice | Step::AwaitRelease if seen.eni == EniSeen::Unknown => {
            eni().map(Poll::Slow)
        }
        Step::Blocked(note) if note.reason == Reason::Unexpected => eni().map(Poll::Slow),
        _ => None,
    }
}

/// Whether the pod has its interface, so that the ENI follows its class.
pub(crate) fn is_in_use(claim: &Claim, step: &Step) -> bool {
    match step {
        Step::Ready | Step::Mark => true,
        Step::WantGroups(_) | Step::SetGroups(_) => claim.status.attachment_id().is_some(),
        _ => false,
    }
}

fn wake(claim: &Claim, seen: &Seen, step: &Step, now: Time) -> Option<Time> {
    let attachment = claim.status.attachment.as_ref();
    match step {
        Step::AwaitAttachment => attachment
            .and_then(|a| a.requested_at)
            .map(|at| at.after(ATTACH_STUCK))
            .into_iter()
            .chain(doubted(claim, seen))
            .min(),
        Step::AwaitDevice => attachment
            .and_then(|a| a.attached_at)
            .map(|at| at.after(PATIENCE))
            .into_iter()
            .chain(doubted(claim, seen).filter(|at| *at > now))
            .min(),
        Step::Ready | Step::Mark => {
            let standing = groups::standing(claim, seen, now);
            let groups = groups::doubted_until(claim, standing, now);
            let groups = groups.filter(|until| *until > now);
            doubted(claim, seen).into_iter().chain(groups).min()
        }
        Step::AwaitRelease => message::asked_at(claim).map(|at| at.after(PATIENCE)),
        Step::AwaitDetach => Some(
            seen.detaching
                .map(|at| {
                    at.after(if now.since(at) < MINUTE {
                        MINUTE
                    } else {
                        DETACH_STUCK
                    })
                })
                .filter(|at| *at > now)
                .unwrap_or_else(|| now.after(5 * SECOND)),
        ),
        Step::Blocked(note) if note.reason == Reason::Reading => Some(now.after(5 * SECOND)),
        _ => None,
    }
}

/// When reads that do not show the attachment will be believed.
fn doubted(claim: &Claim, seen: &Seen) -> Option<Time> {
    let attachment = claim.status.attachment.as_ref()?;
    let id = attachment.id.as_ref()?;
    let shown = seen.eni.view()?.attachment.as_ref();
    if shown.is_some_and(|on| on.id == *id) {
        return None;
    }
    attachment.requested_at.map(|at| at.after(ATTACH_SHOWS))
}
