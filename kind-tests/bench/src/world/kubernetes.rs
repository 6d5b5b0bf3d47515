//! The API server's objects, and what writes make of them.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    ClassStatus,
    id::{ClassName, Namespace, NodeName},
};
use operator_core::{
    Change, Fact, Outcome,
    claim::{Claim, Owner},
    cluster::{AgentPod, Class, Key, NamespaceFacts, Node, NodeReport, Pod, Version},
    marks::{Networks, PodWrite},
    order::{ClaimRef, Lasts, NewClaim, NodePatch, Object},
};

/// The objects that the operator watches.
#[derive(Debug, Clone, Default)]
pub struct Kubernetes {
    /// Pods that ask.
    pub pods: BTreeMap<Key, Pod>,
    /// Agents' pods.
    pub agents: BTreeMap<Key, AgentPod>,
    /// Nodes.
    pub nodes: BTreeMap<NodeName, Node>,
    /// Namespaces.
    pub namespaces: BTreeMap<Namespace, NamespaceFacts>,
    /// Classes.
    pub classes: BTreeMap<ClassName, Class>,
    /// Claims.
    pub claims: BTreeMap<Key, Claim>,
    /// Node reports.
    pub reports: BTreeMap<NodeName, NodeReport>,
    version: u64,
}

/// The kind of a write, as people count them.
pub fn kind(object: &Object) -> &'static str {
    match object {
        Object::NewClaim(_) => "create claim",
        Object::Status(_) => "status",
        Object::AddFinalizer(_) | Object::RemoveFinalizer(_) => "finalizer",
        Object::DeleteClaim(_) => "delete claim",
        Object::Marks(_) => "pod",
        Object::NewReport { .. } | Object::Report { .. } => "node report",
        Object::Class { .. } => "class",
        Object::Node { .. } => "node",
    }
}

impl Kubernetes {
    /// The complete lists.
    pub fn lists(&self) -> Vec<Fact> {
        fn all<K, I, T: Clone>(map: &BTreeMap<K, T>) -> Change<I, T> {
            Change::All(map.values().cloned().collect())
        }
        vec![
            Fact::Namespaces(all(&self.namespaces)),
            Fact::Classes(all(&self.classes)),
            Fact::ServiceCidrs(Change::All(Vec::new())),
            Fact::Nodes(all(&self.nodes)),
            Fact::AgentPods(all(&self.agents)),
            Fact::Reports(all(&self.reports)),
            Fact::VpcCni(Change::All(Vec::new())),
            Fact::CniNodes(Change::All(Vec::new())),
            Fact::Claims(Change::All(
                self.claims.values().cloned().map(Arc::new).collect(),
            )),
            Fact::Pods(all(&self.pods)),
        ]
    }

    /// Does a write: its answer, and what the watch shows afterwards.
    pub fn write(&mut self, object: &Object) -> (Outcome, Option<Fact>) {
        match object {
            Object::NewClaim(new) => self.create(new),
            Object::Status(write) => self.change(&write.claim, |claim| {
                claim.status.clone_from(&write.status);
            }),
            Object::AddFinalizer(claim) => self.change(claim, |claim| claim.finalizer = true),
            Object::RemoveFinalizer(claim) => self.change(claim, |claim| claim.finalizer = false),
            Object::DeleteClaim(claim) => self.change(claim, |claim| claim.deleting = true),
            Object::Marks(write) => self.mark(write),
            Object::NewReport { node, uid } => {
                let report = NodeReport {
                    name: node.clone(),
                    owner: Some(uid.clone()),
                    version: Version::default(),
                    agent: None,
                    status: api::NodeStatus::default(),
                };
                self.reports.insert(node.clone(), report);
                self.report(node, |_| {})
            }
            Object::Report { node, status } => self.report(node, |report| {
                report.status.clone_from(status);
            }),
            Object::Class { class, status, .. } => self.class(class, status),
            Object::Node { node, patch } => self.node(node, patch),
        }
    }

    /// The claim gets a new version; what the watch shows of it.
    pub fn touch(&mut self, key: &Key) -> Fact {
        let version = self.next_version();
        match self.claims.get_mut(key) {
            Some(claim) => {
                claim.version = version;
                Fact::Claims(Change::Set(Box::new(Arc::new(claim.clone()))))
            }
            None => Fact::Claims(Change::Gone((key.clone(), String::new().into()))),
        }
    }

    fn next_version(&mut self) -> Version {
        self.version += 1;
        (1_000_000 + self.version).to_string().into()
    }

