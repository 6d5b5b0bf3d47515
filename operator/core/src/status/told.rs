//! What people read of a status: the phase and the conditions, which follow from the rest.

use api::{ClaimStatus, Condition, ConditionStatus, SmolStr, Time, claim::Phase, condition::kind};

use crate::{
    claim::Claim,
    decision::is_in_use,
    groups,
    reason::{Note, Reason},
    seen::{Backoff, Seen},
    step::Step,
};

/// The phase and the conditions, which follow from the rest.
pub(super) fn state(next: &mut ClaimStatus, claim: &Claim, step: &Step, note: &Note, now: Time) {
    let ready = is_in_use(claim, step) || waits(next, step);
    let is_lost = note.reason == Reason::EniLost;
    let (phase, provisioned, attached) = if is_lost {
        let lost = || (false, note.clone());
        (Phase::Pending, lost(), lost())
    } else {
        (phase(next, step), provisioned(next), attached(next))
    };
    next.phase = Some(phase);
    let ready_note = if ready {
        // What stands in the way of marking the ENI is no fault of the pod's interface.
        Note::new(
            match step {
                _ if waits(next, step) => Reason::Available,
                _ if claim.deleting => Reason::InUse,
                _ => Reason::Ready,
            },
            note.message.clone(),
        )
    } else {
        note.clone()
    };
    for (kind, holds, note) in [
        (kind::PROVISIONED, provisioned.0, provisioned.1),
        (kind::ATTACHED, attached.0, attached.1),
        (kind::READY, ready, ready_note),
    ] {
        let (status, message) = (ConditionStatus::of(holds), cut(note.message));
        put(
            next,
            claim,
            kind,
            (status, note.reason.as_str(), message.into()),
            now,
        );
    }
}

/// Whether the ENI has the groups of its class. A claim of an earlier version gets the condition when there is something to say.
pub(super) fn groups_state(
    next: &mut ClaimStatus,
    claim: &Claim,
    seen: &Seen,
    step: &Step,
    told: Option<&Backoff>,
    now: Time,
) {
    let of = kind::SECURITY_GROUPS_IN_SYNC;
    let condition = match step {
        Step::Record(view, _) => groups::when_made(claim, seen, view),
        step if is_in_use(claim, step) || waits(next, step) => {
            let at_groups = matches!(step, Step::SetGroups(_));
            let refused = told.filter(|told| at_groups && groups::halts(told.error.class));
            groups::condition(claim, seen, groups::standing(claim, seen, now), refused)
        }
        _ => None,
    };
    let Some((status, reason, message)) = condition else {
        return;
    };
    let message = match message.len() {
        ..=2_048 => message,
        _ => cut(message.to_string()).into(),
    };
    let is_new = matches!(step, Step::Record(..)) || status != ConditionStatus::True;
    if is_new || next.condition(of).is_some() {
        put(next, claim, of, (status, reason.as_str(), message), now);
    }
}

fn put(
    next: &mut ClaimStatus,
    claim: &Claim,
    kind: &str,
    (status, reason, message): (ConditionStatus, &str, SmolStr),
    now: Time,
) {
    let condition = Condition {
        kind: kind.into(),
        status,
        reason: reason.into(),
        message,
        last_transition_time: now.whole_second(),
        observed_generation: Some(claim.generation),
    }
    .since(&next.conditions, now);
    match next.conditions.iter_mut().find(|c| c.kind == kind) {
        Some(held) => *held = condition,
        None => next.conditions.push(condition),
    }
}

/// The schema takes 2,048 characters.
fn cut(message: String) -> String {
    if message.chars().count() <= 2_048 {
        return message;
    }
    message.chars().take(2_048).collect()
}

/// Whether the ENI is there, and no pod uses it.
fn waits(next: &ClaimStatus, step: &Step) -> bool {
    match step {
        Step::Available => true,
        Step::WantGroups(_) | Step::SetGroups(_) => next.binding.is_none(),
        _ => false,
    }
}

fn phase(next: &ClaimStatus, step: &Step) -> Phase {
    let attachment = next.attachment.as_ref();
    match step {
        _ if waits(next, step) => Phase::Available,
        Step::WantGroups(_) | Step::SetGroups(_) if attachment.is_none_or(|a| a.id.is_none()) => {
            Phase::Attaching
        }
        Step::Ready | Step::Mark | Step::WantGroups(_) | Step::SetGroups(_) => Phase::Ready,
        Step::Available => Phase::Available,
        Step::RecordLeaving(..) | Step::Release(_) | Step::AwaitRelease => Phase::Releasing,
        Step::Detach(..) | Step::AwaitDetach | Step::DropAttachment(_) => Phase::Detaching,
        Step::Delete(_) | Step::AwaitDelete => Phase::Deleting,
        Step::AwaitDevice => Phase::Attached,
        Step::Bind(..) if next.eni.is_some() => Phase::Attaching,
        Step::Bind(..) | Step::Freeze(_) | Step::Create(_) | Step::Lost(..) | Step::Search => {
            Phase::Creating
        }
        Step::Refused => Phase::Pending,
        Step::Record(..) | Step::AwaitEni if next.binding.is_none() => Phase::Creating,
        Step::Record(..)
        | Step::AwaitEni
        | Step::Reserve(_)
        | Step::SetSourceDestCheck(_)
        | Step::Attach(_)
        | Step::RecordAttachment(_)
        | Step::AwaitAttachment => Phase::Attaching,
        Step::Blocked(_)
        | Step::Rest
        | Step::AddFinalizer
        | Step::ConfirmPod
        | Step::DeleteClaim
        | Step::LetGo
        | Step::Forget(_) => match (&next.eni, attachment) {
            (None, _) => Phase::Pending,
            (Some(_), None) if next.binding.is_none() => Phase::Available,
            (Some(_), Some(a)) if a.is_released() => Phase::Releasing,
            (Some(_), Some(a)) if a.attached_at.is_some() => Phase::Attached,
            (Some(_), _) => Phase::Attaching,
        },
    }
}

fn provisioned(status: &ClaimStatus) -> (bool, Note) {
    match &status.eni {
        Some(eni) => (
            true,
            Note::new(Reason::Created, format!("{} in {}", eni.id, eni.subnet_id)),
        ),
        None => (
            false,
            Note::new(Reason::Creating, "EC2 has not made an ENI yet"),
        ),
    }
}

fn attached(status: &ClaimStatus) -> (bool, Note) {
    match &status.attachment {
        Some(a) if a.is_released() => (
            false,
            Note::new(Reason::Releasing, format!("leaves {}", a.instance_id)),
        ),
        Some(a) if a.attached_at.is_some() => (
            true,
            Note::new(Reason::Attached, format!("{} of {}", a.slot, a.instance_id)),
        ),
        Some(a) => (
            false,
            Note::new(
                Reason::Attaching,
                format!("{} of {} is reserved", a.slot, a.instance_id),
            ),
        ),
        None if status.binding.is_none() && status.eni.is_some() => {
            (false, Note::new(Reason::Available, "no pod uses the ENI"))
        }
        None => (false, Note::new(Reason::Creating, "has no slot yet")),
    }
}
