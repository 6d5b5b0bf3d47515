//! The status of a claim after a step.

mod told;

use api::{
    ClaimStatus, Time,
    claim::{Attachment, Binding, CreateAnswer, Eni, LastError, Release},
    condition::kind,
    id::{InstanceId, Slot},
};

use self::told::{groups_state, state};

use crate::{
    claim::Claim,
    ec2::{AttachmentView, EniView},
    goal::Site,
    groups,
    reason::Note,
    request::Shape,
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
        Step::Bind(site, shape) => bind(next, claim, seen, site, now, shape.as_deref()),
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

fn bind(
    next: &mut ClaimStatus,
    claim: &Claim,
    seen: &Seen,
    site: &Site,
    now: Time,
    shape: Option<&Shape>,
) {
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
        next.creation = Some(shape.freeze(claim, &seen.cluster, incarnation(claim) + 1, now));
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
