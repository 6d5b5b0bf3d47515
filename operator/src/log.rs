//! What is logged of the fleet's decisions: one event each, with the objects as fields.

use api::id::{EniId, InstanceId, NodeName};
use operator_core::{
    Outcome, Read, Subject,
    error::{Ec2Error, ErrorClass},
    fact::ApiRefusal,
    order::{About, Action, Effect, Event, NewClaim, Object, StatusWrite},
};
use telemetry::Outcome as Ended;
use tracing::field::{DisplayValue, display};

use crate::metrics;

/// The objects of a line.
struct Fields<'a> {
    claim: Option<DisplayValue<&'a operator_core::cluster::Key>>,
    pod: Option<DisplayValue<&'a operator_core::cluster::Key>>,
    node: Option<&'a str>,
    eni: Option<&'a str>,
    instance: Option<&'a str>,
}

impl<'a> From<&'a Subject> for Fields<'a> {
    fn from(subject: &'a Subject) -> Self {
        let Subject {
            claim,
            pod,
            node,
            eni,
            instance,
        } = subject;
        Self {
            claim: claim.as_ref().map(display),
            pod: pod.as_ref().map(display),
            node: node.as_ref().map(NodeName::as_str),
            eni: eni.as_ref().map(EniId::as_str),
            instance: instance.as_ref().map(InstanceId::as_str),
        }
    }
}

/// An order that came too late.
pub(crate) fn withheld(subject: &Subject, action: Option<Action>) {
    let Fields {
        claim,
        pod,
        node,
        eni,
        instance,
    } = subject.into();
    tracing::info!(
        claim,
        pod,
        node,
        eni,
        instance,
        action = action.map(Action::as_str),
        outcome = Ended::Withheld.as_str(),
        "not begun: the leader's term ends too soon"
    );
}

/// A change of EC2, with EC2's answer.
pub(crate) fn changed(subject: &Subject, effect: &Effect, outcome: &Outcome) {
    let Fields {
        claim,
        pod,
        node,
        eni,
        instance,
    } = subject.into();
    let action = effect.action().as_str();
    let eni = match outcome {
        Outcome::Created(view) => Some(view.id.as_str()),
        _ => effect.eni().map(EniId::as_str).or(eni),
    };
    let Outcome::Failed(error) = outcome else {
        let outcome = Ended::Success.as_str();
        tracing::info!(
            claim,
            pod,
            node,
            eni,
            instance,
            action,
            outcome,
            "EC2 changed"
        );
        return;
    };
    let Ec2Error {
        class,
        code,
        message: error,
        request_id,
    } = &**error;
    let outcome = metrics::outcome(Some(*class)).as_str();
    if is_expected(*class) {
        tracing::info!(
            claim,
            pod,
            node,
            eni,
            instance,
            action,
            outcome,
            code,
            error,
            request_id,
            "EC2 does not do it yet"
        );
    } else {
        tracing::warn!(
            claim,
            pod,
            node,
            eni,
            instance,
            action,
            outcome,
            code,
            error,
            request_id,
            "EC2 refuses"
        );
    }
}

/// Whether it happens where everything is in order: EC2 is behind its own state, busy, or full.
fn is_expected(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Throttled
        | ErrorClass::NotYet
        | ErrorClass::State
        | ErrorClass::NodeFull
        | ErrorClass::SubnetFull => true,
        ErrorClass::Transient
        | ErrorClass::TokenReused
        | ErrorClass::QuotaFull
        | ErrorClass::Terminal
        | ErrorClass::Denied
        | ErrorClass::Credentials
        | ErrorClass::Unlisted => false,
    }
}

