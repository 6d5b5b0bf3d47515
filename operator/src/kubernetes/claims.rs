//! Writes of claims.

use crds::EniClaim;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, Preconditions},
};
use operator_core::{
    Outcome,
    cluster::Key,
    order::{ClaimRef, NewClaim, StatusWrite},
};
use serde_json::json;

use super::{Failure, Kubernetes, applied, by_us, merged};
use crate::{convert, metrics::Written};

impl Kubernetes {
    /// Made once: the name follows from the pod, so a second one is refused.
    pub(super) async fn new_claim(&self, new: &NewClaim) -> Outcome {
        let (claim, parameters) = (convert::new_claim(new), by_us());
        let api = self.claims(&new.key);
        let made = self.count(Written::EniClaim, api.create(&parameters, &claim));
        let outcome = match made.await {
            Ok(claim) => Ok(written(claim)),
            // Whose it is the fleet judges: an earlier process of ours may have made it, or anybody.
            Err(Failure::Exists) => self.call(api.get(&new.key.name)).await.map(found),
            Err(failure) => Err(failure),
        };
        // The namespace is gone, or the claim that was in the way.
        outcome.unwrap_or_else(Failure::outcome)
    }

    /// At the very version that the status was decided on; any other is a conflict, and decided again.
    pub(super) async fn write_status(&self, write: &StatusWrite) -> Outcome {
        let StatusWrite { claim, status } = write;
        let ClaimRef { key, uid, version } = claim;
        let object = json!({
            "apiVersion": EniClaim::api_version(&()), "kind": "EniClaim",
            "metadata": {
                "name": key.name, "namespace": key.namespace, "uid": uid, "resourceVersion": version.0
            },
            "status": status.as_ref().clone().of_operator(),
        });
        let (api, parameters, patch) = (self.claims(key), applied(), Patch::Apply(object));
        let patched = api.patch_status(&key.name, &parameters, &patch);
        of_claim(self.count(Written::EniClaim, patched).await)
    }

    pub(super) async fn add_finalizer(&self, claim: &ClaimRef) -> Outcome {
        self.finalizers(claim, |mut held| {
            held.push(api::name::FINALIZER.to_owned());
            held
        })
        .await
    }

    pub(super) async fn remove_finalizer(&self, claim: &ClaimRef) -> Outcome {
        self.finalizers(claim, |mut held| {
            held.retain(|finalizer| finalizer != api::name::FINALIZER);
            held
        })
        .await
    }

    /// A merge patch replaces the list as a whole, at the version at which it was read: other finalizers stay.
    async fn finalizers(
        &self,
        claim: &ClaimRef,
        change: impl FnOnce(Vec<String>) -> Vec<String>,
    ) -> Outcome {
        let ClaimRef { key, uid, version } = claim;
        let api = self.claims(key);
        let held = match self.call(api.get_metadata(&key.name)).await {
            Ok(held) => held,
            Err(failure) => return of_claim(Err(failure)),
        };
        if held.resource_version().as_deref() != Some(&version.0) {
            return Outcome::Conflict;
        }
        let patch = Patch::Merge(json!({ "metadata": {
            "uid": uid, "resourceVersion": version.0, "finalizers": change(held.finalizers().to_vec())
        } }));
        let parameters = merged();
        let patched = api.patch(&key.name, &parameters, &patch);
        of_claim(self.count(Written::EniClaim, patched).await)
    }

    /// At the very version: what changed since may have bound it anew.
    pub(super) async fn delete_claim(&self, claim: &ClaimRef) -> Outcome {
        let ClaimRef { key, uid, version } = claim;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_string()),
                resource_version: Some(version.0.to_string()),
            }),
            ..DeleteParams::default()
        };
        let api = self.claims(key);
        let deleted = api.delete(&key.name, &parameters);
        let deleted = self.count(Written::EniClaim, deleted).await;
        match deleted {
            Ok(answer) => answer.left().map_or(Outcome::ClaimGone, written),
            Err(failure) => of_claim(Err(failure)),
        }
    }

    fn claims(&self, claim: &Key) -> Api<EniClaim> {
        Api::namespaced(self.client.clone(), claim.namespace.as_str())
    }
}

