//! What Kubernetes told us besides claims: pods that ask, nodes, namespaces, classes, and our own node reports.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    claim::Interface,
    id::{
        BootId, ClassName, GroupId, InstanceId, Key, Namespace, NodeName, NodeUid, PodUid, SubnetId,
    },
    report::Report,
    time::Time,
};

/// A pod with our label.
// Each of these is an independent fact of the pod, as Kubernetes has it.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Namespace and name.
    pub key: Key,
    /// UID of the object.
    pub uid: PodUid,
    /// The class that its label names.
    pub class: ClassName,
    /// Whether the annotation names the same class: the plugin sees the annotation alone.
    pub annotated: bool,
    /// Whether it shares the node's network and so never meets a CNI plugin.
    pub host_network: bool,
    /// The node it is scheduled to.
    pub node: Option<NodeName>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether all its containers have ended for good.
    pub terminal: bool,
    /// When it was made.
    pub created: Time,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// UID of the object.
    pub uid: NodeUid,
    /// The instance that its `providerID` names, or why there is none.
    pub instance: Result<InstanceId, String>,
    /// Its boot.
    pub boot: BootId,
    /// Classes whose label it carries.
    pub classes: BTreeSet<ClassName>,
    /// The published resource in capacity and in allocatable.
    pub published: (Option<u32>, Option<u32>),
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: Namespace,
    /// UID of the object: that of kube-system names the cluster.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class {
    /// Its name.
    pub name: ClassName,
    /// Namespaces whose pods may use it; absent: none.
    pub namespaces: Option<Selector>,
    /// Where ENIs are made, in this order.
    pub subnets: Vec<SubnetId>,
    /// The groups they get.
    pub groups: Vec<GroupId>,
    /// What they look like in a pod.
    pub interface: Interface,
    /// The class's own tags.
    pub tags: BTreeMap<String, String>,
}

/// A label selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Selector {
    /// All of these must hold; none: everything is selected.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a label selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// The label has one of these values.
    In(String, BTreeSet<String>),
    /// The label is missing or has none of these values.
    NotIn(String, BTreeSet<String>),
    /// The label is there.
    Exists(String),
    /// The label is missing.
    DoesNotExist(String),
}

impl Selector {
    /// Whether an object with these labels is selected.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| match requirement {
                Requirement::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
                Requirement::NotIn(key, values) => {
                    labels.get(key).is_none_or(|v| !values.contains(v))
                }
                Requirement::Exists(key) => labels.contains_key(key),
                Requirement::DoesNotExist(key) => !labels.contains_key(key),
            })
    }
}

/// An `EniNode` as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeReport {
    /// Named as its node.
    pub name: NodeName,
    /// Boot in which the node's agent last spoke.
    pub agent_boot: Option<BootId>,
    /// The operator's part of its status.
    pub report: Report,
}
