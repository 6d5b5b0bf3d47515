//! Which claims a pod uses: its annotations, and the controller that made it.

use api::{
    SmolStr,
    persistent::{self, LONGEST, NotPersistent, WhenDeleted},
};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::ResourceExt;
use operator_core::{
    cluster::PodSource,
    uses::{Persistent, StatefulSet, Uses},
};

/// The kind of the only controller whose next pod has the name of the last.
pub(super) const STATEFUL_SET: &str = "StatefulSet";

/// Which claims a pod uses, or why it cannot have the one of its own name.
pub(super) fn uses(pod: &Pod, source: PodSource) -> Result<Uses, NotPersistent> {
    let (labels, annotations) = (pod.labels(), pod.annotations());
    if !labels.contains_key(api::name::CLASS) {
        return Ok(Uses::Own);
    }
    let named = annotations.get(api::name::CLAIM);
    let has_interfaces = annotations.contains_key(api::name::INTERFACES);
    let Some(text) = annotations.get(api::name::PERSISTENT) else {
        let named = named.filter(|_| !has_interfaces);
        return Ok(named.map_or(Uses::Own, |name| Uses::Named(name.into())));
    };
    let when_deleted = persistent::parse(text)?;
    if named.is_some() {
        return Err(NotPersistent::NamesClaim);
    }
    if has_interfaces {
        return Err(NotPersistent::NamesInterfaces);
    }
    let set = stateful_set(pod, source)?;
    let length = pod.name_any().len();
    if length > LONGEST {
        return Err(NotPersistent::LongName(length));
    }
    Ok(Uses::Persistent(match when_deleted {
        WhenDeleted::Retain => Persistent::Retain,
        WhenDeleted::Delete => Persistent::Delete(Box::new(set)),
    }))
}

/// The `StatefulSet` that controls a pod. Kubelet alone controls a static pod, whatever its mirror says.
fn stateful_set(pod: &Pod, source: PodSource) -> Result<StatefulSet, NotPersistent> {
    let mut owners = pod.owner_references().iter();
    let controller = owners.find(|owner| owner.controller == Some(true));
    match (source, controller) {
        (PodSource::Static, _) => Err(NotPersistent::NotOfStatefulSet("kubelet".to_owned())),
        (PodSource::Api, Some(set)) if is_stateful_set(set) => Ok(StatefulSet {
            api_version: SmolStr::new(&set.api_version),
            name: SmolStr::new(&set.name),
            uid: SmolStr::new(&set.uid),
        }),
        (PodSource::Api, Some(other)) => {
            let OwnerReference {
                api_version,
                kind,
                name,
                ..
            } = other;
            let whose = format!("{kind} {name} of {api_version}");
            Err(NotPersistent::NotOfStatefulSet(whose))
        }
        (PodSource::Api, None) => Err(NotPersistent::NotOfStatefulSet("no controller".to_owned())),
    }
}

fn is_stateful_set(owner: &OwnerReference) -> bool {
    owner.kind == STATEFUL_SET && owner.api_version.starts_with("apps/")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn a_pod(annotations: &Value) -> Pod {
        let pod = json!({
            "metadata": {
                "name": "web-0", "namespace": "shop", "uid": "u",
                "labels": { (api::name::CLASS): "app" }, "annotations": annotations,
                "ownerReferences": [owner("apps/v1", "StatefulSet", true)],
            },
            "spec": { "containers": [] },
        });
        serde_json::from_value(pod).unwrap()
    }

    fn owner(api_version: &str, kind: &str, controller: bool) -> Value {
        json!({ "apiVersion": api_version, "kind": kind, "name": "web", "uid": "s-1", "controller": controller })
    }

    fn persistent(word: &str) -> Value {
        json!({ (api::name::PERSISTENT): word })
    }

    fn owned_by(owners: &Value) -> Pod {
        let mut pod = a_pod(&persistent("Retain"));
        pod.metadata.owner_references = serde_json::from_value(owners.clone()).unwrap();
        pod
    }

    #[test]
    fn pod_uses_claims_of_its_own_or_the_one_that_it_names_or_that_of_its_name() {
        let set = StatefulSet {
            api_version: "apps/v1".into(),
            name: "web".into(),
            uid: "s-1".into(),
        };
        for (annotations, used) in [
            (json!({}), Uses::Own),
            (
                json!({ (api::name::CLAIM): "db" }),
                Uses::Named("db".into()),
            ),
            (persistent("Retain"), Uses::Persistent(Persistent::Retain)),
            (
                persistent("Delete"),
                Uses::Persistent(Persistent::Delete(Box::new(set))),
            ),
        ] {
            let pod = a_pod(&annotations);
            assert_eq!(uses(&pod, PodSource::Api), Ok(used), "{annotations}");
        }
        let mut unlabelled = a_pod(&persistent("Retain"));
        unlabelled.labels_mut().clear();
        assert_eq!(uses(&unlabelled, PodSource::Api), Ok(Uses::Own));
    }

    #[test]
    fn annotation_that_cannot_be_served_says_why() {
        let with = |key: &str, value: &str| {
            let mut annotations = persistent("Retain");
            annotations[key] = json!(value);
            a_pod(&annotations)
        };
        for (pod, why) in [
            (
                a_pod(&persistent("Forever")),
                NotPersistent::Value("Forever".to_owned()),
            ),
            (with(api::name::CLAIM, "db"), NotPersistent::NamesClaim),
            (
                with(api::name::INTERFACES, "eni1=app"),
                NotPersistent::NamesInterfaces,
            ),
        ] {
            assert_eq!(uses(&pod, PodSource::Api), Err(why));
        }
        let seen = super::super::pod(&with(api::name::CLAIM, "db")).unwrap();
        assert_eq!(seen.uses, Uses::Own);
        assert_eq!(*seen.malformed.unwrap(), NotPersistent::NamesClaim.into());
    }

    #[test]
    fn only_pods_whose_controller_is_a_stateful_set_are_served() {
        for (owners, whose) in [
            (json!(null), "no controller"),
            (
                json!([owner("apps/v1", "ReplicaSet", true)]),
                "ReplicaSet web of apps/v1",
            ),
            (
                json!([owner("apps/v1", "StatefulSet", false)]),
                "no controller",
            ),
            (
                json!([owner("apps.kruise.io/v1beta1", "StatefulSet", true)]),
                "StatefulSet web of apps.kruise.io/v1beta1",
            ),
        ] {
            let why = NotPersistent::NotOfStatefulSet(whose.to_owned());
            assert_eq!(uses(&owned_by(&owners), PodSource::Api), Err(why));
        }
        let owners = json!([
            owner("v1", "ConfigMap", false),
            owner("apps/v1", "StatefulSet", true)
        ]);
        assert!(uses(&owned_by(&owners), PodSource::Api).is_ok());
        let why = NotPersistent::NotOfStatefulSet("kubelet".to_owned());
        assert_eq!(uses(&owned_by(&owners), PodSource::Static), Err(why));
    }

    #[test]
    fn pod_whose_name_no_claim_can_have_is_refused() {
        for (length, served) in [(63, true), (64, false), (253, false)] {
            let mut pod = a_pod(&persistent("Retain"));
            pod.metadata.name = Some("a".repeat(length));
            assert_eq!(uses(&pod, PodSource::Api).is_ok(), served, "{length}");
        }
    }
}