/// A write to Kubernetes, with what became of it.
pub(crate) fn written(subject: &Subject, object: &Object, outcome: &Outcome) {
    let outcome = match outcome {
        Outcome::Refused(refusal) => return refused(subject, object, refusal),
        Outcome::NotWritten => Ended::Unavailable,
        Outcome::Conflict => Ended::Conflict,
        Outcome::ClaimGone => Ended::NotFound,
        _ => Ended::Success,
    }
    .as_str();
    let Fields {
        claim,
        pod,
        node,
        eni,
        instance,
    } = subject.into();
    match object {
        Object::NewClaim(NewClaim {
            key,
            pod: _,
            uid: _,
            source: _,
            class,
        }) => {
            tracing::info!(claim = %key, pod, node, %class, outcome, "claim made");
        }
        Object::Status(StatusWrite { claim: _, status }) => {
            let node = status.node_name.as_ref().map(NodeName::as_str).or(node);
            let eni = status.eni.as_ref().map(|eni| eni.id.as_str()).or(eni);
            let ready = status.condition(api::condition::kind::READY);
            let reason = ready.map(|ready| ready.reason.as_str());
            let phase = status.phase.map(metrics::phase);
            tracing::info!(
                claim,
                pod,
                node,
                eni,
                instance,
                phase,
                reason,
                outcome,
                "claim's status written"
            );
        }
        Object::AddFinalizer(_) => {
            tracing::info!(claim, pod, node, outcome, "claim's finalizer added");
        }
        Object::RemoveFinalizer(_) => {
            tracing::info!(claim, pod, node, outcome, "claim's finalizer removed");
        }
        Object::DeleteClaim(_) => {
            tracing::info!(
                claim,
                pod,
                node,
                eni,
                outcome,
                "claim deleted: its pod is gone"
            );
        }
        Object::NewReport { .. } => tracing::info!(node, instance, outcome, "EniNode made"),
        Object::Report { node: _, status } => {
            let capacity = status.capacity;
            tracing::info!(
                node,
                instance,
                capacity,
                outcome,
                "EniNode's status written"
            );
        }
        Object::Node { node: _, patch } => {
            let capacity = patch.publish;
            tracing::info!(
                node,
                instance,
                capacity,
                outcome,
                "node's resource or labels written"
            );
        }
    }
}

fn refused(subject: &Subject, object: &Object, refusal: &ApiRefusal) {
    let ApiRefusal {
        reason: code,
        message: error,
    } = refusal;
    let Fields {
        claim,
        pod,
        node,
        eni: _,
        instance: _,
    } = subject.into();
    tracing::warn!(
        claim,
        pod,
        node,
        object = metrics::Written::of(object).as_str(),
        outcome = Ended::Refused.as_str(),
        code,
        error,
        "the API server refuses a write"
    );
}

/// A read that failed; that others succeed is counted and not logged.
pub(crate) fn read(subject: &Subject, read: &Read, outcome: &Outcome) {
    let Fields {
        claim: _,
        pod,
        node,
        eni: _,
        instance: _,
    } = subject.into();
    match outcome {
        Outcome::Failed(error) => {
            let Ec2Error {
                class,
                code,
                message: error,
                request_id,
            } = &**error;
            let action = read.action().map(Action::as_str);
            let outcome = metrics::outcome(Some(*class)).as_str();
            tracing::warn!(
                action,
                outcome,
                code,
                error,
                request_id,
                "EC2 cannot be read"
            );
        }
        Outcome::Refused(ApiRefusal {
            reason: code,
            message: error,
        }) => {
            let outcome = Ended::Refused.as_str();
            tracing::warn!(
                pod,
                node,
                outcome,
                code,
                error,
                "the API server refuses a read"
            );
        }
        _ => {}
    }
}

/// An Event that is published.
pub(crate) fn event(subject: &Subject, event: &Event) {
    let Event { about, note } = event;
    let Fields {
        claim,
        pod,
        node,
        eni,
        instance,
    } = subject.into();
    let class = match about {
        About::Class(name, _) => Some(name.as_str()),
        About::Pod(..)
        | About::Claim(..)
        | About::Node(..)
        | About::Report(..)
        | About::Cluster(_) => None,
    };
    let (reason, note) = (note.reason.as_str(), &note.message);
    tracing::info!(
        claim,
        pod,
        node,
        eni,
        instance,
        class,
        reason,
        note,
        "Event published"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_pod_meets_is_no_warning() {
        for class in [ErrorClass::NotYet, ErrorClass::State, ErrorClass::Throttled] {
            assert!(is_expected(class), "{class:?}");
        }
        assert!(!is_expected(ErrorClass::Denied));
    }
}
