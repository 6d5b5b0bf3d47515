//! What Kubernetes shows besides claims: pods that ask, agents, nodes, namespaces, classes, and our own node reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Deref,
    sync::Arc,
};

use api::{
    ClassStatus, ConnectionTracking, DriftPolicy, Interface, NodeStatus, SmolStr, SourceDestCheck,
    Time,
    class::{SecurityGroups, Subnets},
    id::{BootId, ClassName, InstanceId, InterfaceName, Namespace, NodeName, NodeUid, PodUid},
    ipnet::IpNet,
};

use crate::{
    addresses::Addresses,
    marks::Marks,
    reason::Note,
    uses::{Malformed, Uses},
};

/// A claim or pod. Many places name each one: copies share what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<FullName>);

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FullName {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: SmolStr,
}

impl Key {
    /// `namespace/name`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self::of(namespace.into(), name)
    }

    /// The object of that name in a namespace.
    pub fn of(namespace: Namespace, name: impl Into<SmolStr>) -> Self {
        let name = name.into();
        Self(Arc::new(FullName { namespace, name }))
    }
}

impl Deref for Key {
    type Target = FullName;

    fn deref(&self) -> &FullName {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// `resourceVersion` of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub SmolStr);

impl Version {
    /// Whether this version was certainly written after `other`: Kubernetes compares them as decimal numbers (KEP-5504);
    /// of anything else only equality is known.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        match (self.0.parse::<u128>(), other.0.parse::<u128>()) {
            (Ok(ours), Ok(theirs)) => ours > theirs,
            _ => false,
        }
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Version {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// This cluster, as AWS tags name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cluster {
    /// Value of the tag `eniclaim.io/cluster`.
    pub id: SmolStr,
    /// UID of the namespace kube-system.
    pub uid: SmolStr,
}

/// A pod with our label, or one that a claim names.
// Each of these is an independent fact of the pod, as Kubernetes has it.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Namespace and name.
    pub key: Key,
    /// The UID under which the runtime knows it: that of the object, or of a static pod the one that kubelet gave it.
    pub uid: PodUid,
    /// Who says that it runs.
    pub source: PodSource,
    /// The interfaces that it asks for; none where the label is gone.
    pub asks: Vec<Ask>,
    /// Which claims it uses.
    pub uses: Uses,
    /// Why its annotations ask for nothing.
    pub malformed: Option<Box<Malformed>>,
    /// Whether the annotation says the same as the label: the plugin sees the annotation alone.
    pub annotated: bool,
    /// Whether it shares the node's network and so never meets a CNI plugin.
    pub host_network: bool,
    /// The node it is scheduled to.
    pub node: Option<NodeName>,
    /// How many of `eniclaim.io/eni` kubelet counts for it; none where no container names the resource.
    pub requested: Option<u32>,
    /// A container that can change the pod's network.
    pub net_admin: Option<SmolStr>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether all its containers have ended for good.
    pub terminal: bool,
    /// When it was made.
    pub created: Time,
    /// What its object says of its ENIs.
    pub marks: Marks,
}

impl Pod {
    /// Key of the claim that it uses and that outlives it.
    pub fn named_claim(&self) -> Option<Key> {
        match &self.uses {
            Uses::Own => None,
            Uses::Named(name) => Some(Key::of(self.key.namespace.clone(), name.clone())),
            Uses::Persistent(_) => Some(self.key.clone()),
        }
    }

    /// Whether its start waits until it has an ENI. A pod that the CNI plugin does not see, or does not see asking, runs without.
    pub fn needs_eni(&self) -> bool {
        !self.asks.is_empty() && self.annotated && !self.host_network
    }
}

/// Who says that a pod runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodSource {
    /// The API server: a pod ends with its object.
    Api,
    /// Kubelet, of a static pod: the object is its mirror, and kubelet makes it again when somebody deletes it.
    Static,
}

/// One interface that a pod asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask {
    /// Its name, of a pod that asks for interfaces by name; none: as the class says.
    pub interface: Option<InterfaceName>,
    /// The class.
    pub class: ClassName,
}