fn of_claim(answer: Result<EniClaim, Failure>) -> Outcome {
    match answer {
        Ok(claim) => written(claim),
        Err(Failure::NotFound) => Outcome::ClaimGone,
        Err(failure) => failure.outcome(),
    }
}

fn written(claim: EniClaim) -> Outcome {
    convert::claim(claim).map_or(Outcome::NotWritten, |claim| Outcome::Claim(Box::new(claim)))
}

fn found(claim: EniClaim) -> Outcome {
    convert::claim(claim).map_or(Outcome::NotWritten, |claim| Outcome::Found(Box::new(claim)))
}

#[cfg(test)]
mod tests {
    use api::{
        ClaimStatus, Condition, ConditionStatus, Time,
        claim::{Device, DeviceState, Phase},
        condition::kind,
    };
    use operator_core::{
        cluster::{PodSource, Version},
        fact::ApiRefusal,
        order::{Lasts, Object},
    };
    use serde_json::Value;

    use super::*;
    use crate::{
        metrics::Metrics,
        script::{self, Call, Calls},
    };

    fn stored(version: &str, finalizers: &[&str]) -> Value {
        json!({
            "apiVersion": EniClaim::api_version(&()), "kind": "EniClaim",
            "metadata": {
                "name": "web-0-1", "namespace": "a", "uid": "u", "resourceVersion": version,
                "finalizers": finalizers,
            },
            "spec": { "className": "c" },
        })
    }

    fn found(version: &str, finalizers: &[&str]) -> Option<(u16, String)> {
        Some((200, stored(version, finalizers).to_string()))
    }

    fn at(version: &str) -> ClaimRef {
        ClaimRef {
            key: Key::new("a", "web-0-1"),
            uid: "u".into(),
            version: Version(version.into()),
        }
    }

    async fn write(
        object: Object,
        script: impl Fn(&Call) -> Option<(u16, String)> + Clone + Send + Sync + 'static,
    ) -> (Outcome, Calls) {
        let (client, calls) = script::client(script);
        let kubernetes = Kubernetes::new(client, Metrics::default());
        (kubernetes.write(&object).await, calls)
    }

    fn new_claim() -> Object {
        Object::NewClaim(NewClaim {
            key: at("1").key,
            pod: "web-0".into(),
            class: "c".into(),
            lasts: Lasts::Pod {
                uid: "p".into(),
                source: PodSource::Api,
                interface: None,
            },
        })
    }

