//! What Kubernetes shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{
    SmolStr, Time,
    id::{ClassName, Namespace, NodeName, PodUid},
    time::SECOND,
};

use crate::{
    claim::Claim,
    cluster::{
        AgentPod, Class, Cluster, CniNode, Key, NamespaceFacts, Node, NodeReport, Pod, ServiceCidr,
        VpcCni,
    },
    fact::Change,
    resolve::Resolved,
};

/// The lists that have to be complete before anything is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum List {
    Pods,
    AgentPods,
    Nodes,
    Namespaces,
    Classes,
    ServiceCidrs,
    Claims,
    Reports,
    VpcCni,
    CniNodes,
}

impl List {
    const ALL: [(Self, &str); 10] = [
        (Self::Pods, "pods"),
        (Self::AgentPods, "pods of the agent"),
        (Self::Nodes, "nodes"),
        (Self::Namespaces, "namespaces"),
        (Self::Classes, "eniclasses"),
        (Self::ServiceCidrs, "servicecidrs"),
        (Self::Claims, "eniclaims"),
        (Self::Reports, "eninodes"),
        (Self::VpcCni, "the daemonset aws-node"),
        (Self::CniNodes, "cninodes"),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Watched {
    pub(super) lists: BTreeSet<List>,
    pub(super) pods: BTreeMap<Key, Pod>,
    /// What direct reads said of pods that no watch shows, while a claim names them.
    pub(super) proofs: BTreeMap<PodUid, PodProof>,
    pub(super) agents: BTreeMap<Key, AgentPod>,
    pub(super) nodes: BTreeMap<NodeName, Node>,
    pub(super) namespaces: BTreeMap<Namespace, NamespaceFacts>,
    pub(super) classes: BTreeMap<ClassName, Class>,
    /// What each class stands for in EC2, as far as that is known.
    pub(super) resolved: BTreeMap<ClassName, Resolved>,
    /// None where the API server does not serve them.
    pub(super) service_cidrs: BTreeMap<SmolStr, ServiceCidr>,
    pub(super) claims: BTreeMap<Key, HeldClaim>,
    pub(super) reports: BTreeMap<NodeName, NodeReport>,
    /// The AWS VPC CNI, where it runs.
    pub(super) vpc_cni: Option<VpcCni>,
    pub(super) cni_nodes: BTreeMap<NodeName, CniNode>,
    /// Claims that this version cannot read: they exist, and own what they own.
    pub(super) unreadable: BTreeSet<Key>,
    /// Those of them that were reported since the last list: the next one has only these.
    pub(super) unreadable_since: BTreeSet<Key>,
}

/// A static pod whose mirror is missing for so long has ended. Kubelet makes the mirror again as soon as it sees that it is
/// gone (`tryReconcileMirrorPods` in pkg/kubelet/kubelet.go).
pub(super) const MIRROR_RETURNS: i64 = 30 * SECOND;

/// What a direct read said of a pod that no watch shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PodProof {
    /// It does not exist, or has ended.
    Ended,
    /// The mirror of a static pod did not exist at that time.
    Mirrorless(Time),
    /// It lived at that time.
    Alive(Time),
}

/// A claim, and where this picture of it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct HeldClaim {
    /// Shared, since who decides on it must not copy it.
    pub(super) claim: Arc<Claim>,
    pub(super) source: Source,
}

/// Where a picture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A watch: what it shows later is later.
    Stream,
    /// The answer to our own write, which may overtake the watch.
    OwnWrite,
}

impl Watched {
    pub(super) fn is_complete(&self) -> bool {
        self.lists.len() == List::ALL.len()
    }

    /// Names of the lists that are missing.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        List::ALL
            .iter()
            .filter(|(list, _)| !self.lists.contains(list))
            .map(|(_, name)| *name)
            .collect()
    }

    pub(super) fn claim(&self, key: &Key) -> Option<&Claim> {
        self.claims.get(key).map(|held| held.claim.as_ref())
    }

    /// The same to be kept while the fleet changes.
    pub(super) fn shared_claim(&self, key: &Key) -> Option<Arc<Claim>> {
        self.claims.get(key).map(|held| Arc::clone(&held.claim))
    }

    /// This cluster as tags name it, once the namespace kube-system is known.
    pub(super) fn cluster(&self, configured: Option<&String>) -> Option<Cluster> {
        let uid = self
            .namespaces
            .get(&Namespace::from("kube-system"))
            .map(|n| SmolStr::new(&n.uid))?;
        Some(Cluster {
            id: configured.map_or_else(|| uid.clone(), SmolStr::new),
            uid,
        })
    }
}

/// Keys that the change takes away.
pub(super) fn gone<K: Ord + Clone, T, H>(
    held: &BTreeMap<K, H>,
    change: &Change<K, T>,
    key: impl Fn(&T) -> K,
) -> Vec<K> {
    match change {
        Change::All(items) => {
            let stay: BTreeSet<K> = items.iter().map(key).collect();
            held.keys()
                .filter(|k| !stay.contains(*k))
                .cloned()
                .collect()
        }
        Change::Set(_) => Vec::new(),
        Change::Gone(key) => vec![key.clone()],
    }
}

/// Objects that the change brings.
pub(super) fn items<K, T>(change: Change<K, T>) -> Vec<T> {
    match change {
        Change::All(items) => items,
        Change::Set(item) => vec![*item],
        Change::Gone(_) => Vec::new(),
    }
}
