//! The API server: objects with versions, conflicts and finalizers, and the rules of the schema that concern a status.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    ClaimStatus, ClassStatus, NodeStatus, SmolStr,
    id::{ClassName, Namespace, NodeName},
};
use operator_core::{
    Change, Fact, Outcome,
    claim::{Claim, Owner},
    cluster::{
        AgentPod, Class, CniNode, Key, NamespaceFacts, Node, NodeReport, Pod, ServiceCidr, Version,
        VpcCni,
    },
    fact::ApiRefusal,
    marks::{Networks, PodWrite},
    order::{ClaimRef, Lasts, NewClaim, NodePatch, Object, StatusWrite},
    uses::Persistent,
};

use super::world::{World, set};

// Each refuses something else.
#[allow(clippy::struct_excessive_bools)]
#[derive(Default)]
pub struct Store {
    pub claims: BTreeMap<Key, Claim>,
    pub pods: BTreeMap<Key, Pod>,
    pub agent_pods: BTreeMap<Key, AgentPod>,
    pub nodes: BTreeMap<NodeName, Node>,
    pub reports: BTreeMap<NodeName, NodeReport>,
    pub namespaces: BTreeMap<Namespace, NamespaceFacts>,
    pub classes: BTreeMap<ClassName, Class>,
    /// None: the API server does not serve them.
    pub service_cidrs: Vec<ServiceCidr>,
    pub vpc_cni: Option<VpcCni>,
    pub cni_nodes: BTreeMap<NodeName, CniNode>,
    pub version: u64,
    /// Refuses new claims, as a quota or an admission policy does.
    pub refuses_claims: bool,
    /// Changes of claims that are there.
    pub refuses_changes: bool,
    pub refuses_nodes: bool,
    pub refuses_marks: bool,
    /// Writes of a status by the operator, by name of the claim.
    pub status_writes: BTreeMap<SmolStr, u32>,
    /// UID of the `StatefulSet` whose deletion deletes the claim.
    pub tied: BTreeMap<Key, SmolStr>,
    /// Objects that this version of the operator cannot read.
    pub unreadable: Vec<operator_core::fact::Unreadable>,
    uids: u64,
}

impl Store {
    pub fn new() -> Self {
        let namespace = |name: &str| NamespaceFacts {
            name: name.into(),
            uid: format!("uid-{name}"),
            labels: BTreeMap::new(),
            deleting: false,
        };
        let class = super::story::a_class();
        Self {
            namespaces: ["kube-system", "shop"]
                .map(|name| (name.into(), namespace(name)))
                .into(),
            classes: [(class.name.clone(), class)].into(),
            version: 1_000,
            ..Self::default()
        }
    }

    pub fn next_version(&mut self) -> Version {
        self.version += 1;
        Version::from(self.version.to_string())
    }

    pub fn uid(&mut self, of: &str) -> String {
        self.uids += 1;
        format!("{of}-uid-{}", self.uids)
    }

    pub fn lists(&self) -> Vec<Fact> {
        // What cannot be read is told before its list.
        let mut facts: Vec<Fact> = self
            .unreadable
            .iter()
            .cloned()
            .map(Fact::Unreadable)
            .collect();
        facts.extend([
            Fact::Namespaces(Change::All(self.namespaces.values().cloned().collect())),
            Fact::Classes(Change::All(self.classes.values().cloned().collect())),
            Fact::ServiceCidrs(Change::All(self.service_cidrs.clone())),
            Fact::Pods(Change::All(self.labelled())),
            Fact::AgentPods(Change::All(self.agent_pods.values().cloned().collect())),
            Fact::Nodes(Change::All(self.nodes.values().cloned().collect())),
            Fact::Reports(Change::All(self.reports.values().cloned().collect())),
            Fact::VpcCni(Change::All(self.vpc_cni.iter().cloned().collect())),
            Fact::CniNodes(Change::All(self.cni_nodes.values().cloned().collect())),
            Fact::Claims(Change::All(
                self.claims.values().cloned().map(Arc::new).collect(),
            )),
        ]);
        facts
    }

    fn labelled(&self) -> Vec<Pod> {
        let labelled = self.pods.values().filter(|pod| !pod.asks.is_empty());
        labelled.cloned().collect()
    }
}

