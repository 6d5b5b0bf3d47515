//! Conditions of a claim, and the steps that a change of status reaches.

use crate::{
    claim::{Condition, ConditionKind, Phase, Status},
    reason::{Note, Reason},
    time::Time,
};

/// States `kind`; the time of the last change is kept while it holds or fails on.
pub fn state(status: &mut Status, kind: ConditionKind, holds: bool, note: Note, now: Time) {
    let since = status
        .condition(kind)
        .filter(|c| c.holds == holds)
        .map_or_else(|| now.whole_second(), |c| c.since);
    let condition = Condition {
        kind,
        holds,
        reason: note.reason,
        message: note.message,
        since,
    };
    match status.conditions.iter_mut().find(|c| c.kind == kind) {
        Some(stated) => *stated = condition,
        None => status.conditions.push(condition),
    }
}

/// States what the rest of the status already shows: Provisioned and Attached.
pub fn state_stages(status: &mut Status, now: Time) {
    let provisioned = match &status.eni {
        Some(eni) => (
            true,
            Note::new(Reason::Created, format!("{} in {}", eni.id, eni.subnet)),
        ),
        None => (
            false,
            Note::new(Reason::Creating, "EC2 has not made an ENI yet"),
        ),
    };
    state(
        status,
        ConditionKind::Provisioned,
        provisioned.0,
        provisioned.1,
        now,
    );
    let attached = match &status.attachment {
        Some(a) if a.release => (
            false,
            Note::new(Reason::Releasing, format!("leaves {}", a.instance)),
        ),
        Some(a) if a.attached_at.is_some() => (
            true,
            Note::new(
                Reason::Attached,
                format!(
                    "card {} index {} of {}",
                    a.slot.card, a.slot.index, a.instance
                ),
            ),
        ),
        Some(a) => (
            false,
            Note::new(
                Reason::Attaching,
                format!(
                    "card {} index {} of {} is taken for it",
                    a.slot.card, a.slot.index, a.instance
                ),
            ),
        ),
        None => (false, Note::new(Reason::Creating, "has no slot yet")),
    };
    state(status, ConditionKind::Attached, attached.0, attached.1, now);
}

/// What a person is told when `before` becomes `after`: each step once, when it is reached.
pub fn steps(before: &Status, after: &Status) -> Vec<Note> {
    let mut notes = Vec::new();
    if let (None, Some(eni)) = (&before.eni, &after.eni) {
        let address = after
            .addresses
            .first()
            .map_or_else(String::new, |a| format!(" with {}", a.address));
        notes.push(Note::new(
            Reason::Created,
            format!("made {} in {} of {}{address}", eni.id, eni.subnet, eni.zone),
        ));
    }
    let attached = |status: &Status| {
        status
            .attachment
            .as_ref()
            .is_some_and(|a| a.attached_at.is_some())
    };
    if let (Some(eni), Some(a)) = (&after.eni, &after.attachment) {
        if attached(after) && !attached(before) {
            notes.push(Note::new(
                Reason::Attached,
                format!(
                    "attached {} to {} as card {} index {}",
                    eni.id, a.instance, a.slot.card, a.slot.index
                ),
            ));
        }
        if after.phase == Some(Phase::Ready) && before.phase != Some(Phase::Ready) {
            let name = after.interface.as_ref().map_or("", |i| i.name.as_str());
            notes.push(Note::new(
                Reason::Ready,
                format!("the pod has {} as {name}", eni.id),
            ));
        }
        if a.id.is_some()
            && after.phase == Some(Phase::Detaching)
            && before.phase != Some(Phase::Detaching)
        {
            notes.push(Note::new(
                Reason::Released,
                format!("{} is free to leave {}", eni.id, a.instance),
            ));
        }
    }
    notes
}
