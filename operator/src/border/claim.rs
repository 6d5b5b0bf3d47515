//! Claims: the API's type and the core's.

mod read;
mod write;

use crds::{EniClaim, EniClaimSpec, claim as api};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use operator_core::{
    claim::{Claim, Owner},
    id::{ClaimUid, Key},
    order::NewClaim,
};

pub(crate) use write::status;

use super::cluster::key_of;

/// A claim as the core sees it; none for an object that the API server cannot have sent.
pub(crate) fn claim(claim: &EniClaim) -> Option<Claim> {
    let EniClaimSpec { class_name, owner } = &claim.spec;
    let api::Owner {
        kind: api::OwnerKind::Pod,
        name,
        uid,
    } = owner;
    Some(Claim {
        key: Key::new(
            claim.metadata.namespace.as_deref()?,
            claim.metadata.name.as_deref()?,
        ),
        uid: claim.metadata.uid.clone()?.into(),
        version: claim.metadata.resource_version.clone()?.into(),
        deleting: claim.metadata.deletion_timestamp.is_some(),
        finalizer: claim.finalizers().iter().any(|f| f == crds::FINALIZER),
        class: class_name.as_str().into(),
        owner: Owner {
            name: name.clone(),
            uid: uid.as_str().into(),
        },
        status: claim.status.as_ref().map(read::status).unwrap_or_default(),
        device: claim
            .status
            .as_ref()
            .and_then(|s| s.device.as_ref())
            .map(read::device),
    })
}

/// What tells a claim from every other, also from one that had its name before.
pub(crate) fn claim_id(claim: &EniClaim) -> (Key, ClaimUid) {
    (
        key_of(claim),
        claim.metadata.uid.clone().unwrap_or_default().into(),
    )
}

/// The object that asks for one ENI for one pod.
pub(crate) fn new_claim(new: &NewClaim) -> EniClaim {
    let NewClaim {
        claim,
        pod,
        uid,
        class,
    } = new;
    EniClaim {
        metadata: ObjectMeta {
            name: Some(claim.name.clone()),
            namespace: Some(claim.namespace.to_string()),
            labels: Some([(crds::CLASS.to_owned(), class.to_string())].into()),
            finalizers: Some(vec![crds::FINALIZER.to_owned()]),
            // The claim goes with its pod even while the operator is away; the finalizer waits for it.
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".into(),
                kind: "Pod".into(),
                name: pod.clone(),
                uid: uid.to_string(),
                controller: Some(false),
                block_owner_deletion: Some(false),
            }]),
            ..ObjectMeta::default()
        },
        spec: EniClaimSpec {
            class_name: class.to_string(),
            owner: api::Owner {
                kind: api::OwnerKind::Pod,
                name: pod.clone(),
                uid: uid.to_string(),
            },
        },
        status: None,
    }
}