    fn status() -> Object {
        let plugged = Condition {
            kind: kind::PLUGGED.into(),
            status: ConditionStatus::True,
            reason: "Plugged".into(),
            message: "it is".into(),
            last_transition_time: Time(0),
            observed_generation: None,
        };
        let status = ClaimStatus {
            phase: Some(Phase::Attached),
            device: Some(Device {
                node_access: Vec::new(),
                attachment_id: "eni-attach-0000000000000dead".parse().unwrap(),
                state: DeviceState::Plugged,
                pod_uid: None,
                container_id: None,
                if_name: None,
                since: Time(0),
            }),
            conditions: vec![plugged],
            ..ClaimStatus::default()
        };
        Object::Status(StatusWrite {
            claim: at("7"),
            status: Box::new(status),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_applied_at_its_version_and_without_the_agents_part() {
        let (outcome, calls) = write(status(), |_| found("8", &[])).await;
        let Outcome::Claim(claim) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(claim.version, Version("8".into()));
        let call = calls.lock().unwrap().remove(0);
        assert!(call.path.contains("/web-0-1/status?") && call.path.contains("force=true"));
        assert_eq!(
            call.body["metadata"],
            json!({ "name": "web-0-1", "namespace": "a", "uid": "u", "resourceVersion": "7" })
        );
        assert_eq!(call.body["status"], json!({ "phase": "Attached" }));
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_to_a_status_has_its_outcome() {
        let refused = |reason: &str| {
            Outcome::Refused(ApiRefusal {
                reason: reason.into(),
                message: format!("{reason} it is"),
            })
        };
        for (code, reason, outcome) in [
            (404, "NotFound", Outcome::ClaimGone),
            (409, "Conflict", Outcome::Conflict),
            (403, "Forbidden", refused("Forbidden")),
            (422, "Invalid", refused("Invalid")),
            (429, "TooManyRequests", Outcome::NotWritten),
            (503, "ServiceUnavailable", Outcome::NotWritten),
        ] {
            let (seen, calls) = write(status(), move |_| script::failure(code, reason)).await;
            assert_eq!(seen, outcome, "{code}");
            assert_eq!(calls.lock().unwrap().len(), 1, "no call is sent twice");
        }
        assert_eq!(write(status(), |_| None).await.0, Outcome::NotWritten);
        assert_eq!(
            write(status(), |_| Some((200, "nonsense".into()))).await.0,
            Outcome::NotWritten
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_there_already_is_read_whoever_made_it() {
        let (outcome, calls) = write(new_claim(), |call| match call.method.as_str() {
            "POST" => script::failure(409, "AlreadyExists"),
            _ => found("3", &["other"]),
        })
        .await;
        let Outcome::Found(claim) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((claim.finalizer, claim.owner), (false, None));
        let path = "/apis/eniclaim.io/v1alpha1/namespaces/a/eniclaims";
        assert_eq!(
            script::outline(&calls),
            [format!("POST {path}"), format!("GET {path}/web-0-1")]
        );
        let gone = write(new_claim(), |_| script::failure(404, "NotFound")).await;
        assert_eq!(
            gone.0,
            Outcome::NotWritten,
            "the namespace is gone, not the claim"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn finalizers_of_others_stay() {
        for (order, held, kept) in [
            (
                Object::RemoveFinalizer(at("7")),
                vec!["a/b", api::name::FINALIZER],
                json!(["a/b"]),
            ),
            (
                Object::AddFinalizer(at("7")),
                vec!["a/b"],
                json!(["a/b", api::name::FINALIZER]),
            ),
        ] {
            let (outcome, calls) = write(order, move |_| found("7", &held)).await;
            assert!(matches!(outcome, Outcome::Claim(_)), "{outcome:?}");
            let patch = calls.lock().unwrap().pop().unwrap();
            assert_eq!(
                patch.body["metadata"],
                json!({ "uid": "u", "resourceVersion": "7", "finalizers": kept })
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_finalizer_is_not_touched_at_another_version() {
        let order = Object::RemoveFinalizer(at("7"));
        let (outcome, calls) = write(order.clone(), |_| found("8", &[])).await;
        assert_eq!(
            (outcome, calls.lock().unwrap().len()),
            (Outcome::Conflict, 1)
        );
        let gone = write(order, |_| script::failure(404, "NotFound")).await.0;
        assert_eq!(gone, Outcome::ClaimGone);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_claim_that_was_decided_on_is_deleted() {
        let order = Object::DeleteClaim(at("7"));
        let (outcome, calls) = write(order.clone(), |_| found("8", &[])).await;
        assert!(matches!(outcome, Outcome::Claim(_)), "{outcome:?}");
        let preconditions = calls.lock().unwrap()[0].body["preconditions"].clone();
        assert_eq!(preconditions, json!({ "uid": "u", "resourceVersion": "7" }));
        let success = json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" });
        let gone = write(order.clone(), move |_| Some((200, success.to_string()))).await;
        assert_eq!(gone.0, Outcome::ClaimGone);
        let changed = write(order, |_| script::failure(409, "Conflict")).await;
        assert_eq!(changed.0, Outcome::Conflict);
    }
}
