//! Pods: those that ask for an ENI, and our agent's.

use api::{
    id::PodUid,
    interfaces::{Named, NotInterfaces, parse_for},
};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};
use kube::ResourceExt;
use operator_core::{
    cluster::{self, AgentPod, Ask, PodSource},
    uses::{Malformed, Uses},
};

use super::{
    marks::marks,
    net_admin::net_admin,
    object::{created, is_deleting, key_of, uid_of},
    uses::uses,
};

/// Whether nothing of a pod runs any more, for good.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), Some("Succeeded" | "Failed"))
}

/// How far a pod is.
pub(crate) fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// A pod; none for an object that the API server cannot have sent.
pub(crate) fn pod(pod: &Pod) -> Option<cluster::Pod> {
    let spec = pod.spec.as_ref()?;
    let (uid, source) = identity(pod)?;
    let (asks, wrong) = asks(pod);
    let (uses, malformed) = match uses(pod, source) {
        Ok(uses) => (uses, wrong.map(Malformed::from)),
        Err(wrong) => (Uses::Own, Some(wrong.into())),
    };
    let class = pod.labels().get(api::name::CLASS);
    Some(cluster::Pod {
        key: key_of(pod),
        uid,
        source,
        asks,
        uses,
        malformed: malformed.map(Box::new),
        annotated: pod.annotations().get(api::name::CLASS) == class,
        host_network: spec.host_network == Some(true),
        node: spec.node_name.as_deref().map(Into::into),
        requested: requested(spec),
        net_admin: net_admin(spec).map(Into::into),
        deleting: is_deleting(pod),
        terminal: has_ended(pod),
        created: created(pod),
        marks: marks(pod),
    })
}

/// The interfaces that a pod asks for. Where its annotation asks for none, why: the pod waits for the one of its label then, and
/// is told.
fn asks(pod: &Pod) -> (Vec<Ask>, Option<NotInterfaces>) {
    let Some(class) = pod.labels().get(api::name::CLASS) else {
        return (Vec::new(), None);
    };
    let one = Ask {
        class: class.as_str().into(),
        interface: None,
    };
    let Some(text) = pod.annotations().get(api::name::INTERFACES) else {
        return (vec![one], None);
    };
    match parse_for(&one.class, text) {
        Ok(named) => {
            let ask = |named: Named| Ask {
                interface: Some(named.interface),
                class: named.class,
            };
            (named.into_iter().map(ask).collect(), None)
        }
        Err(error) => (vec![one], Some(error)),
    }
}

/// The object of a static pod is a mirror with a UID of its own. Kubelet gives the pod the hash of its manifest as UID
/// (pkg/kubelet/config/common.go), hands that to the runtime, and names it in an annotation that the API server lets nobody
/// change. UIDs of the API server have dashes: who forges a mirror cannot name the pod of somebody else.
fn identity(pod: &Pod) -> Option<(PodUid, PodSource)> {
    let is_hash = |uid: &&String| (1..=64).contains(&uid.len()) && !uid.contains('-');
    match pod.annotations().get(api::name::MIRROR).filter(is_hash) {
        Some(uid) => Some((uid.as_str().into(), PodSource::Static)),
        None => Some((uid_of(pod)?, PodSource::Api)),
    }
}

/// As kubelet and scheduler count: all that run at once, sidecars included, or what an init container needs besides the
/// sidecars started before it (k8s.io/component-helpers, resource/helpers.go).
fn requested(spec: &PodSpec) -> Option<u32> {
    let mut all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    all.any(|container| of_container(container).is_some())
        .then(|| at_once(spec))
}

fn at_once(spec: &PodSpec) -> u32 {
    let count = |container| of_container(container).unwrap_or(0);
    let (mut sidecars, mut starting) = (0_u32, 0_u32);
    for container in spec.init_containers.iter().flatten() {
        let own = count(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.saturating_add(own);
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(sidecars.saturating_add(own));
        }
    }
    let running = spec.containers.iter().map(count);
    running.fold(sidecars, u32::saturating_add).max(starting)
}

/// Of an extended resource request and limit are the same, and one stands for both.
fn of_container(container: &Container) -> Option<u32> {
    let Some(ResourceRequirements {
        requests, limits, ..
    }) = &container.resources
    else {
        return None;
    };
    [requests, limits]
        .into_iter()
        .flatten()
        .find_map(|all| all.get(api::name::RESOURCE)?.0.parse().ok())
}

