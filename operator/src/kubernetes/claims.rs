//! Writes of claims.

use crds::EniClaim;
use kube::{
    Api, ResourceExt,
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
    /// Made once: the name follows from the pod's UID, so a second one is refused.
    pub(super) async fn new_claim(&self, new: &NewClaim) -> Outcome {
        let (claim, parameters) = (convert::new_claim(new), by_us());
        let api = self.claims(&new.key);
        let made = self.count(Written::EniClaim, api.create(&parameters, &claim));
        let made = match made.await {
            // Whose it is the fleet judges: an earlier process of ours may have made it, or anybody.
            Err(Failure::Exists) => self.call(api.get(&new.key.name)).await,
            made => made,
        };
        match made {
            Ok(claim) => written(claim),
            // The namespace is gone, or the claim that was in the way.
            Err(failure) => failure.outcome(),
        }
    }

    /// At the very version that the status was decided on; any other is a conflict, and decided again.
    pub(super) async fn write_status(&self, write: &StatusWrite) -> Outcome {
        let StatusWrite { claim, status } = write;
        let ClaimRef { key, uid, version } = claim;
        let object = json!({
            "apiVersion": api_version(), "kind": "EniClaim",
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
                resource_version: Some(version.0.clone()),
            }),
            ..DeleteParams::default()
        };
        let api = self.claims(key);
        let deleted = api.delete(&key.name, &parameters);
        let deleted = self.count(Written::EniClaim, deleted).await;
        match deleted.map(|answer| answer.left()) {
            Ok(Some(claim)) => written(claim),
            Ok(None) => Outcome::ClaimGone,
            Err(failure) => of_claim(Err(failure)),
        }
    }

    fn claims(&self, claim: &Key) -> Api<EniClaim> {
        Api::namespaced(self.client.clone(), claim.namespace.as_str())
    }
}

pub(super) fn api_version() -> String {
    format!("{}/{}", api::name::GROUP, api::name::VERSION)
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
