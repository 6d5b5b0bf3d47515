//! What is logged of the fleet's decisions: one event each, with the objects as fields.

use operator_core::{
    Outcome, Read, Target,
    error::{Ec2Error, ErrorClass},
    fact::ApiRefusal,
    order::{About, Effect, Event, NewClaim, Object, StatusWrite},
};
use tracing::field::{DisplayValue, display};

/// The objects that a target names.
#[derive(Debug, Default)]
struct Fields<'a> {
    claim: Option<DisplayValue<&'a operator_core::cluster::Key>>,
    pod: Option<DisplayValue<&'a operator_core::cluster::Key>>,
    node: Option<&'a str>,
    eni: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(target: &'a Target) -> Self {
        let mut fields = Self::default();
        match target {
            Target::Claim(key) => fields.claim = Some(display(key)),
            Target::Orphan(eni) => fields.eni = Some(eni.as_str()),
            Target::Pod(key) | Target::PodRead(key) => fields.pod = Some(display(key)),
            Target::Node(node) | Target::Report(node) => fields.node = Some(node.as_str()),
            Target::Read(_) => {}
        }
        fields
    }
}

/// An order that came too late.
pub(crate) fn withheld(target: &Target) {
    let Fields {
        claim,
        pod,
        node,
        eni,
    } = Fields::of(target);
    tracing::info!(claim, pod, node, eni, "withheld: the term ends too soon");
}

/// A change of EC2, with EC2's answer.
pub(crate) fn changed(target: &Target, effect: &Effect, outcome: &Outcome) {
    let claim = Fields::of(target).claim;
    let action = effect.action().as_str();
    let eni = match outcome {
        Outcome::Created(view) => Some(view.id.as_str()),
        _ => effect.eni().map(api::id::EniId::as_str),
    };
    let Outcome::Failed(error) = outcome else {
        tracing::info!(claim, action, eni, "EC2 changed");
        return;
    };
    let Ec2Error {
        class,
        code,
        message,
        request_id,
    } = &**error;
    let class = class.as_str();
    if is_expected(error) {
        tracing::info!(
            claim,
            action,
            eni,
            class,
            code,
            error = message,
            request_id,
            "EC2 refuses"
        );
    } else {
        tracing::warn!(
            claim,
            action,
            eni,
            class,
            code,
            error = message,
            request_id,
            "EC2 refuses"
        );
    }
}

/// Whether it happens where everything is in order: EC2 is behind its own state, busy, or full.
fn is_expected(error: &Ec2Error) -> bool {
    match error.class {
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
pub(crate) fn written(object: &Object, outcome: &Outcome) {
    let result = match outcome {
        Outcome::Refused(refusal) => return refused(&object.target(), refusal),
        Outcome::NotWritten => "not written",
        Outcome::Conflict => "conflict",
        Outcome::ClaimGone => "gone",
        _ => "ok",
    };
    match object {
        Object::NewClaim(NewClaim {
            key,
            pod,
            uid: _,
            source: _,
            class,
        }) => {
            tracing::info!(claim = %key, %pod, %class, result, "new claim");
        }
        Object::Status(StatusWrite { claim, status }) => {
            let pod = status.binding.as_ref().map(|b| b.pod_name.as_str());
            let node = status.node_name.as_ref().map(api::id::NodeName::as_str);
            let reason = status
                .condition(api::condition::kind::READY)
                .map(|ready| ready.reason.as_str());
            let phase = status.phase.map(|phase| format!("{phase:?}"));
            tracing::info!(claim = %claim.key, pod, node, phase, reason, result, "status");
        }
        Object::AddFinalizer(claim) => {
            tracing::info!(claim = %claim.key, result, "finalizer added");
        }
        Object::RemoveFinalizer(claim) => {
            tracing::info!(claim = %claim.key, result, "finalizer removed");
        }
        Object::DeleteClaim(claim) => tracing::info!(claim = %claim.key, result, "claim deleted"),
        Object::NewReport { node, uid: _ } => tracing::info!(%node, result, "new report"),
        Object::Report { node, status } => {
            let (capacity, free) = (status.capacity, status.free);
            tracing::info!(%node, capacity, free, result, "report");
        }
        Object::Node { node, patch } => {
            tracing::info!(%node, publish = patch.publish, labels = ?patch.labels, result, "node");
        }
    }
}

fn refused(target: &Target, refusal: &ApiRefusal) {
    let ApiRefusal { reason, message } = refusal;
    let Fields {
        claim,
        pod,
        node,
        eni: _,
    } = Fields::of(target);
    let error = message;
    tracing::warn!(claim, pod, node, reason, error, "the API server refuses");
}

/// A read that failed; that others succeed is counted and not logged.
pub(crate) fn read(read: &Read, outcome: &Outcome) {
    if let Outcome::Failed(error) = outcome {
        let Ec2Error {
            class,
            code,
            message,
            request_id,
        } = &**error;
        let (topic, class) = (read.target(), class.as_str());
        tracing::warn!(
            ?topic,
            class,
            code,
            error = message,
            request_id,
            "EC2 cannot be read"
        );
    }
}

/// An Event that is published.
pub(crate) fn event(event: &Event) {
    let Event { about, note } = event;
    let mut fields = Fields::default();
    let mut class = None;
    match about {
        About::Pod(key, _) => fields.pod = Some(display(key)),
        About::Claim(key, _) => fields.claim = Some(display(key)),
        About::Class(name, _) => class = Some(name.as_str()),
        About::Node(name, _) | About::Report(name, _) => fields.node = Some(name.as_str()),
        About::Cluster(_) => {}
    }
    let Fields {
        claim,
        pod,
        node,
        eni: _,
    } = fields;
    tracing::info!(claim, pod, node, class, reason = %note.reason, note = note.message, "event");
}
