//! Nodes and namespaces.

use std::collections::BTreeMap;

use api::id::InstanceId;
use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt;
use operator_core::cluster::{self, NamespaceFacts, NodeHealth};

use super::object::{is_deleting, name_of, uid_of, version_of};

/// A node; none for an object that the API server cannot have sent.
pub(crate) fn node(node: &Node) -> Option<cluster::Node> {
    let (spec, status) = (node.spec.as_ref(), node.status.as_ref());
    let boot = status.and_then(|s| s.node_info.as_ref());
    Some(cluster::Node {
        name: name_of(node),
        uid: uid_of(node)?,
        version: version_of(node)?,
        instance: instance_of(spec.and_then(|s| s.provider_id.as_deref())),
        boot: boot.map_or("", |info| info.boot_id.as_str()).into(),
        health: health(node),
        classes: node
            .labels()
            .iter()
            .filter(|(_, value)| *value == "true")
            .filter_map(|(key, _)| key.strip_prefix(api::name::CLASS_LABEL_PREFIX))
            .map(Into::into)
            .collect(),
        published: (
            published(status.and_then(|s| s.capacity.as_ref())),
            published(status.and_then(|s| s.allocatable.as_ref())),
        ),
    })
}

fn published(resources: Option<&BTreeMap<String, Quantity>>) -> Option<u32> {
    resources?.get(api::name::RESOURCE)?.0.parse().ok()
}

fn health(node: &Node) -> NodeHealth {
    let taints = node.spec.iter().flat_map(|s| s.taints.iter().flatten());
    let conditions = node
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let mut ready = conditions.filter(|c| c.type_ == "Ready");
    if taints
        .into_iter()
        .any(|taint| taint.key == api::name::OUT_OF_SERVICE)
    {
        NodeHealth::OutOfService
    } else if !is_deleting(node) && ready.any(|c| c.status == "True") {
        NodeHealth::Ready
    } else {
        NodeHealth::NotReady
    }
}

/// `aws:///us-east-1a/i-0a1b2c3d4e5f60718`, as the AWS cloud provider writes it.
fn instance_of(provider: Option<&str>) -> Result<InstanceId, String> {
    let Some(provider) = provider else {
        return Err("it has no spec.providerID; start its kubelet with --provider-id=aws:///<zone>/<instance>".to_owned());
    };
    let id = provider
        .strip_prefix("aws:///")
        .and_then(|rest| rest.rsplit('/').next());
    match id.map(str::parse) {
        Some(Ok(id)) => Ok(id),
        Some(Err(_)) | None => Err(format!(
            "its spec.providerID {provider:?} names no EC2 instance, as aws:///<zone>/<instance> does"
        )),
    }
}

/// A namespace; none for an object that the API server cannot have sent.
pub(crate) fn namespace(namespace: &Namespace) -> Option<NamespaceFacts> {
    Some(NamespaceFacts {
        name: name_of(namespace),
        uid: uid_of(namespace)?,
        labels: namespace.labels().clone(),
        deleting: is_deleting(namespace),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn provider_ids_name_an_instance_or_say_why_not() {
        assert_eq!(
            instance_of(Some("aws:///us-east-1a/i-0a1b2c3d4e5f60718")),
            Ok("i-0a1b2c3d4e5f60718".parse().unwrap())
        );
        for bad in [
            None,
            Some(""),
            Some("kind://docker/kind/node"),
            Some("aws:///us-east-1a/fargate-ip-10-0-0-1"),
            Some("aws:///i-UPPER"),
        ] {
            assert!(instance_of(bad).is_err(), "{bad:?}");
        }
    }

    fn health_of(ready: &str, taint: Option<&str>, deleted: Option<&str>) -> NodeHealth {
        let taints: Vec<Value> = taint
            .iter()
            .map(|key| json!({ "key": key, "effect": "NoExecute" }))
            .collect();
        let node = json!({
            "metadata": { "name": "n", "uid": "u", "resourceVersion": "1", "deletionTimestamp": deleted },
            "spec": { "taints": taints },
            "status": { "conditions": [
                { "type": "MemoryPressure", "status": "True" }, { "type": "Ready", "status": ready }
            ] },
        });
        node_of(node).health
    }

    fn node_of(value: Value) -> cluster::Node {
        super::node(&serde_json::from_value(value).unwrap()).unwrap()
    }

    #[test]
    fn a_node_is_ready_as_long_as_it_says_so_and_stays() {
        let (unreachable, shut_down) =
            ("node.kubernetes.io/unreachable", api::name::OUT_OF_SERVICE);
        for (ready, taint, deleted, health) in [
            ("True", None, None, NodeHealth::Ready),
            ("Unknown", Some(unreachable), None, NodeHealth::NotReady),
            ("False", None, None, NodeHealth::NotReady),
            (
                "True",
                None,
                Some("2027-01-15T08:00:00Z"),
                NodeHealth::NotReady,
            ),
            ("Unknown", Some(shut_down), None, NodeHealth::OutOfService),
        ] {
            assert_eq!(health_of(ready, taint, deleted), health);
        }
    }
}
