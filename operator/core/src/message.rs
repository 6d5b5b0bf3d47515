//! The sentence that a person reads of a step: what is so, and what mends it.

use api::{Time, claim::DeviceState, condition::kind, name};

use crate::{
    claim::Claim,
    error::{Ec2Error, ErrorClass},
    order::Action,
    reason::{Note, RUNNING_STAYS_WITHOUT, Reason},
    seen::{Backoff, Seen},
    step::{DETACH_STUCK, PATIENCE, Step},
};

/// The reason and sentence of a step.
pub fn note(claim: &Claim, seen: &Seen, step: &Step, now: Time) -> Note {
    let eni = eni(claim, seen);
    match step {
        Step::Blocked(note)
        | Step::DropAttachment(note)
        | Step::Release(note)
        | Step::RecordLeaving(_, note) => note.clone(),
        Step::Rest | Step::LetGo | Step::DeleteClaim => {
            Note::new(Reason::Deleting, "nothing of the claim is left in EC2")
        }
        Step::Forget(eni) => Note::new(
            Reason::Forgotten,
            format!(
                "{eni} is forgotten, as the annotation {} says; if it exists, delete it in EC2",
                name::FORCE_FORGET
            ),
        ),
        Step::AddFinalizer | Step::ConfirmPod => {
            Note::new(Reason::Reading, "the pod is being looked up")
        }
        Step::Bind(site, _) if claim.status.eni.is_some() => Note::new(
            Reason::Attaching,
            format!("{eni} is being attached to {}", site.instance),
        ),
        Step::Bind(..) | Step::Freeze(_) | Step::Create(_) | Step::Refused => Note::new(
            Reason::Creating,
            claim.status.creation.as_ref().map_or_else(
                || "an ENI is requested from EC2".to_owned(),
                |c| format!("an ENI in {} is requested from EC2", c.request.subnet_id),
            ),
        ),
        Step::Search => Note::new(
            Reason::SearchingEni,
            "a request for an ENI had no conclusive answer; EC2 is searched by tag for what it may have made",
        ),
        Step::Lost(_, eni) => Note::new(
            Reason::EniLost,
            format!(
                "EC2 does not know {eni} any more; another ENI is made. {RUNNING_STAYS_WITHOUT}"
            ),
        ),
        Step::Record(..) | Step::AwaitEni if claim.status.binding.is_none() => {
            Note::new(Reason::Created, format!("EC2 has made {eni}"))
        }
        Step::Record(..)
        | Step::AwaitEni
        | Step::Reserve(_)
        | Step::SetSourceDestCheck(_)
        | Step::Attach(_)
        | Step::RecordAttachment(_)
        | Step::AwaitAttachment => Note::new(
            Reason::Attaching,
            format!("{eni} is being attached to {}", instance(claim)),
        ),
        Step::WantGroups(_) | Step::SetGroups(_)
            if claim.status.attachment_id().is_none() && claim.status.binding.is_some() =>
        {
            Note::new(
                Reason::Attaching,
                format!(
                    "{eni} gets the security groups of class {} first",
                    claim.class
                ),
            )
        }
        Step::Available => available(claim, &eni),
        Step::WantGroups(_) | Step::SetGroups(_) if claim.status.attachment_id().is_none() => {
            available(claim, &eni)
        }
        Step::AwaitDevice => await_device(claim, &eni, now),
        Step::Mark | Step::WantGroups(_) | Step::SetGroups(_) | Step::Ready => ready(claim, &eni),
        Step::AwaitRelease => await_release(claim, &eni, now),
        Step::Detach(..) | Step::AwaitDetach => await_detach(claim, seen, &eni, now),
        Step::Delete(_) | Step::AwaitDelete => {
            Note::new(Reason::Deleting, format!("{eni} is being deleted"))
        }
    }
}

fn available(claim: &Claim, eni: &str) -> Note {
    Note::new(
        Reason::Available,
        format!(
            "{eni}{} waits for a pod with the annotation {}={name}, or one of the name {name} with {}",
            with_address(claim),
            name::CLAIM,
            name::PERSISTENT,
            name = claim.key.name
        ),
    )
}

fn ready(claim: &Claim, eni: &str) -> Note {
    let name = claim.interface_name();
    if claim.deleting {
        return Note::new(
            Reason::InUse,
            format!("the pod uses {eni} as {name}; the claim goes when the pod has ended"),
        );
    }
    let address = with_address(claim);
    Note::new(
        Reason::Ready,
        format!("the pod has {eni}{address} as {name}"),
    )
}

fn with_address(claim: &Claim) -> String {
    let address = claim.addresses().next();
    address.map_or_else(String::new, |address| format!(" with {address}"))
}

fn await_device(claim: &Claim, eni: &str, now: Time) -> Note {
    let node = claim.status.node_name.clone().unwrap_or_default();
    let attached = claim.status.attachment.as_ref().and_then(|a| a.attached_at);
    let late = attached.is_some_and(|at| now.since(at) >= PATIENCE);
    let home = claim.device_state() == Some(DeviceState::Home);
    if !late || home {
        return Note::new(
            Reason::Attached,
            format!("{eni} is on {node}, not yet in the pod"),
        );
    }
    Note::new(
        Reason::WaitingForAgent,
        format!(
            "{eni} is attached to {node}, but not in the pod: if the pod does not run yet, check the eniclaim agent's pod on {node}; if it runs, create it again"
        ),
    )
}

