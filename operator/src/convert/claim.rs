//! Claims.

use api::{
    ClaimStatus,
    claim::Device,
    condition::kind,
    id::{ClaimUid, PodName, PodUid},
};
use crds::{ClaimInterface, EniClaim, EniClaimSpec, OwnerKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use operator_core::{
    claim::{Claim, Leased, Owner},
    cluster::{Key, PodSource},
    order::{Lasts, NewClaim},
    uses::{Persistent, StatefulSet},
};

use super::object::{is_deleting, key_of, uid_of, version_of};

/// A claim; none for an object that the API server cannot have sent.
pub(crate) fn claim(claim: EniClaim) -> Option<Claim> {
    let (key, uid, version) = (key_of(&claim), uid_of(&claim)?, version_of(&claim)?);
    let (deleting, generation) = (is_deleting(&claim), claim.metadata.generation);
    let (force_detach, force_forget) = (
        annotation(&claim, api::name::FORCE_DETACH),
        annotation(&claim, api::name::FORCE_FORGET),
    );
    let finalizer = claim.finalizers().iter().any(|f| f == api::name::FINALIZER);
    let EniClaimSpec {
        class_name,
        owner,
        interface,
    } = claim.spec;
    let mut status = claim.status.unwrap_or_default();
    let mut device = status.device.take();
    let leased = leased(&mut status);
    let owner = owner.map(|owner| Owner {
        name: owner.name.into(),
        uid: owner.uid.into(),
        source: match owner.kind {
            OwnerKind::Pod => PodSource::Api,
            OwnerKind::StaticPod => PodSource::Static,
        },
    });
    if let Some(owner) = &owner {
        share(&owner.uid, &mut status, device.as_mut());
    }
    shrink(&mut status);
    Some(Claim {
        key,
        uid,
        version,
        generation: generation.unwrap_or(0),
        deleting,
        finalizer,
        class: class_name,
        interface: interface.map(|interface| interface.name),
        owner,
        force_detach,
        force_forget,
        status: status.of_operator(),
        device,
        leased,
    })
}

/// How the interface stands with DHCP servers.
fn leased(status: &mut ClaimStatus) -> Option<Box<Leased>> {
    Some(Box::new(Leased {
        condition: status.condition(kind::LEASED)?.clone(),
        leases: std::mem::take(&mut status.leases).into(),
    }))
}

/// A claim names its pod in three places: they share one text.
fn share(uid: &PodUid, status: &mut ClaimStatus, device: Option<&mut Device>) {
    let bound = status.binding.as_mut().map(|binding| &mut binding.pod_uid);
    let plugged = device.and_then(|device| device.pod_uid.as_mut());
    for held in bound.into_iter().chain(plugged) {
        if held == uid {
            held.clone_from(uid);
        }
    }
}

/// serde reads a list into room for four items, and there are several lists a claim.
fn shrink(status: &mut ClaimStatus) {
    status.conditions.shrink_to_fit();
    if let Some(creation) = &mut status.creation {
        creation.request.security_group_ids.shrink_to_fit();
    }
    if let Some(eni) = &mut status.eni {
        eni.security_group_ids.shrink_to_fit();
    }
    if let Some(set) = &mut status.security_groups {
        set.ids.shrink_to_fit();
    }
    if let Some(ipam) = &mut status.ipam {
        ipam.addresses.shrink_to_fit();
        ipam.prefixes.shrink_to_fit();
    }
}

/// An id that a person wrote; what is no id allows nothing.
fn annotation<T: std::str::FromStr>(claim: &EniClaim, key: &str) -> Option<T> {
    claim.annotations().get(key)?.trim().parse().ok()
}

/// What tells a claim from every other, also from one that had its name before.
pub(crate) fn claim_id(claim: &impl Resource) -> (Key, ClaimUid) {
    (key_of(claim), uid_of(claim).unwrap_or_default())
}

/// The object that asks for one ENI.
pub(crate) fn new_claim(new: &NewClaim) -> EniClaim {
    let NewClaim {
        key,
        pod,
        class,
        lasts,
    } = new;
    let (tied_to, owner, interface) = match lasts {
        Lasts::Pod {
            uid,
            source,
            interface,
        } => {
            let (kind, tied_to) = match source {
                // The claim goes with its pod even while the operator is away; the finalizer waits for it.
                PodSource::Api => (OwnerKind::Pod, Some(of_pod(pod, uid))),
                // It does not go with a mirror.
                PodSource::Static => (OwnerKind::StaticPod, None),
            };
            let owner = crds::Owner {
                kind,
                name: pod.to_string(),
                uid: uid.to_string(),
            };
            (tied_to, Some(owner), interface.clone())
        }
        Lasts::Beyond(Persistent::Retain) => (None, None, None),
        Lasts::Beyond(Persistent::Delete(set)) => (Some(of_set(set)), None, None),
    };
    EniClaim {
        metadata: ObjectMeta {
            name: Some(key.name.to_string()),
            namespace: Some(key.namespace.to_string()),
            labels: Some([(api::name::CLASS.to_owned(), class.to_string())].into()),
            finalizers: Some(vec![api::name::FINALIZER.to_owned()]),
            owner_references: tied_to.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: EniClaimSpec {
            class_name: class.clone(),
            owner,
            interface: interface.map(|name| ClaimInterface { name }),
        },
        status: None,
    }
}

fn of_pod(pod: &PodName, uid: &PodUid) -> OwnerReference {
    OwnerReference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: pod.to_string(),
        uid: uid.to_string(),
        controller: Some(false),
        block_owner_deletion: Some(false),
    }
}

/// As the controller of `StatefulSet` ties a `PersistentVolumeClaim` to a set whose `whenDeleted` is Delete: it does not manage them by
/// that, and its deletion does not wait for theirs.
fn of_set(set: &StatefulSet) -> OwnerReference {
    let StatefulSet {
        api_version,
        name,
        uid,
    } = set;
    OwnerReference {
        api_version: api_version.to_string(),
        kind: super::uses::STATEFUL_SET.into(),
        name: name.to_string(),
        uid: uid.to_string(),
        controller: None,
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lease_that_the_agent_reports_is_read_beside_the_operators_part() {
        let object = json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim",
            "metadata": { "namespace": "shop", "name": "web", "uid": "c-1", "resourceVersion": "7" },
            "spec": { "className": "app" },
            "status": {
                "interface": { "dhcp": { "ipv4": "Configure" } },
                "ipam": { "addresses": [{ "address": "10.0.1.50", "prefixLength": 24, "gateway": "10.0.1.1", "role": "Primary" }] },
                "leases": [{ "family": "IPv4", "state": "Leased", "addresses": ["10.0.1.77"] }],
                "conditions": [{
                    "type": "Leased", "status": "True", "reason": "Leased", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"
                }]
            }
        });
        let claim = claim(serde_json::from_value(object).unwrap()).unwrap();
        assert_eq!(claim.status.leases, []);
        assert_eq!(claim.leased.as_ref().unwrap().leases.len(), 1);
        let leased: std::net::IpAddr = "10.0.1.77".parse().unwrap();
        assert!(claim.addresses().eq([leased]));
    }

    #[test]
    fn claim_that_outlives_its_pod_has_no_owner_and_goes_with_its_set_only_where_asked() {
        let set = StatefulSet {
            api_version: "apps/v1".into(),
            name: "web".into(),
            uid: "s-1".into(),
        };
        let tied = json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "s-1" }]);
        for (persistent, owners) in [
            (Persistent::Retain, json!(null)),
            (Persistent::Delete(Box::new(set)), tied),
        ] {
            let made = new_claim(&NewClaim {
                key: Key::new("shop", "web-0"),
                pod: "web-0".into(),
                class: "app".into(),
                lasts: Lasts::Beyond(persistent),
            });
            let made = serde_json::to_value(made).unwrap();
            assert_eq!(made["metadata"]["name"], "web-0");
            assert_eq!(made["metadata"]["ownerReferences"], owners);
            assert_eq!(made["spec"], json!({ "className": "app" }));
        }
    }
}
