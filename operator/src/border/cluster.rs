//! Pods, nodes, namespaces and classes.

use std::collections::BTreeSet;

use crds::{EniClass, EniClassSpec, ids::InstanceId};
use k8s_openapi::{
    api::core::v1::{Namespace, Node, Pod},
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
    },
};
use kube::{Resource, ResourceExt};
use operator_core::{
    Time,
    claim::{DefaultRoute, InstanceMetadata, Interface},
    cluster::{self, Class, NamespaceFacts, Requirement, Selector},
    id::Key,
};

use super::time::from_second;

/// Name of a cluster-wide object.
pub(crate) fn name_of<O: Resource, N: From<String>>(object: &O) -> N {
    object.meta().name.clone().unwrap_or_default().into()
}

/// Namespace and name of an object.
pub(crate) fn key_of<O: Resource>(object: &O) -> Key {
    Key::new(
        object.meta().namespace.as_deref().unwrap_or_default(),
        object.meta().name.as_deref().unwrap_or_default(),
    )
}

/// A pod that asks for an ENI.
pub(crate) fn pod(pod: &Pod) -> Option<cluster::Pod> {
    let class = pod.labels().get(crds::CLASS)?;
    let spec = pod.spec.as_ref()?;
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    Some(cluster::Pod {
        key: key_of(pod),
        uid: pod.uid()?.into(),
        class: class.as_str().into(),
        annotated: pod.annotations().get(crds::CLASS) == Some(class),
        host_network: spec.host_network == Some(true),
        node: spec.node_name.as_deref().map(Into::into),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        terminal: matches!(phase, Some("Succeeded" | "Failed")),
        created: pod
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(Time(0), from_second),
    })
}

/// A node.
pub(crate) fn node(node: &Node) -> Option<cluster::Node> {
    let status = node.status.as_ref();
    let published = |resources: Option<&std::collections::BTreeMap<String, Quantity>>| {
        resources
            .and_then(|r| r.get(crds::RESOURCE))
            .and_then(|q| q.0.parse().ok())
    };
    Some(cluster::Node {
        name: name_of(node),
        uid: node.uid()?.into(),
        instance: instance_of(node.spec.as_ref().and_then(|s| s.provider_id.as_deref())),
        boot: status
            .and_then(|s| s.node_info.as_ref())
            .map_or("", |i| i.boot_id.as_str())
            .into(),
        classes: node
            .labels()
            .iter()
            .filter(|(_, value)| *value == "true")
            .filter_map(|(key, _)| key.strip_prefix(crds::CLASS_LABEL_PREFIX))
            .map(Into::into)
            .collect(),
        published: (
            published(status.and_then(|s| s.capacity.as_ref())),
            published(status.and_then(|s| s.allocatable.as_ref())),
        ),
    })
}

/// `aws:///us-east-1a/i-0a1b2c3d4e5f60718`, as the AWS cloud provider writes it.
fn instance_of(provider: Option<&str>) -> Result<operator_core::id::InstanceId, String> {
    let Some(provider) = provider else {
        return Err("it has no spec.providerID; start its kubelet with --provider-id=aws:///<zone>/<instance>".to_owned());
    };
    let id = provider
        .strip_prefix("aws:///")
        .and_then(|rest| rest.rsplit('/').next());
    match id.map(str::parse::<InstanceId>) {
        Some(Ok(id)) => Ok(id.as_str().into()),
        Some(Err(_)) | None => Err(format!(
            "its spec.providerID {provider:?} names no EC2 instance, as aws:///<zone>/<instance> does"
        )),
    }
}

/// A namespace.
pub(crate) fn namespace(namespace: &Namespace) -> Option<NamespaceFacts> {
    Some(NamespaceFacts {
        name: name_of(namespace),
        uid: namespace.uid()?,
        labels: namespace.labels().clone(),
    })
}

/// A class. Its signature is that of its siblings, which can fail.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn class(class: &EniClass) -> Option<Class> {
    let EniClassSpec {
        namespace_selector,
        subnets,
        security_groups,
        interface,
        tags,
    } = &class.spec;
    let crds::class::Interface {
        name,
        default_route,
        instance_metadata,
    } = interface;
    Some(Class {
        name: name_of(class),
        namespaces: namespace_selector.as_ref().map(selector),
        subnets: subnets.ids.iter().map(|id| id.as_str().into()).collect(),
        groups: security_groups
            .ids
            .iter()
            .map(|id| id.as_str().into())
            .collect(),
        interface: Interface {
            name: name.to_string(),
            default_route: match default_route {
                crds::class::DefaultRoute::Never => DefaultRoute::Never,
            },
            instance_metadata: match instance_metadata {
                crds::class::InstanceMetadata::Blocked => InstanceMetadata::Blocked,
                crds::class::InstanceMetadata::Allowed => InstanceMetadata::Allowed,
            },
        },
        tags: tags.clone(),
    })
}

fn selector(selector: &LabelSelector) -> Selector {
    let LabelSelector {
        match_labels,
        match_expressions,
    } = selector;
    let labels = match_labels
        .iter()
        .flatten()
        .map(|(key, value)| Requirement::In(key.clone(), BTreeSet::from([value.clone()])));
    Selector {
        requirements: labels
            .chain(match_expressions.iter().flatten().map(requirement))
            .collect(),
    }
}

fn requirement(requirement: &LabelSelectorRequirement) -> Requirement {
    let LabelSelectorRequirement {
        key,
        operator,
        values,
    } = requirement.clone();
    let values = || values.unwrap_or_default().into_iter().collect();
    match operator.as_str() {
        "NotIn" => Requirement::NotIn(key, values()),
        "Exists" => Requirement::Exists(key),
        "DoesNotExist" => Requirement::DoesNotExist(key),
        // The schema lets nothing else through than In; what would come anyway selects nothing.
        "In" => Requirement::In(key, values()),
        _ => Requirement::In(key, BTreeSet::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_ids_name_an_instance_or_say_why_not() {
        assert_eq!(
            instance_of(Some("aws:///us-east-1a/i-0a1b2c3d4e5f60718")),
            Ok("i-0a1b2c3d4e5f60718".into())
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
}
