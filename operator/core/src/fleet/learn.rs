//! Facts from the watches of Kubernetes.

use std::collections::BTreeSet;

use api::{
    ClaimStatus, Time,
    id::{Namespace, NodeName, PodUid},
};

use super::{
    Fleet,
    few::Few,
    index::{self, Dependency},
    watched::{List, MIRROR_RETURNS, PodProof, gone, items},
};
use crate::{
    cluster::{AgentPod, Key, NamespaceFacts, Node, NodeReport, Pod, PodSource},
    fact::{Change, Fact},
    lease::Term,
    order::Target,
    step::ATTACH_SHOWS,
};

impl Fleet {
    /// Takes in one fact. What did not change anything marks nothing.
    pub fn learn(&mut self, fact: Fact, now: Time) {
        match fact {
            Fact::Pods(change) => self.learn_pods(change),
            Fact::AgentPods(change) => self.learn_agents(change),
            Fact::Claims(change) => self.learn_claims(change, now),
            Fact::Nodes(change) => self.learn_nodes(change),
            Fact::Reports(change) => self.learn_reports(change),
            Fact::VpcCni(change) => self.learn_vpc_cni(change),
            Fact::CniNodes(change) => self.learn_cni_nodes(change),
            Fact::Namespaces(change) => self.learn_namespaces(change),
            Fact::Classes(change) => self.learn_classes(change),
            Fact::ServiceCidrs(change) => self.learn_service_cidrs(change),
            Fact::Unreadable(object) => self.learn_unreadable(object),
            Fact::Term(term) => self.learn_term(term, now),
            Fact::Page(enis) => self.learn_page(enis, now),
            Fact::Done(target, outcome) => self.learn_outcome(target, outcome, now),
        }
    }

    fn learn_term(&mut self, term: Term, now: Time) {
        let led = self.work.until(now).is_some();
        self.work.term = term;
        if led || self.work.until(now).is_none() {
            return;
        }
        // Another process may have led meanwhile: what this one remembers of its own calls proves nothing.
        self.work.leads_since = now;
        self.work.sends.clear();
        self.work.rollouts.taken.clear();
        self.work.backoffs.clear();
        for (key, held) in &self.watched.claims {
            if may_be_attaching(&held.claim.status, now) {
                self.work.given_up.insert(key.clone(), now);
            }
        }
        self.work.budget.take_over(now);
        self.read_outdated();
        self.mark_everything();
    }

    pub(super) fn complete(&mut self, list: List, is_all: bool) {
        if is_all && self.watched.lists.insert(list) && self.watched.is_complete() {
            self.mark_everything();
        }
    }

    fn learn_pods(&mut self, change: Change<Key, Pod>) {
        let is_all = matches!(change, Change::All(_));
        for key in gone(&self.watched.pods, &change, |pod| pod.key.clone()) {
            self.forget_pod(&key);
            self.work.marked.remove(&key);
            self.work.forget(&Target::Marks(key));
        }
        for pod in items(change) {
            self.learn_pod(pod, is_all);
        }
        self.complete(List::Pods, is_all);
    }

    /// A list wins whatever its versions say: after a restore from a backup they may be lower.
    pub(super) fn learn_pod(&mut self, mut pod: Pod, is_listed: bool) {
        if let Some(held) = self.watched.pods.get_mut(&pod.key)
            && held.uid == pod.uid
        {
            // The answer to a write of ours may overtake the watch.
            if !is_listed && held.marks.version.is_newer_than(&pod.marks.version) {
                pod.marks = held.marks.clone();
            }
            let marks = std::mem::replace(&mut held.marks, pod.marks.clone());
            if *held == pod {
                // Kubelet writes a pod's status often; here it says nothing new.
                if !marks.says_the_same(&pod.marks) {
                    self.work.agenda.mark(Target::Marks(pod.key));
                }
                return;
            }
        }
        let key = pod.key.clone();
        self.forget_pod(&key);
        if let Some(node) = &pod.node {
            self.index
                .pods_on
                .entry(node.clone())
                .or_default()
                .insert(key.clone());
            self.mark_node(node);
        }
        if let Some(claim) = pod.named_claim() {
            let naming = self.index.naming.entry(claim).or_default();
            naming.insert(key.clone());
        }
        self.mark_claims_of(&pod);
        self.work.agenda.mark(Target::Pod(key.clone()));
        self.work.agenda.mark(Target::Marks(key.clone()));
        // What was true while no watch showed it. The UID of a static pod may come again.
        self.watched.proofs.remove(&pod.uid);
        self.watched.pods.insert(key, pod);
    }