    fn create(&mut self, new: &NewClaim) -> (Outcome, Option<Fact>) {
        if self.claims.contains_key(&new.key) {
            return (Outcome::Conflict, None);
        }
        let (user, owner, interface) = match &new.lasts {
            Lasts::Pod {
                uid,
                source,
                interface,
            } => {
                let owner = Owner {
                    name: new.pod.clone(),
                    uid: uid.clone(),
                    source: *source,
                };
                (uid.to_string(), Some(owner), interface.clone())
            }
            Lasts::Beyond(_) => (new.key.to_string(), None, None),
        };
        let claim = Claim {
            uid: format!("claim-of-{user}").into(),
            key: new.key.clone(),
            version: Version::default(),
            generation: 1,
            deleting: false,
            finalizer: true,
            class: new.class.clone(),
            interface,
            owner,
            force_detach: None,
            force_forget: None,
            status: api::ClaimStatus::default(),
            device: None,
            leased: None,
        };
        self.claims.insert(new.key.clone(), claim);
        self.shown(&new.key)
    }

    fn shown(&mut self, key: &Key) -> (Outcome, Option<Fact>) {
        let fact = self.touch(key);
        let claim = self.claims.get(key).cloned();
        let outcome = claim.map_or(Outcome::ClaimGone, |claim| Outcome::Claim(Box::new(claim)));
        (outcome, Some(fact))
    }

    fn change(
        &mut self,
        at: &ClaimRef,
        change: impl FnOnce(&mut Claim),
    ) -> (Outcome, Option<Fact>) {
        let Some(claim) = self.claims.get_mut(&at.key).filter(|c| c.uid == at.uid) else {
            return (Outcome::ClaimGone, None);
        };
        if claim.version != at.version {
            return (Outcome::Conflict, None);
        }
        change(claim);
        let gone = claim.deleting && !claim.finalizer;
        let (outcome, shown) = self.shown(&at.key);
        if gone {
            self.claims.remove(&at.key);
            let gone = Change::Gone((at.key.clone(), at.uid.clone()));
            return (outcome, Some(Fact::Claims(gone)));
        }
        (outcome, shown)
    }

    fn report(
        &mut self,
        node: &NodeName,
        change: impl FnOnce(&mut NodeReport),
    ) -> (Outcome, Option<Fact>) {
        let version = self.next_version();
        let Some(report) = self.reports.get_mut(node) else {
            return (Outcome::NotWritten, None);
        };
        change(report);
        report.version = version;
        // The agent fills in its part as soon as there is a report.
        report
            .agent
            .get_or_insert_with(|| super::makers::agent(node));
        let shown = Fact::Reports(Change::Set(Box::new(report.clone())));
        (Outcome::Report(Box::new(report.clone())), Some(shown))
    }

    fn mark(&mut self, write: &PodWrite) -> (Outcome, Option<Fact>) {
        let version = self.next_version();
        let Some(pod) = self.pods.get_mut(&write.key) else {
            return (Outcome::Pod(None), None);
        };
        if let Some((others, ours)) = write.networks.clone() {
            pod.marks.networks = Networks::List { others, ours };
        }
        if let Some(ready) = &write.ready {
            pod.marks.ready = Some(ready.holds);
        }
        pod.marks.version = version;
        let shown = Fact::Pods(Change::Set(Box::new(pod.clone())));
        (Outcome::Pod(Some(Box::new(pod.clone()))), Some(shown))
    }

    fn class(&mut self, name: &ClassName, status: &ClassStatus) -> (Outcome, Option<Fact>) {
        let version = self.next_version();
        let Some(class) = self.classes.get_mut(name) else {
            return (Outcome::NotWritten, None);
        };
        class.status.clone_from(status);
        class.version = version;
        let shown = Fact::Classes(Change::Set(Box::new(class.clone())));
        (Outcome::Class(Box::new(class.clone())), Some(shown))
    }

    fn node(&mut self, name: &NodeName, patch: &NodePatch) -> (Outcome, Option<Fact>) {
        let version = self.next_version();
        let Some(node) = self.nodes.get_mut(name) else {
            return (Outcome::NotWritten, None);
        };
        if let Some(publish) = patch.publish {
            node.published = (Some(publish), Some(publish));
        }
        for (class, is_set) in &patch.labels {
            if *is_set {
                node.classes.insert(class.clone());
            } else {
                node.classes.remove(class);
            }
        }
        node.version = version;
        let shown = Fact::Nodes(Change::Set(Box::new(node.clone())));
        (Outcome::Node(Box::new(node.clone())), Some(shown))
    }
}
