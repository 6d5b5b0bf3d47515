//! The status of a claim after a step.

use api::{
    ClaimStatus, Condition, ConditionStatus, SmolStr, Time,
    claim::{Attachment, Binding, CreateAnswer, Eni, LastError, Phase, Release},
    condition::kind,
    id::{InstanceId, Slot},
};

use crate::{
    claim::Claim,
    decision::is_in_use,
    ec2::{AttachmentView, EniView},
    goal::Site,
    groups,
    reason::{Note, Reason},
    seen::{Backoff, Seen, Sends, SubnetSeen},
    step::{Step, incarnation},
    subnet::ipam,
};

/// The operator's part of the status once this step is taken.
pub fn after(
    claim: &Claim,
    seen: &Seen,
    step: &Step,
    note: &Note,
    told: Option<&Backoff>,
    now: Time,
) -> ClaimStatus {
    let mut next = claim.status.clone();
    advance(&mut next, claim, seen, step, now);
    if let Some(binding) = &mut next.binding {
        binding.net_admin.clone_from(&seen.net_admin);
    }
    match told {
        Some(backoff) => next.last_error = Some(last_error(backoff)),
        None => match step {
            // What an earlier request met stays until this one is answered, and what a release was for until it is done.
            Step::Refused if seen.backoff.is_none() => next.last_error = None,
            Step::Freeze(_) | Step::Create(_) | Step::Refused | Step::Search => {}
            _ => next.last_error = None,
        },
    }
    if !matches!(
        step,
        Step::Rest
            | Step::ConfirmPod
            | Step::DeleteClaim
            | Step::LetGo
            | Step::Forget(_)
            | Step::AddFinalizer
    ) {
        state(&mut next, claim, step, note, now);
        groups_state(&mut next, claim, seen, step, told, now);
    }
    next
}

/// The facts of the step, without what people read of it.
fn advance(next: &mut ClaimStatus, claim: &Claim, seen: &Seen, step: &Step, now: Time) {
    match step {
        Step::Bind(site, shape) => {
            next.binding = Some(bound(site, now));
            next.node_name = Some(site.node.clone());
            if seen.interface.is_some() {
                next.interface.clone_from(&seen.interface);
            }
            if claim.is_kept() {
                // Each pod waits from anew.
                next.timeline.requested = Some(now);
                next.timeline.attached = None;
            }
            next.timeline.requested.get_or_insert(now);
            if let Some(shape) = shape {
                next.creation =
                    Some(shape.freeze(claim, &seen.cluster, incarnation(claim) + 1, now));
            }
        }
        Step::Freeze(shape) => {
            next.creation = Some(shape.freeze(claim, &seen.cluster, incarnation(claim) + 1, now));
        }
        Step::Lost(shape, _) => {
            next.eni = None;
            next.security_groups = None;
            next.conditions
                .retain(|c| c.kind != kind::SECURITY_GROUPS_IN_SYNC);
            next.ipam = None;
            next.attachment = None;
            next.creation = Some(shape.freeze(claim, &seen.cluster, incarnation(claim) + 1, now));
        }
        Step::Refused => {
            if let Some(creation) = &mut next.creation {
                let answer = match seen.sends {
                    Sends::None | Sends::Refused => CreateAnswer::Refused,
                    Sends::Inconclusive => CreateAnswer::Inconclusive,
                };
                creation.answer.get_or_insert(answer);
            }
        }
        Step::Record(view, slot) => record(next, seen, view, *slot, now),
        Step::Reserve(slot) => {
            let instance = next.binding.as_ref().map(|b| b.instance_id.clone());
            next.attachment = instance.map(|instance| reserved(instance, *slot));
        }
        Step::RecordAttachment(view) => {
            next.attachment = Some(recorded(view, None, now));
            if let (Some(eni), Some(view)) = (&mut next.eni, seen.eni.view()) {
                eni.source_dest_check = view.source_dest_check;
            }
        }
        Step::RecordLeaving(view, _) => {
            next.attachment = Some(recorded(view, Some(Release::Requested), now));
            // The agent there gives the device back.
            if seen.attached_to.is_some() {
                next.node_name.clone_from(&seen.attached_to);
            }
        }
        Step::AwaitDevice | Step::Ready | Step::Mark | Step::WantGroups(_) | Step::SetGroups(_) => {
            // Groups are also set while the ENI is attached nowhere.
            if let Some(attachment) = next.attachment.as_mut().filter(|a| a.id.is_some()) {
                attachment.attached_at.get_or_insert(now.whole_second());
                next.timeline.attached.get_or_insert(now);
            }
            if matches!(step, Step::AwaitDevice) && seen.interface.is_some() {
                next.interface.clone_from(&seen.interface);
            }
            match step {
                Step::AwaitDevice => {}
                Step::WantGroups(wanted) => groups::request(next, seen, wanted, now),
                _ => groups::follow(next, seen, groups::standing(claim, seen, now)),
            }
        }
        Step::DropAttachment(_) => next.attachment = None,
        Step::Available => {
            next.binding = None;
            next.node_name = None;
            groups::follow(next, seen, groups::standing(claim, seen, now));
        }
        Step::Release(_) => {
            if let Some(attachment) = &mut next.attachment {
                attachment.release = Some(Release::Requested);
            }
        }
        Step::AwaitEni
        | Step::SetSourceDestCheck(_)
        | Step::Attach(_)
        | Step::AwaitAttachment
        | Step::Create(_) => {
            if matches!(step, Step::Attach(_)) {
                groups::follow(next, seen, groups::standing(claim, seen, now));
            }
            if seen.interface.is_some() {
                next.interface.clone_from(&seen.interface);
            }
        }
        Step::Rest
        | Step::AddFinalizer
        | Step::ConfirmPod
        | Step::DeleteClaim
        | Step::Blocked(_)
        | Step::Search
        | Step::AwaitRelease
        | Step::Detach(..)
        | Step::AwaitDetach
        | Step::Delete(_)
        | Step::AwaitDelete
        | Step::LetGo
        | Step::Forget(_) => {}
    }
}