    fn forget_pod(&mut self, key: &Key) {
        let Some(pod) = self.watched.pods.remove(key) else {
            return;
        };
        if let Some(node) = &pod.node {
            index::remove(&mut self.index.pods_on, node, key);
            self.mark_node(node);
        }
        if let Some(claim) = pod.named_claim() {
            index::remove(&mut self.index.naming, &claim, key);
        }
        let target = Target::Pod(key.clone());
        self.work.forget(&target);
        self.index.depend(&target, BTreeSet::new());
        self.mark_claims_of(&pod);
    }

    /// A direct read of a pod that no watch shows.
    pub(super) fn learn_pod_read(&mut self, key: &Key, found: Option<Pod>, now: Time) {
        let Some(uid) = self.work.pods_asked.remove(key) else {
            return;
        };
        let proof = match found {
            Some(pod) if pod.uid == uid && !pod.terminal => PodProof::Alive(now),
            None => self.absent(&uid, now),
            Some(_) => PodProof::Ended,
        };
        let Some(claims) = self.index.of_pod.get(&uid) else {
            return;
        };
        for claim in claims.iter() {
            self.work.agenda.mark(Target::Claim(claim.clone()));
        }
        self.watched.proofs.insert(uid, proof);
    }

    /// The object of a pod that does not exist: the pod has ended, but a static one only when kubelet does not make it again.
    fn absent(&self, uid: &PodUid, now: Time) -> PodProof {
        let claims = self.index.of_pod.get(uid).into_iter().flat_map(Few::iter);
        let mut users = claims.filter_map(|key| self.watched.claim(key)?.user());
        if !users.any(|user| user.source == PodSource::Static) {
            return PodProof::Ended;
        }
        match self.watched.proofs.get(uid) {
            Some(PodProof::Mirrorless(since)) if now.since(*since) >= MIRROR_RETURNS => {
                PodProof::Ended
            }
            Some(proof @ PodProof::Mirrorless(_)) => *proof,
            Some(PodProof::Alive(_) | PodProof::Ended) | None => PodProof::Mirrorless(now),
        }
    }

    fn learn_agents(&mut self, change: Change<Key, AgentPod>) {
        let is_all = matches!(change, Change::All(_));
        for key in gone(&self.watched.agents, &change, |pod| pod.key.clone()) {
            self.forget_agent(&key);
        }
        for pod in items(change) {
            if self.watched.agents.get(&pod.key) == Some(&pod) {
                continue;
            }
            self.forget_agent(&pod.key);
            if let Some(node) = &pod.node {
                self.index
                    .agents_on
                    .entry(node.clone())
                    .or_default()
                    .insert(pod.key.clone());
                self.mark_node(node);
            }
            self.watched.agents.insert(pod.key.clone(), pod);
        }
        self.complete(List::AgentPods, is_all);
    }

    fn forget_agent(&mut self, key: &Key) {
        if let Some(node) = self.watched.agents.remove(key).and_then(|pod| pod.node) {
            index::remove(&mut self.index.agents_on, &node, key);
            self.mark_node(&node);
        }
    }

    fn learn_nodes(&mut self, change: Change<NodeName, Node>) {
        let is_all = matches!(change, Change::All(_));
        for name in gone(&self.watched.nodes, &change, |node| node.name.clone()) {
            self.forget_node(&name);
        }
        for node in items(change) {
            self.learn_node(node);
        }
        self.complete(List::Nodes, is_all);
    }

    pub(super) fn learn_node(&mut self, node: Node) {
        let name = node.name.clone();
        if let Some(held) = self.watched.nodes.get_mut(&name) {
            let same = Node {
                version: node.version.clone(),
                ..held.clone()
            } == node;
            if same {
                held.version = node.version;
                return;
            }
        }
        let before = self.watched.nodes.get(&name).map(|n| n.instance.clone());
        if before.as_ref() != Some(&node.instance) {
            self.forget_node(&name);
            if let Ok(instance) = &node.instance {
                self.index.node_of.insert(instance.clone(), name.clone());
                self.want_instance(instance);
            }
        }
        if let Ok(instance) = &node.instance
            && node.health != crate::cluster::NodeHealth::Ready
        {
            self.read_soon(instance);
        }
        let before = self.watched.nodes.get(&name);
        let nobody = BTreeSet::new();
        let before = before.map_or(&nobody, |node| &node.classes);
        self.index.serve(&node.classes, before);
        self.watched.nodes.insert(name.clone(), node);
        self.mark_node(&name);
        self.wake_up(&Dependency::Node(name));
    }

