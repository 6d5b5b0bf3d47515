//! What is logged of writes to Kubernetes, and what became of each.

use api::id::NodeName;
use operator_core::{
    Outcome, Subject,
    fact::ApiRefusal,
    order::{NewClaim, Object, StatusWrite},
};
use telemetry::Outcome as Ended;

use super::Fields;
use crate::metrics;

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
            class,
            lasts: _,
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

#[cfg(test)]
mod tests {
    use operator_core::{
        claim::{Claim, ClaimStatus},
        cluster::{Key, PodSource, Version},
        order::{ClaimRef, Lasts},
    };

    use super::*;

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
                class: "app".into(),
                lasts: Lasts::Pod {
                    uid: "p".into(),
                    source: PodSource::Api,
                    interface: None,
                },
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
                leased: None,
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
