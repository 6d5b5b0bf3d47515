//! The way up: bind, create, attach, ready.

use super::{Draft, PATIENCE, Poll};
use crate::{
    bind::Site,
    claim::{Attachment, Binding, Creation, DeviceState, Eni, LastError, Phase},
    cloud::{AttachmentState, EniSeen, EniView},
    kind::Kind,
    order::{Action, Effect},
    reason::{Note, Reason},
};

pub(super) fn bring_up(draft: &mut Draft<'_>) {
    let Some(binding) = draft.status.binding.clone() else {
        return bind(draft);
    };
    match (draft.status.eni.clone(), &draft.seen.eni) {
        (None, EniSeen::Known(view)) => provisioned(draft, &binding, view),
        (None, EniSeen::Unknown | EniSeen::Absent | EniSeen::Deleted) => create(draft),
        (Some(eni), _) => attach(draft, &binding, &eni),
    }
}

fn bind(draft: &mut Draft<'_>) {
    match draft.seen.site.clone() {
        Err(note) => draft.say(Phase::Pending, note),
        Ok(site) => {
            draft.status.binding = Some(Binding {
                pod_name: draft.claim.owner.name.clone(),
                pod_uid: draft.claim.owner.uid.clone(),
                node_uid: site.node_uid.clone(),
                instance: site.instance.clone(),
                since: draft.now.whole_second(),
            });
            draft.status.node = Some(site.node.clone());
            draft.status.interface = Some(site.interface.clone());
            draft.status.timeline.requested = Some(draft.now);
            freeze(draft, &site, 1, None);
        }
    }
}

/// Writes down a request; it is sent once that stands.
fn freeze(draft: &mut Draft<'_>, site: &Site, incarnation: u32, after: Option<LastError>) {
    let creation = site
        .shape
        .freeze(draft.claim, &draft.seen.cluster, incarnation, draft.now);
    let note = creating(&creation);
    draft.status.creation = Some(creation);
    draft.status.last_error = after.map(|error| LastError {
        next_retry: None,
        ..error
    });
    draft.say(Phase::Creating, note);
}

fn creating(creation: &Creation) -> Note {
    Note::new(
        Reason::Creating,
        format!("EC2 is asked for an ENI in {}", creation.request.subnet),
    )
}

/// Sends the frozen request; after a definite refusal, freezes another one.
fn create(draft: &mut Draft<'_>) {
    let Some(creation) = draft.status.creation.clone() else {
        return bind(draft);
    };
    let setback = draft.setback(Action::Create).cloned();
    if draft.refused() {
        let due = setback.as_ref().is_none_or(|s| s.until <= draft.now);
        let told = setback
            .as_ref()
            .map(super::Setback::told)
            .or_else(|| draft.status.last_error.clone());
        match draft.seen.site.clone() {
            Ok(site)
                if due
                    || !site
                        .shape
                        .is_asked_by(&creation, draft.claim, &draft.seen.cluster) =>
            {
                return freeze(draft, &site, creation.incarnation.saturating_add(1), told);
            }
            Ok(_) => {
                if let Some(setback) = setback {
                    draft.status.last_error = told;
                    draft.say(Phase::Pending, setback.note(draft.claim));
                    draft.look_again(setback.until);
                }
            }
            Err(note) => {
                draft.status.last_error = told;
                draft.say(Phase::Pending, note);
                draft.look_again(setback.map_or(draft.now, |s| s.until));
            }
        }
        return;
    }
    if setback.is_some() {
        draft.attempt(
            Effect::Create(Box::new(creation.clone())),
            Phase::Creating,
            creating(&creation),
        );
    } else {
        // What an earlier incarnation met stays told until this one is answered.
        draft.say(Phase::Creating, creating(&creation));
        draft.effect = Some(Effect::Create(Box::new(creation)));
    }
}

/// EC2 has the ENI: writes it down, and the slot where it goes next.
fn provisioned(draft: &mut Draft<'_>, binding: &Binding, view: &EniView) {
    if draft.seen.subnet.is_none() {
        return draft.say(
            Phase::Creating,
            Note::new(
                Reason::Reading,
                format!("{} is being read from EC2", view.subnet),
            ),
        );
    }
    draft.adopt(view);
    if let Some(attachment) = view
        .attachment
        .as_ref()
        .filter(|a| a.instance == binding.instance)
    {
        draft.adopt_attachment(attachment, false);
    } else if let Ok(slot) = draft.seen.slot {
        draft.status.attachment = Some(Attachment {
            instance: binding.instance.clone(),
            slot,
            id: None,
            attached_at: None,
            release: false,
        });
    }
    let note = Note::new(
        Reason::Attaching,
        format!("{} goes to {}", view.id, binding.instance),
    );
    draft.say(Phase::Attaching, note);
}