/// A pod of our own `DaemonSet`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AgentPod {
    /// Namespace and name.
    pub key: Key,
    /// UID of the object.
    pub uid: PodUid,
    /// The node it runs on.
    pub node: Option<NodeName>,
    /// Whether its condition Ready is True and its deletion was not asked for.
    pub ready: bool,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// UID of the object.
    pub uid: NodeUid,
    /// The version that this picture shows.
    pub version: Version,
    /// The instance that its `providerID` names, or why there is none.
    pub instance: Result<InstanceId, String>,
    /// Its boot.
    pub boot: BootId,
    /// Whether it may still run pods as far as Kubernetes knows.
    pub health: NodeHealth,
    /// Classes whose label it carries.
    pub classes: BTreeSet<ClassName>,
    /// The published resource in capacity and in allocatable.
    pub published: (Option<u32>, Option<u32>),
}

impl Node {
    /// Its instance, or why it cannot hold ENIs.
    pub(crate) fn supported_instance(&self) -> Result<&InstanceId, Note> {
        let instance = self.instance.as_ref();
        instance.map_err(|why| Note::unsupported(&self.name, why))
    }
}

/// Whether a node may still run pods as far as Kubernetes knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeHealth {
    /// Its condition Ready is True.
    Ready,
    /// Its condition Ready is not True, or its deletion was asked for: its instance is read more often.
    NotReady,
    /// It carries the taint `node.kubernetes.io/out-of-service`: a person says that nothing runs there any more.
    OutOfService,
}

/// The AWS VPC CNI as its `DaemonSet` aws-node is set, which attaches ENIs to the same instances.
// Each of these is a setting of its own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VpcCni {
    /// Whether any node shall run it.
    pub runs: bool,
    /// `MAX_ENI`: it attaches none where there are so many, ours counted; none: as many as the instance can hold.
    pub max_enis: Option<u32>,
    /// How many ENIs it keeps attached that no pod needs yet.
    pub spare: u32,
    /// `ENABLE_POD_ENI`: each instance gets a trunk.
    pub trunk: bool,
    /// `ENABLE_MULTI_NIC`: it uses every network card, not the first one alone.
    pub every_card: bool,
}

/// A `CNINode`: what the VPC CNI asks of the VPC resource controller for a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CniNode {
    /// Named as its node.
    pub name: NodeName,
    /// Whether the node shall have a trunk.
    pub trunk: bool,
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
    /// Whether its deletion was asked for: nothing can be made in it any more.
    pub deleting: bool,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class {
    /// Its name.
    pub name: ClassName,
    /// UID of the object.
    pub uid: SmolStr,
    /// The version that this picture shows.
    pub version: Version,
    /// `metadata.generation`, which counts the changes of what it says.
    pub generation: i64,
    /// Namespaces whose pods may use it; absent: none.
    pub namespaces: Option<Selector>,
    /// Where ENIs are made.
    pub subnets: Subnets,
    /// Which addresses they get.
    pub addresses: Addresses,
    /// The groups they get.
    pub groups: SecurityGroups,
    /// What happens when somebody else changes them.
    pub drift_policy: DriftPolicy,
    /// What they look like in a pod.
    pub interface: Interface,
    /// Whether EC2 checks the addresses of their traffic.
    pub source_dest_check: SourceDestCheck,
    /// Idle time-outs of their tracked connections.
    pub connection_tracking: ConnectionTracking,
    /// The class's own tags.
    pub tags: BTreeMap<String, String>,
    /// What the operator says of it, as it stands.
    pub status: ClassStatus,
}

impl Class {
    /// Whether the other one says the same, whatever is said of them.
    pub fn says_as(&self, other: &Self) -> bool {
        let spec = |class: &Self| Self {
            version: Version::default(),
            generation: 0,
            status: ClassStatus::default(),
            ..class.clone()
        };
        spec(self) == spec(other)
    }
}

/// Networks of Services, as an object of kind `ServiceCIDR` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceCidr {
    /// Its name.
    pub name: SmolStr,
    /// One of each IP family at most.
    pub cidrs: Vec<IpNet>,
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
    /// UID of the node object that owns it.
    pub owner: Option<NodeUid>,
    /// The version that this picture shows.
    pub version: Version,
    /// Boot in which the node's agent last reported, and the UID of its pod.
    pub agent: Option<(BootId, PodUid)>,
    /// The operator's part of its status.
    pub status: NodeStatus,
}
