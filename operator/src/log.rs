//! What is logged of the fleet's decisions: one event each, with the objects as fields.

mod written;

use api::id::{EniId, InstanceId, NodeName};
use operator_core::{
    Outcome, Read, Subject,
    error::{Ec2Error, ErrorClass},
    fact::ApiRefusal,
    order::{About, Action, Effect, Event},
};
use telemetry::Outcome as Ended;
use tracing::field::{DisplayValue, display};

pub(crate) use self::written::written;
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
    use super::*;

    #[test]
    fn what_every_pod_meets_is_no_warning() {
        for class in [ErrorClass::NotYet, ErrorClass::State, ErrorClass::Throttled] {
            assert!(is_expected(class), "{class:?}");
        }
        assert!(!is_expected(ErrorClass::Denied));
    }
}
