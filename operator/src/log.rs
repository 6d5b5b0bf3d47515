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
    let at = Fields::from(subject);
    tracing::info!(
        claim = at.claim,
        pod = at.pod,
        node = at.node,
        eni = at.eni,
        instance = at.instance,
        action = action.map(Action::as_str),
        outcome = Ended::Withheld.as_str(),
        "not begun: the leader's term ends too soon"
    );
}

/// A change of EC2, with EC2's answer.
pub(crate) fn changed(subject: &Subject, effect: &Effect, outcome: &Outcome) {
    let at = Fields::from(subject);
    let action = effect.action().as_str();
    let eni = match outcome {
        Outcome::Created(view) => Some(view.id.as_str()),
        _ => effect.eni().map(EniId::as_str).or(at.eni),
    };
    let Outcome::Failed(error) = outcome else {
        let outcome = Ended::Success.as_str();
        tracing::info!(
            claim = at.claim,
            pod = at.pod,
            node = at.node,
            eni,
            instance = at.instance,
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
            claim = at.claim,
            pod = at.pod,
            node = at.node,
            eni,
            instance = at.instance,
            action,
            outcome,
            code,
            error,
            request_id,
            "EC2 does not do it yet"
        );
    } else {
        tracing::warn!(
            claim = at.claim,
            pod = at.pod,
            node = at.node,
            eni,
            instance = at.instance,
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
    match outcome {
        Outcome::Refused(refusal) => refused(subject, object, refusal),
        // Nothing is left of it.
        Outcome::ClaimGone if matches!(object, Object::DeleteClaim(_)) => done(subject, object),
        Outcome::ClaimGone => not_written(subject, object, Ended::NotFound),
        Outcome::Conflict | Outcome::Found(_) => not_written(subject, object, Ended::Conflict),
        Outcome::NotWritten => not_written(subject, object, Ended::Unavailable),
        _ => done(subject, object),
    }
}

fn not_written(subject: &Subject, object: &Object, outcome: Ended) {
    let at = Fields::from(subject);
    tracing::info!(
        claim = at.claim,
        pod = at.pod,
        node = at.node,
        object = metrics::Written::of(object).as_str(),
        outcome = outcome.as_str(),
        "not written: decided anew"
    );
}

fn done(subject: &Subject, object: &Object) {
    let at = Fields::from(subject);
    match object {
        Object::NewClaim(NewClaim {
            key,
            pod: _,
            uid: _,
            source: _,
            class,
            interface: _,
        }) => {
            tracing::info!(claim = %key, pod = at.pod, node = at.node, %class, "claim made");
        }
        Object::Status(StatusWrite { claim: _, status }) => {
            let node = status.node_name.as_ref().map(NodeName::as_str).or(at.node);
            let eni = status.eni.as_ref().map(|eni| eni.id.as_str()).or(at.eni);
            let ready = status.condition(api::condition::kind::READY);
            let reason = ready.map(|ready| ready.reason.as_str());
            let phase = status.phase.map(metrics::phase);
            tracing::info!(
                claim = at.claim,
                pod = at.pod,
                node,
                eni,
                instance = at.instance,
                phase,
                reason,
                "claim's status written"
            );
        }
        Object::AddFinalizer(_) => {
            tracing::info!(
                claim = at.claim,
                pod = at.pod,
                node = at.node,
                "claim's finalizer added"
            );
        }
        Object::RemoveFinalizer(_) => {
            tracing::info!(
                claim = at.claim,
                pod = at.pod,
                node = at.node,
                "claim's finalizer removed"
            );
        }
        Object::DeleteClaim(_) => {
            tracing::info!(
                claim = at.claim,
                pod = at.pod,
                node = at.node,
                eni = at.eni,
                "claim deleted: its pod is gone"
            );
        }
        Object::Marks(_) => {
            tracing::info!(
                claim = at.claim,
                pod = at.pod,
                node = at.node,
                "pod's network status or condition written"
            );
        }
        Object::NewReport { .. } => {
            tracing::info!(node = at.node, instance = at.instance, "EniNode made");
        }
        Object::Report { node: _, status } => {
            let capacity = status.capacity;
            tracing::info!(
                node = at.node,
                instance = at.instance,
                capacity,
                "EniNode's status written"
            );
        }
        Object::Class {
            class,
            uid: _,
            status,
        } => {
            let ready = status.condition(api::condition::kind::READY);
            let reason = ready.map(|ready| ready.reason.as_str());
            tracing::info!(%class, reason, "class's status written");
        }
        Object::Node { node: _, patch } => {
            let capacity = patch.publish;
            tracing::info!(
                node = at.node,
                instance = at.instance,
                capacity,
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
    let at = Fields::from(subject);
    tracing::warn!(
        claim = at.claim,
        pod = at.pod,
        node = at.node,
        object = metrics::Written::of(object).as_str(),
        outcome = Ended::Refused.as_str(),
        code,
        error,
        "the API server refuses a write"
    );
}

/// A read that failed; that others succeed is counted and not logged.
pub(crate) fn read(subject: &Subject, read: &Read, outcome: &Outcome) {
    let at = Fields::from(subject);
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
                pod = at.pod,
                node = at.node,
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
    let at = Fields::from(subject);
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
        claim = at.claim,
        pod = at.pod,
        node = at.node,
        eni = at.eni,
        instance = at.instance,
        class,
        reason,
        note,
        "Event published"
    );
}

#[cfg(test)]
mod tests {
    use operator_core::{
        claim::{Claim, ClaimStatus},
        cluster::{Key, PodSource, Version},
        order::ClaimRef,
    };

    use super::*;

    #[test]
    fn what_every_pod_meets_is_no_warning() {
        for class in [ErrorClass::NotYet, ErrorClass::State, ErrorClass::Throttled] {
            assert!(is_expected(class), "{class:?}");
        }
        assert!(!is_expected(ErrorClass::Denied));
    }

    #[test]
    fn only_what_was_done_is_logged_as_done() {
        let claim = || ClaimRef {
            key: Key::new("shop", "web-0"),
            uid: "u".into(),
            version: Version::default(),
        };
        let new = || {
            Object::NewClaim(NewClaim {
                key: claim().key,
                pod: "web".into(),
                uid: "p".into(),
                source: PodSource::Api,
                class: "app".into(),
                interface: None,
            })
        };
        let held = || {
            Box::new(Claim {
                key: claim().key,
                uid: "u".into(),
                version: Version::default(),
                generation: 1,
                deleting: false,
                finalizer: false,
                class: "app".into(),
                interface: None,
                owner: None,
                force_detach: None,
                force_forget: None,
                status: ClaimStatus::default(),
                device: None,
            })
        };
        for (object, outcome, says) in [
            (new(), Outcome::Claim(held()), "claim made"),
            (new(), Outcome::Found(held()), "conflict"),
            (new(), Outcome::Conflict, "conflict"),
            (new(), Outcome::NotWritten, "unavailable"),
            (
                Object::RemoveFinalizer(claim()),
                Outcome::ClaimGone,
                "not_found",
            ),
            (
                Object::DeleteClaim(claim()),
                Outcome::ClaimGone,
                "claim deleted: its pod is gone",
            ),
        ] {
            let written = || written(&Subject::default(), &object, &outcome);
            let lines = telemetry::line::captured(written).unwrap();
            let [line] = &lines[..] else {
                panic!("{lines:?}")
            };
            let said = match &line["message"] {
                message if message == "not written: decided anew" => &line["outcome"],
                message => message,
            };
            assert_eq!(said, says, "{object:?}");
        }
    }
}