/// When the agent was asked to give the device back.
pub fn asked_at(claim: &Claim) -> Option<Time> {
    claim
        .status
        .condition(kind::ATTACHED)
        .map(|c| c.last_transition_time)
}

fn await_release(claim: &Claim, eni: &str, now: Time) -> Note {
    let node = claim.status.node_name.clone().unwrap_or_default();
    let late = asked_at(claim).is_some_and(|at| now.since(at) >= PATIENCE);
    if !late {
        return Note::new(
            Reason::Releasing,
            format!("waiting for the agent on {node} to move {eni} back to the host"),
        );
    }
    Note::new(
        Reason::WaitingForAgent,
        format!(
            "the eniclaim agent on {node} has not given {eni} back; check its pod there. If the node is dead, terminate {}, or taint the node with {}",
            instance(claim),
            name::OUT_OF_SERVICE
        ),
    )
}

fn await_detach(claim: &Claim, seen: &Seen, eni: &str, now: Time) -> Note {
    let stuck = seen
        .detaching
        .is_some_and(|at| now.since(at) >= DETACH_STUCK);
    match (stuck, claim.status.attachment_id()) {
        (true, Some(id)) => Note::new(
            Reason::DetachStuck,
            format!(
                "{eni} has been detaching from {} for more than five minutes; to detach it by force: kubectl -n {} annotate eniclaim {} {}={id}",
                instance(claim),
                claim.key.namespace,
                claim.key.name,
                name::FORCE_DETACH
            ),
        ),
        _ => Note::new(
            Reason::Detaching,
            format!("{eni} is being detached from {}", instance(claim)),
        ),
    }
}

fn eni(claim: &Claim, seen: &Seen) -> String {
    let named = claim.status.eni.as_ref().map(|eni| eni.id.to_string());
    named
        .or_else(|| seen.eni.view().map(|view| view.id.to_string()))
        .unwrap_or_else(|| "the ENI".to_owned())
}

fn instance(claim: &Claim) -> String {
    let attachment = claim.status.attachment.as_ref().map(|a| &a.instance_id);
    attachment
        .or(claim.status.binding.as_ref().map(|b| &b.instance_id))
        .map_or_else(|| "the instance".to_owned(), ToString::to_string)
}

/// The reason and sentence of a refusal.
pub fn refused(claim: &Claim, backoff: &Backoff) -> Note {
    let (reason, cure) = cure(claim, backoff.action, &backoff.error);
    Note::new(
        reason,
        format!("{} answered {}; {cure}", backoff.action, backoff.error),
    )
}

/// What EC2 says of an ENI with more addresses than the instance's type takes.
const TOO_MANY_ADDRESSES: &str = "PrivateIpAddressLimitExceeded";

fn cure(claim: &Claim, action: Action, error: &Ec2Error) -> (Reason, String) {
    let class = &claim.class;
    match error.class {
        ErrorClass::Throttled => (
            Reason::Throttled,
            "AWS wants fewer calls; it is tried again, more slowly".to_owned(),
        ),
        ErrorClass::Transient => (Reason::AwsUnavailable, "it is tried again".to_owned()),
        ErrorClass::NotYet => (
            Reason::EniLost,
            "EC2 does not know the ENI any more".to_owned(),
        ),
        ErrorClass::State => (Reason::Unexpected, state_cure(action)),
        ErrorClass::TokenReused => (
            Reason::SearchingEni,
            "EC2 is searched by tag for the ENI of that token".to_owned(),
        ),
        ErrorClass::NodeFull => (
            Reason::NodeFull,
            "detach an ENI that is not eniclaim's from the instance, or move the pod".to_owned(),
        ),
        ErrorClass::SubnetFull => (
            Reason::SubnetFull,
            format!("free addresses, or add a subnet of the zone to class {class}"),
        ),
        ErrorClass::QuotaFull => (
            Reason::QuotaFull,
            "delete ENIs, or ask AWS for a higher quota of network interfaces per Region"
                .to_owned(),
        ),
        ErrorClass::Terminal | ErrorClass::Unlisted => (
            Reason::Refused,
            match action {
                Action::CreateNetworkInterface => format!("correct class {class}"),
                Action::AttachNetworkInterface if error.code == TOO_MANY_ADDRESSES => format!(
                    "the instance's type takes fewer addresses and prefixes on an ENI than spec.addressCounts of class {class} asks for; ask for fewer, or use a larger type"
                ),
                Action::ModifyNetworkInterfaceAttribute if claim.status.is_regrouping() => {
                    format!("correct the security groups of class {class}")
                }
                _ => state_cure(action),
            },
        ),
        ErrorClass::Denied => (
            Reason::Denied,
            format!("allow ec2:{action} in the operator's IAM policy"),
        ),
        ErrorClass::Credentials => (
            Reason::NoCredentials,
            "check the operator's AWS credentials and region, and the clock of its node".to_owned(),
        ),
    }
}

/// What helps when EC2 says that an ENI is not in the state for a call.
fn state_cure(action: Action) -> String {
    match action {
        Action::DeleteNetworkInterface => {
            "what depends on the ENI, for example an Elastic IP address or a route, has to go first; it is tried again"
        }
        _ => "the ENI or its instance is not as the call needs it; EC2 is read, then it is tried again",
    }
    .to_owned()
}