fn record(next: &mut ClaimStatus, seen: &Seen, view: &EniView, slot: Option<Slot>, now: Time) {
    next.eni = Some(Eni {
        id: view.id.clone(),
        mac: view.mac.clone(),
        subnet_id: view.subnet.clone(),
        vpc_id: view.vpc.clone(),
        zone: view.zone.clone(),
        security_group_ids: view.groups.clone(),
        source_dest_check: view.source_dest_check,
    });
    if let SubnetSeen::Known(subnet) = &seen.subnet {
        next.ipam = Some(ipam(view, subnet, seen.preferred));
    }
    if let Some(creation) = &mut next.creation {
        creation.answer = None;
    }
    next.timeline.created = Some(now);
    next.last_error = None;
    let instance = next.binding.as_ref().map(|b| b.instance_id.clone());
    if let (Some(slot), Some(instance)) = (slot, instance) {
        next.attachment = Some(reserved(instance, slot));
    }
}

fn bound(site: &Site, now: Time) -> Binding {
    Binding {
        pod_name: site.pod_name.clone(),
        pod_uid: site.pod.clone(),
        node_uid: site.node_uid.clone(),
        instance_id: site.instance.clone(),
        since: now.whole_second(),
        net_admin: None,
    }
}

fn reserved(instance: InstanceId, slot: Slot) -> Attachment {
    Attachment {
        instance_id: instance,
        slot,
        id: None,
        requested_at: None,
        attached_at: None,
        release: None,
    }
}

fn recorded(view: &AttachmentView, release: Option<Release>, now: Time) -> Attachment {
    Attachment {
        instance_id: view.instance.clone(),
        slot: view.slot,
        id: Some(view.id.clone()),
        requested_at: Some(now.whole_second()),
        attached_at: None,
        release,
    }
}

fn last_error(backoff: &Backoff) -> LastError {
    LastError {
        code: backoff.error.code.clone(),
        message: backoff.error.message.clone(),
        request_id: backoff.error.request_id.clone(),
        attempts: backoff.attempts,
        next_retry: Some(backoff.until.whole_second()),
    }
}

/// The phase and the conditions, which follow from the rest.
fn state(next: &mut ClaimStatus, claim: &Claim, step: &Step, note: &Note, now: Time) {
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
fn groups_state(
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