impl World {
    pub fn write(&mut self, object: Object) -> Outcome {
        let (kind, about) = name(&object);
        let outcome = match object {
            Object::NewClaim(new) => self.new_claim(new),
            Object::Status(write) => self.write_status(write),
            Object::AddFinalizer(at) => self.at_version(&at, |claim| {
                if claim.deleting && !claim.finalizer {
                    return Err("no new finalizers can be added if the object is being deleted");
                }
                claim.finalizer = true;
                Ok(())
            }),
            Object::RemoveFinalizer(at) => {
                self.judge_letting_go(&at);
                self.at_version(&at, |claim| {
                    claim.finalizer = false;
                    Ok(())
                })
            }
            Object::DeleteClaim(at) => self.at_version(&at, |claim| {
                claim.deleting = true;
                Ok(())
            }),
            Object::Marks(write) => self.mark(*write),
            Object::NewReport { node, .. } => self.new_report(node),
            Object::Report { node, status } => self.write_report(&node, *status),
            Object::Class { class, uid, status } => self.write_class(&class, &uid, *status),
            Object::Node { node, patch } => self.patch_node(&node, patch),
        };
        if !matches!(
            outcome,
            Outcome::NotWritten | Outcome::Conflict | Outcome::ClaimGone
        ) {
            self.log.writes.push((self.now, kind, about));
        }
        outcome
    }

    fn new_claim(&mut self, new: NewClaim) -> Outcome {
        if let Some(held) = self.store.claims.get(&new.key) {
            return Outcome::Found(Box::new(held.clone()));
        }
        let is_unreadable = |object: &operator_core::fact::Unreadable| matches!(&object.about, operator_core::order::About::Claim(key, _) if *key == new.key);
        if self.store.unreadable.iter().any(is_unreadable) {
            return Outcome::NotWritten;
        }
        let namespace = self.store.namespaces.get(&new.key.namespace);
        if self.store.refuses_claims || namespace.is_none_or(|n| n.deleting) {
            return refused("Forbidden", "exceeded quota");
        }
        let (owner, interface) = match new.lasts {
            Lasts::Pod {
                uid,
                source,
                interface,
            } => {
                let name = new.pod;
                (Some(Owner { name, uid, source }), interface)
            }
            Lasts::Beyond(Persistent::Retain) => (None, None),
            Lasts::Beyond(Persistent::Delete(set)) => {
                self.store.tied.insert(new.key.clone(), set.uid);
                (None, None)
            }
        };
        let claim = Claim {
            uid: self.store.uid("claim").into(),
            key: new.key,
            version: Version::default(),
            generation: 1,
            deleting: false,
            finalizer: true,
            class: new.class,
            interface,
            owner,
            force_detach: None,
            force_forget: None,
            status: ClaimStatus::default(),
            device: None,
            leased: None,
        };
        Outcome::Claim(Box::new(self.put_claim(claim)))
    }

    fn write_status(&mut self, write: StatusWrite) -> Outcome {
        self.judge_status(&write);
        let status = *write.status;
        let key = write.claim.key.clone();
        let outcome = self.at_version(&write.claim, |claim| {
            schema(&claim.status, &status)?;
            claim.status = status;
            Ok(())
        });
        if matches!(outcome, Outcome::Claim(_)) {
            *self
                .store
                .status_writes
                .entry(key.name.clone())
                .or_default() += 1;
        }
        outcome
    }

    fn at_version(
        &mut self,
        at: &ClaimRef,
        change: impl FnOnce(&mut Claim) -> Result<(), &'static str>,
    ) -> Outcome {
        let Some(mut claim) = self.store.claims.get(&at.key).cloned() else {
            return Outcome::ClaimGone;
        };
        if claim.uid != at.uid || claim.version != at.version {
            return Outcome::Conflict;
        }
        if self.store.refuses_changes {
            return refused("Forbidden", "no right to patch");
        }
        if let Err(why) = change(&mut claim) {
            return refused("Invalid", why);
        }
        Outcome::Claim(Box::new(self.put_claim(claim)))
    }

    /// Stores a claim at a new version, or removes it where nothing holds it any more.
    pub fn put_claim(&mut self, mut claim: Claim) -> Claim {
        claim.version = self.store.next_version();
        let key = claim.key.clone();
        if claim.deleting && !claim.finalizer {
            self.store.claims.remove(&key);
            let gone = Change::Gone((key, claim.uid.clone()));
            self.show(&Fact::Claims(gone));
        } else {
            self.store.claims.insert(key, claim.clone());
            self.show(&Fact::Claims(set(&Arc::new(claim.clone()))));
        }
        claim
    }

    fn new_report(&mut self, node: NodeName) -> Outcome {
        if self.store.reports.contains_key(&node) {
            return Outcome::Conflict;
        }
        let owner = self.store.nodes.get(&node).map(|n| n.uid.clone());
        let report = NodeReport {
            name: node,
            owner,
            version: Version::default(),
            agent: None,
            status: NodeStatus::default(),
        };
        Outcome::Report(Box::new(self.put_report(report)))
    }

    pub fn put_report(&mut self, mut report: NodeReport) -> NodeReport {
        report.version = self.store.next_version();
        self.store
            .reports
            .insert(report.name.clone(), report.clone());
        self.show(&Fact::Reports(set(&report)));
        report
    }