fn attach(draft: &mut Draft<'_>, binding: &Binding, eni: &Eni) {
    if let Some(attachment) = draft.status.attachment.clone().filter(|a| a.id.is_some()) {
        return attached(draft, eni, attachment);
    }
    let progress = Note::new(
        Reason::Attaching,
        format!("{} goes to {}", eni.id, binding.instance),
    );
    match draft.seen.eni.clone() {
        EniSeen::Known(view) => match &view.attachment {
            Some(attachment)
                if attachment.instance == binding.instance
                    && attachment.state != AttachmentState::Detaching =>
            {
                draft.adopt_attachment(attachment, false);
                draft.say(Phase::Attaching, progress);
            }
            Some(attachment) => {
                draft.poll = Some(Poll::Slow);
                let message = format!(
                    "{} is attached to {}, not by us; detach it",
                    eni.id, attachment.instance
                );
                draft.say(Phase::Attaching, Note::new(Reason::Unexpected, message));
            }
            None => put_into_slot(draft, binding, eni, view.available, progress),
        },
        EniSeen::Unknown => {
            draft.poll = Some(Poll::Fast);
            draft.say(Phase::Attaching, progress);
        }
        EniSeen::Absent | EniSeen::Deleted if draft.young(draft.now) => {
            draft.poll = Some(Poll::Fast);
            draft.say(Phase::Attaching, progress);
        }
        EniSeen::Absent | EniSeen::Deleted => {
            draft.poll = Some(Poll::Slow);
            let message = format!(
                "EC2 does not know {} any more; delete the pod to get a new one",
                eni.id
            );
            draft.say(Phase::Attaching, Note::new(Reason::EniLost, message));
        }
    }
}

/// A read since our last Attach shows the ENI free: reserve the slot that is free for it now, then attach there.
fn put_into_slot(
    draft: &mut Draft<'_>,
    binding: &Binding,
    eni: &Eni,
    available: bool,
    progress: Note,
) {
    let slot = match draft.seen.slot.clone() {
        Ok(slot) => slot,
        Err(note) => return draft.say(Phase::Attaching, note),
    };
    draft.status.attachment = Some(Attachment {
        instance: binding.instance.clone(),
        slot,
        id: None,
        attached_at: None,
        release: false,
    });
    if !available
        && draft
            .setback(Action::Attach)
            .is_some_and(|s| s.refusal.kind == Kind::NotYet || s.refusal.kind == Kind::State)
    {
        // Attach follows Create directly; once that was too early it follows `available`.
        draft.poll = Some(Poll::Fast);
        return draft.say(Phase::Attaching, progress);
    }
    draft.attempt(
        Effect::Attach {
            eni: eni.id.clone(),
            instance: binding.instance.clone(),
            slot,
        },
        Phase::Attaching,
        progress,
    );
}

fn attached(draft: &mut Draft<'_>, eni: &Eni, mut attachment: Attachment) {
    let shown = match &draft.seen.eni {
        EniSeen::Known(view) => view
            .attachment
            .as_ref()
            .filter(|a| Some(&a.id) == attachment.id.as_ref()),
        EniSeen::Unknown | EniSeen::Absent | EniSeen::Deleted => None,
    };
    // The agent that sees the device by its MAC is the fastest proof.
    let there = draft.claim.device_state().is_some()
        || shown.is_some_and(|a| a.state == AttachmentState::Attached);
    if attachment.attached_at.is_none() && !there {
        draft.poll = Some(Poll::Slow);
        return draft.say(
            Phase::Attaching,
            Note::new(
                Reason::Attaching,
                format!("{} goes to {}", eni.id, attachment.instance),
            ),
        );
    }
    if attachment.attached_at.is_none() {
        attachment.attached_at = Some(draft.now.whole_second());
        draft.status.attachment = Some(attachment.clone());
        draft.status.timeline.attached = Some(draft.now);
        draft.status.last_error = None;
    }
    if draft.claim.plugged() && draft.claim.status.attachment.as_ref() == Some(&attachment) {
        return ready(draft, eni, &attachment);
    }
    wait_for_plug(draft, eni, &attachment);
}

fn wait_for_plug(draft: &mut Draft<'_>, eni: &Eni, attachment: &Attachment) {
    let node = draft.status.node.clone().unwrap_or_default();
    let told = attachment.attached_at.unwrap_or(draft.now).after(PATIENCE);
    let home = draft.claim.device_state() == Some(DeviceState::Home);
    let progress = if draft.now < told || home {
        draft.look_again(told);
        Note::new(
            Reason::Attached,
            format!("{} is on {node}, not yet in the pod", eni.id),
        )
    } else {
        let message = format!(
            "{} is attached to {node}, whose eniclaim agent has not plugged it into the pod; look at the agent's pod there",
            eni.id
        );
        Note::new(Reason::WaitingForAgent, message)
    };
    draft.say(Phase::Attached, progress);
}

fn ready(draft: &mut Draft<'_>, eni: &Eni, attachment: &Attachment) {
    let name = draft
        .status
        .interface
        .as_ref()
        .map_or("", |i| i.name.as_str());
    let note = Note::new(Reason::Ready, format!("the pod has {} as {name}", eni.id));
    draft.say(Phase::Ready, note.clone());
    let (EniSeen::Known(view), Some(id)) = (&draft.seen.eni, &attachment.id) else {
        draft.poll = Some(Poll::Slow);
        return;
    };
    if view
        .attachment
        .as_ref()
        .is_some_and(|a| a.id == *id && !a.delete_on_termination)
    {
        // Should the instance be terminated, EC2 deletes the ENI with it; the pod is gone then anyway.
        let effect = Effect::SetDeleteOnTermination {
            eni: eni.id.clone(),
            attachment: id.clone(),
        };
        draft.attempt(effect, Phase::Ready, note);
    } else {
        draft.status.last_error = None;
    }
}