    fn forget_node(&mut self, name: &NodeName) {
        let Some(node) = self.watched.nodes.remove(name) else {
            return;
        };
        self.index.serve(&BTreeSet::new(), &node.classes);
        if let Ok(instance) = &node.instance {
            if self.index.node_of.get(instance) == Some(name) {
                self.index.node_of.remove(instance);
            }
            // Whether the instance still lives decides what may be detached.
            self.read_soon(instance);
            self.wake_up(&Dependency::Instance(instance.clone()));
        }
        self.work.report_since.remove(name);
        for target in [Target::Node(name.clone()), Target::Report(name.clone())] {
            self.work.forget(&target);
            self.index.depend(&target, BTreeSet::new());
        }
        self.wake_up(&Dependency::Node(name.clone()));
    }

    fn learn_reports(&mut self, change: Change<NodeName, NodeReport>) {
        let is_all = matches!(change, Change::All(_));
        for name in gone(&self.watched.reports, &change, |report| report.name.clone()) {
            self.watched.reports.remove(&name);
            self.mark_node(&name);
        }
        for report in items(change) {
            self.learn_report(report);
        }
        self.complete(List::Reports, is_all);
    }

    pub(super) fn learn_report(&mut self, report: NodeReport) {
        if let Some(held) = self.watched.reports.get_mut(&report.name) {
            let same = NodeReport {
                version: report.version.clone(),
                ..held.clone()
            } == report;
            if same {
                held.version = report.version;
                return;
            }
        }
        self.mark_node(&report.name.clone());
        self.watched.reports.insert(report.name.clone(), report);
    }

    fn learn_namespaces(&mut self, change: Change<Namespace, NamespaceFacts>) {
        let is_all = matches!(change, Change::All(_));
        let mut changed = gone(&self.watched.namespaces, &change, |n| n.name.clone());
        changed.retain(|name| self.watched.namespaces.remove(name).is_some());
        for namespace in items(change) {
            if self.watched.namespaces.get(&namespace.name) != Some(&namespace) {
                changed.push(namespace.name.clone());
                self.watched
                    .namespaces
                    .insert(namespace.name.clone(), namespace);
            }
        }
        for name in changed {
            self.wake_up(&Dependency::Namespace(name));
        }
        self.complete(List::Namespaces, is_all);
    }

    /// Looks again at everything that rests on it.
    pub(super) fn wake_up(&mut self, on: &Dependency) {
        for target in self.index.dependents(on) {
            if !self.work.agenda.is_marked(target) {
                self.work.agenda.mark(target.clone());
            }
        }
    }

    fn mark_claims_of(&mut self, pod: &Pod) {
        let claims = self.index.of_pod.get(&pod.uid);
        let claims = claims.into_iter().flat_map(Few::iter).cloned();
        for claim in claims.chain(pod.named_claim()) {
            self.work.agenda.mark(Target::Claim(claim));
        }
    }

    pub(super) fn mark_node(&mut self, name: &NodeName) {
        self.work.agenda.mark(Target::Node(name.clone()));
        self.work.agenda.mark(Target::Report(name.clone()));
    }

    pub(super) fn mark_everything(&mut self) {
        let pods = self.watched.pods.keys();
        let pods = pods.flat_map(|pod| [Target::Pod(pod.clone()), Target::Marks(pod.clone())]);
        let claims = self.watched.claims.keys().cloned().map(Target::Claim);
        let nodes = self.watched.nodes.keys();
        let nodes = nodes.flat_map(|n| [Target::Node(n.clone()), Target::Report(n.clone())]);
        let classes = self.watched.classes.keys().cloned().map(Target::Class);
        for target in claims.chain(pods).chain(nodes).chain(classes) {
            self.work.agenda.mark(target);
        }
    }
}

/// Whether an Attach that the process before this one has sent may not have arrived yet.
fn may_be_attaching(status: &ClaimStatus, now: Time) -> bool {
    status.attachment.as_ref().is_some_and(|attachment| {
        let is_young = |at: Time| now.since(at) < ATTACH_SHOWS;
        attachment.id.is_none() || attachment.requested_at.is_some_and(is_young)
    })
}