    fn write_report(&mut self, node: &NodeName, status: NodeStatus) -> Outcome {
        let Some(mut report) = self.store.reports.get(node).cloned() else {
            return Outcome::NotWritten;
        };
        if self.store.refuses_nodes {
            return refused("Forbidden", "no right to patch");
        }
        report.status = status;
        Outcome::Report(Box::new(self.put_report(report)))
    }

    fn write_class(&mut self, name: &ClassName, uid: &str, status: ClassStatus) -> Outcome {
        let Some(mut class) = self.store.classes.get(name).cloned() else {
            return Outcome::NotWritten;
        };
        if class.uid != uid {
            return Outcome::Conflict;
        }
        class.status = status;
        Outcome::Class(Box::new(self.put_class(class)))
    }

    pub fn put_class(&mut self, mut class: Class) -> Class {
        class.version = self.store.next_version();
        self.store.classes.insert(class.name.clone(), class.clone());
        self.show(&Fact::Classes(set(&class)));
        class
    }

    fn patch_node(&mut self, name: &NodeName, patch: NodePatch) -> Outcome {
        let Some(mut node) = self.store.nodes.get(name).cloned() else {
            return Outcome::NotWritten;
        };
        if self.store.refuses_nodes {
            return refused("Forbidden", "no right to patch");
        }
        if let Some(count) = patch.publish {
            node.published = (Some(count), Some(count));
        }
        for (class, is_set) in patch.labels {
            if is_set {
                node.classes.insert(class);
            } else {
                node.classes.remove(&class);
            }
        }
        Outcome::Node(Box::new(self.put_node(node)))
    }

    pub fn put_node(&mut self, mut node: Node) -> Node {
        node.version = self.store.next_version();
        self.store.nodes.insert(node.name.clone(), node.clone());
        self.show(&Fact::Nodes(set(&node)));
        node
    }

    /// As `pods/status` takes a patch.
    fn mark(&mut self, write: PodWrite) -> Outcome {
        let Some(mut pod) = self.store.pods.get(&write.key).cloned() else {
            return Outcome::Pod(None);
        };
        if self.store.refuses_marks {
            return refused("Forbidden", "no right to patch pods/status");
        }
        let is_stale = write.networks.is_some() && write.version != pod.marks.version;
        if is_stale || write.object != pod.marks.object {
            return Outcome::Conflict;
        }
        if let Some((others, ours)) = write.networks {
            pod.marks.networks = Networks::List { others, ours };
        }
        if let Some(ready) = write.ready {
            pod.marks.ready = Some(ready.holds);
        }
        self.put_pod(pod);
        Outcome::Pod(Some(Box::new(self.store.pods[&write.key].clone())))
    }

    /// A pod as the watch of our label shows it.
    pub fn put_pod(&mut self, mut pod: Pod) {
        pod.marks.version = self.store.next_version();
        self.store.pods.insert(pod.key.clone(), pod.clone());
        let change = if pod.asks.is_empty() {
            Change::Gone(pod.key)
        } else {
            set(&pod)
        };
        self.show(&Fact::Pods(change));
    }
}

fn refused(reason: &str, message: &str) -> Outcome {
    Outcome::Refused(ApiRefusal {
        reason: reason.to_owned(),
        message: message.to_owned(),
    })
}

/// The transition rules of the resource.
fn schema(before: &ClaimStatus, after: &ClaimStatus) -> Result<(), &'static str> {
    let number = |s: &ClaimStatus| s.creation.as_ref().map(|c| c.incarnation);
    if number(before) > number(after) {
        return Err("creation.incarnation never decreases");
    }
    let eni = |s: &ClaimStatus| s.eni.as_ref().map(|eni| eni.id.clone());
    if before.eni.is_some() && eni(before) != eni(after) && number(before) == number(after) {
        return Err("eni goes or changes only with a new creation.incarnation");
    }
    if let (Some(old), Some(new)) = (&before.attachment, &after.attachment)
        && old.id.is_some()
        && old.id == new.id
        && old.is_released()
        && !new.is_released()
    {
        return Err("attachment.release is never taken back for one attachment id");
    }
    Ok(())
}

fn name(object: &Object) -> (&'static str, String) {
    match object {
        Object::NewClaim(new) => ("new claim", new.key.to_string()),
        Object::Status(write) => ("status", write.claim.key.to_string()),
        Object::AddFinalizer(claim) => ("add finalizer", claim.key.to_string()),
        Object::RemoveFinalizer(claim) => ("remove finalizer", claim.key.to_string()),
        Object::DeleteClaim(claim) => ("delete claim", claim.key.to_string()),
        Object::Marks(write) => ("marks", write.key.to_string()),
        Object::NewReport { node, .. } => ("new report", node.to_string()),
        Object::Report { node, .. } => ("report", node.to_string()),
        Object::Class { class, .. } => ("class", class.to_string()),
        Object::Node { node, .. } => ("node", node.to_string()),
    }
}