/// A pod of our own `DaemonSet`; none for an object that the API server cannot have sent.
pub(crate) fn agent_pod(pod: &Pod) -> Option<AgentPod> {
    let spec = pod.spec.as_ref()?;
    let conditions = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    Some(AgentPod {
        key: key_of(pod),
        uid: uid_of(pod)?,
        node: spec.node_name.as_deref().map(Into::into),
        ready: !is_deleting(pod)
            && conditions
                .into_iter()
                .any(|c| c.type_ == "Ready" && c.status == "True"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn a_pod(spec: Value) -> cluster::Pod {
        let mut whole = json!({ "metadata": { "name": "p", "namespace": "a", "uid": "u" }, "spec": { "containers": [] } });
        whole["spec"]
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        pod(&serde_json::from_value(whole).unwrap()).unwrap()
    }

    fn container(count: &str) -> Value {
        json!({ "name": "c", "resources": { "limits": { (api::name::RESOURCE): count } } })
    }

    #[test]
    fn a_pod_without_our_label_asks_for_nothing() {
        assert_eq!(a_pod(json!({})).asks, []);
    }

    #[test]
    fn a_pod_asks_for_one_interface_or_for_several_by_name() {
        let asking = |interfaces: Value| {
            let whole = json!({
                "metadata": {
                    "name": "p", "namespace": "a", "uid": "u",
                    "labels": { (api::name::CLASS): "app" },
                    "annotations": { (api::name::CLASS): "app", (api::name::INTERFACES): interfaces.as_str().unwrap_or_default() },
                },
                "spec": { "containers": [] },
            });
            let mut whole: Pod = serde_json::from_value(whole).unwrap();
            if interfaces.is_null() {
                whole.annotations_mut().remove(api::name::INTERFACES);
            }
            pod(&whole).unwrap()
        };
        let ask = |class: &str, interface: Option<&str>| Ask {
            class: class.into(),
            interface: interface.map(|name| name.parse().unwrap()),
        };
        let one = asking(Value::Null);
        assert_eq!((one.asks, one.malformed), (vec![ask("app", None)], None));
        let two = asking(json!("eni2=app,eni1=db"));
        let asks = vec![ask("app", Some("eni2")), ask("db", Some("eni1"))];
        assert_eq!((two.asks, two.malformed), (asks, None));
        let other = asking(json!("eni1=db"));
        assert_eq!(other.asks, [ask("app", None)]);
        let why = other.malformed.unwrap().to_string();
        assert!(why.contains("eniclaim.io/class is app"), "{why}");
    }

    #[test]
    fn a_static_pod_has_the_uid_that_kubelet_gave_it() {
        for (annotation, uid, source) in [
            (json!(null), "u-1", PodSource::Api),
            (json!("0f1e2d3c4b5a"), "0f1e2d3c4b5a", PodSource::Static),
            // Somebody else's pod.
            (
                json!("7f2c5b1e-0000-4000-8000-000000000001"),
                "u-1",
                PodSource::Api,
            ),
        ] {
            let mut whole =
                json!({ "metadata": { "name": "p", "uid": "u-1" }, "spec": { "containers": [] } });
            if !annotation.is_null() {
                whole["metadata"]["annotations"] = json!({ (api::name::MIRROR): annotation });
            }
            let seen = pod(&serde_json::from_value(whole).unwrap()).unwrap();
            assert_eq!((seen.uid.as_str(), seen.source), (uid, source));
        }
    }

    #[test]
    fn what_runs_at_once_is_counted_together() {
        let mut sidecar = container("1");
        sidecar["restartPolicy"] = json!("Always");
        for (spec, count) in [
            (json!({}), None),
            (json!({ "containers": [container("0")] }), Some(0)),
            (
                json!({ "containers": [container("1"), { "name": "plain" }] }),
                Some(1),
            ),
            (
                json!({ "containers": [container("1"), container("2")], "initContainers": [container("1")] }),
                Some(3),
            ),
            (
                json!({ "containers": [container("1")], "initContainers": [container("4")] }),
                Some(4),
            ),
            (
                json!({ "containers": [container("1")], "initContainers": [sidecar, container("4")] }),
                Some(5),
            ),
        ] {
            assert_eq!(a_pod(spec).requested, count);
        }
    }
}
