//! The way down: release, detach, delete, let go.

use super::{Draft, PATIENCE, Poll, reading};
use crate::{
    claim::{Attachment, ConditionKind, DeviceState, Eni, Phase},
    cloud::{AttachmentState, AttachmentView, EniSeen, InstanceState},
    kind::Kind,
    order::{Action, Effect},
    reason::{Note, Reason},
};

pub(super) fn tear_down(draft: &mut Draft<'_>) {
    match (
        draft.status.creation.clone(),
        draft.status.eni.clone(),
        &draft.seen.eni,
    ) {
        (_, Some(eni), _) => take_away(draft, &eni),
        (_, None, EniSeen::Known(view)) => {
            draft.adopt(view);
            if let Some(attachment) = &view.attachment {
                draft.adopt_attachment(attachment, true);
            }
            let note = Note::new(
                Reason::Deleting,
                format!("{} is not needed any more", view.id),
            );
            draft.say(Phase::Deleting, note);
        }
        (None, None, _) | (Some(_), None, EniSeen::Deleted) => {
            draft.effect = Some(Effect::RemoveFinalizer);
        }
        (Some(_), None, EniSeen::Unknown | EniSeen::Absent) if draft.refused() => {
            draft.effect = Some(Effect::RemoveFinalizer);
        }
        (Some(creation), None, EniSeen::Unknown | EniSeen::Absent) => {
            // The request may have made an ENI whose id nobody wrote down: the same request tells it.
            let note = Note::new(
                Reason::Deleting,
                "EC2 is asked once more which ENI the request made, to delete it",
            );
            draft.attempt(Effect::Create(Box::new(creation)), Phase::Deleting, note);
        }
    }
}

fn take_away(draft: &mut Draft<'_>, eni: &Eni) {
    if draft.seen.eni == EniSeen::Deleted {
        draft.effect = Some(Effect::RemoveFinalizer);
        return;
    }
    match draft.status.attachment.clone() {
        Some(attachment) if attachment.id.is_some() => leave(draft, eni, attachment),
        Some(_) | None => match attachment_of(&draft.seen.eni).cloned() {
            // An Attach whose answer nobody wrote down.
            Some(attachment) => found(draft, eni, &attachment),
            None => delete(draft, eni, &draft.seen.eni.clone()),
        },
    }
}

fn attachment_of(seen: &EniSeen) -> Option<&AttachmentView> {
    match seen {
        EniSeen::Known(view) => view.attachment.as_ref(),
        EniSeen::Unknown | EniSeen::Absent | EniSeen::Deleted => None,
    }
}

/// The claim's own Attach was carried out after all, or somebody else attached its ENI.
fn found(draft: &mut Draft<'_>, eni: &Eni, attachment: &AttachmentView) {
    if draft
        .status
        .binding
        .as_ref()
        .is_some_and(|b| b.instance == attachment.instance)
    {
        draft.adopt_attachment(attachment, true);
        draft.say(Phase::Releasing, releasing(eni, draft));
    } else {
        draft.poll = Some(Poll::Slow);
        let message = format!(
            "{} is attached to {}, not by us; detach it, then it is deleted",
            eni.id, attachment.instance
        );
        draft.say(Phase::Deleting, Note::new(Reason::Unexpected, message));
    }
}

fn leave(draft: &mut Draft<'_>, eni: &Eni, mut attachment: Attachment) {
    if !attachment.release {
        attachment.release = true;
        draft.status.attachment = Some(attachment);
        draft.status.last_error = None;
        let note = releasing(eni, draft);
        return draft.say(Phase::Releasing, note);
    }
    let released = draft.claim.device_state() == Some(DeviceState::Released);
    let pulls_nothing = match draft.seen.instance {
        InstanceState::Alive => released,
        InstanceState::Stopped | InstanceState::Dead => true,
    };
    if !pulls_nothing {
        return wait_for_release(draft, eni);
    }
    match draft.seen.eni.clone() {
        EniSeen::Known(view) => match view.attachment.as_ref() {
            Some(on) if Some(&on.id) == attachment.id.as_ref() => detach(draft, eni, on),
            Some(other) => found(draft, eni, other),
            None => delete(draft, eni, &EniSeen::Known(view)),
        },
        unseen @ (EniSeen::Unknown | EniSeen::Absent | EniSeen::Deleted) => {
            delete(draft, eni, &unseen);
        }
    }
}

fn releasing(eni: &Eni, draft: &Draft<'_>) -> Note {
    let node = draft.status.node.clone().unwrap_or_default();
    Note::new(
        Reason::Releasing,
        format!("the agent of {node} takes {} home", eni.id),
    )
}

fn wait_for_release(draft: &mut Draft<'_>, eni: &Eni) {
    let asked = draft
        .status
        .condition(ConditionKind::Attached)
        .map_or(draft.now, |c| c.since);
    let told = asked.after(PATIENCE);
    if draft.now < told {
        draft.look_again(told);
        let note = releasing(eni, draft);
        return draft.say(Phase::Releasing, note);
    }
    let node = draft.status.node.clone().unwrap_or_default();
    let message = format!(
        "the eniclaim agent of {node} has not given {} back; look at the agent's pod there, or terminate the instance",
        eni.id
    );
    draft.say(
        Phase::Releasing,
        Note::new(Reason::WaitingForAgent, message),
    );
}

fn detach(draft: &mut Draft<'_>, eni: &Eni, on: &AttachmentView) {
    let note = Note::new(
        Reason::Detaching,
        format!("{} leaves {}", eni.id, on.instance),
    );
    // Dead: EC2 detaches by itself, and deletes what is marked so; a Detach in between would make it forget the mark.
    if on.state == AttachmentState::Detaching || draft.seen.instance == InstanceState::Dead {
        draft.poll = Some(Poll::Fast);
        draft.status.last_error = None;
        return draft.say(Phase::Detaching, note);
    }
    draft.attempt(
        Effect::Detach {
            eni: eni.id.clone(),
            attachment: on.id.clone(),
        },
        Phase::Detaching,
        note,
    );
}

fn delete(draft: &mut Draft<'_>, eni: &Eni, seen: &EniSeen) {
    let was_attached = draft.status.attachment_id().is_some();
    let phase = if was_attached {
        Phase::Detaching
    } else {
        Phase::Deleting
    };
    let note = if was_attached {
        let instance = draft
            .status
            .attachment
            .as_ref()
            .map(|a| a.instance.clone())
            .unwrap_or_default();
        Note::new(Reason::Detaching, format!("{} leaves {instance}", eni.id))
    } else {
        Note::new(
            Reason::Deleting,
            format!("{} is not needed any more", eni.id),
        )
    };
    let gone = draft
        .setback(Action::Delete)
        .is_some_and(|s| s.refusal.kind == Kind::NotYet && !draft.young(s.at));
    if gone {
        draft.effect = Some(Effect::RemoveFinalizer);
        return;
    }
    match seen {
        EniSeen::Unknown => {
            draft.poll = Some(Poll::Fast);
            draft.say(phase, if was_attached { note } else { reading() });
        }
        EniSeen::Known(view) if !view.available => {
            draft.poll = Some(Poll::Fast);
            draft.say(phase, note);
        }
        // A filtered read that misses it proves nothing: Delete itself has to say so.
        EniSeen::Known(_) | EniSeen::Absent | EniSeen::Deleted => {
            draft.attempt(
                Effect::Delete {
                    eni: eni.id.clone(),
                },
                phase,
                note,
            );
        }
    }
}
