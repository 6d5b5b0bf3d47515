//! Facts from the watches of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fleet, List};
use crate::{
    claim::Claim,
    cloud::EniSeen,
    cluster::Pod,
    id::{ClaimUid, EniId, Key, NodeName},
    order::{Change, Fact, Target, Topic},
    time::{MINUTE, Time},
};

/// A read may show an ENI this long after its deletion.
const BURIAL: i64 = 5 * MINUTE;

impl Fleet {
    /// Takes in one fact. What did not change anything marks nothing.
    pub fn learn(&mut self, fact: Fact, now: Time) {
        self.learnt += 1;
        match fact {
            Fact::Pods(change) => {
                self.lists_add(&change, List::Pods);
                let gone = apply(&self.pods, &change, |pod| pod.key.clone());
                for key in &gone {
                    self.forget_pod(key);
                    self.told.remove(&Target::Pod(key.clone()));
                }
                for pod in items(change) {
                    self.learn_pod(pod);
                }
            }
            Fact::Claims(change) => {
                self.lists_add(&change, List::Claims);
                for key in self.claims_gone(&change) {
                    self.forget_claim(&key);
                }
                for claim in items(change) {
                    self.learn_claim(claim);
                }
            }
            Fact::Nodes(change) => {
                self.lists_add(&change, List::Nodes);
                for name in replace(&mut self.nodes, change, |node| node.name.clone()) {
                    self.mark_node(&name);
                    self.mark_pods_on(&name);
                    self.agenda.mark(Target::Question(Topic::Instances));
                }
            }
            Fact::Reports(change) => {
                self.lists_add(&change, List::Reports);
                for name in replace(&mut self.reports, change, |report| report.name.clone()) {
                    self.mark_node(&name);
                }
            }
            Fact::Namespaces(change) => {
                self.lists_add(&change, List::Namespaces);
                if !replace(&mut self.namespaces, change, |namespace| {
                    namespace.name.clone()
                })
                .is_empty()
                {
                    self.mark_everything();
                }
            }
            Fact::Classes(change) => {
                self.lists_add(&change, List::Classes);
                if !replace(&mut self.classes, change, |class| class.name.clone()).is_empty() {
                    self.mark_everything();
                }
            }
            Fact::Done(target, outcome) => self.learn_outcome(target, outcome, now),
        }
    }

    fn lists_add<K, T>(&mut self, change: &Change<K, T>, list: List) {
        if matches!(change, Change::All(_)) && self.lists.insert(list) {
            self.mark_everything();
        }
    }

    fn learn_pod(&mut self, pod: Pod) {
        if self.pods.get(&pod.key) == Some(&pod) {
            return;
        }
        let key = pod.key.clone();
        self.forget_pod(&key);
        if let Some(node) = &pod.node {
            self.pods_on
                .entry(node.clone())
                .or_default()
                .insert(key.clone());
            self.mark_node(node);
        }
        self.mark_claim_of(&pod);
        self.agenda.mark(Target::Pod(key.clone()));
        self.pods.insert(key, pod);
    }

    fn forget_pod(&mut self, key: &Key) {
        let Some(pod) = self.pods.remove(key) else {
            return;
        };
        if let Some(node) = &pod.node {
            remove_from(&mut self.pods_on, node, key);
            self.mark_node(node);
        }
        self.mark_claim_of(&pod);
    }

    pub(super) fn learn_claim(&mut self, claim: Claim) {
        let key = claim.key.clone();
        if let Some(held) = self.claims.get(&key) {
            // Our own write's answer may overtake the stream, which then shows an older state, or an older claim of that name.
            if *held == claim || held.version.newer_than(&claim.version) {
                return;
            }
            if held.uid != claim.uid {
                self.forget_claim(&key);
            }
        }
        self.unindex(&key);
        if let Some(node) = claim.status.node.clone() {
            self.claims_on
                .entry(node.clone())
                .or_default()
                .insert(key.clone());
            self.mark_node(&node);
        }
        if let Some(eni) = &claim.status.eni {
            self.owned.insert(eni.id.clone(), key.clone());
        }
        self.claim_of.insert(claim.owner.uid.clone(), key.clone());
        self.rests.remove(&Target::Claim(key.clone()));
        self.agenda.mark(Target::Claim(key.clone()));
        self.agenda.mark(Target::Pod(Key {
            namespace: key.namespace.clone(),
            name: claim.owner.name.clone(),
        }));
        if claim.status.creation.is_some() && claim.status.addresses.is_empty() {
            self.agenda.mark(Target::Question(Topic::Subnets));
        }
        self.claims.insert(key, claim);
    }

    pub(super) fn forget_claim(&mut self, key: &Key) {
        self.unindex(key);
        let Some(claim) = self.claims.remove(key) else {
            return;
        };
        self.waiting.remove(key);
        self.setbacks.remove(key);
        self.told.remove(&Target::Claim(key.clone()));
        self.claim_of.remove(&claim.owner.uid);
        self.tagged.remove(&claim.uid);
        if let Some(eni) = &claim.status.eni {
            self.owned.remove(&eni.id);
        }
        if let Some(node) = claim.status.node {
            // Its slot is free: whoever waits on that node may have it.
            self.mark_node(&node);
            self.mark_pods_on(&node);
        }
        self.agenda.mark(Target::Pod(Key {
            namespace: key.namespace.clone(),
            name: claim.owner.name.clone(),
        }));
    }

    /// Claims held that the change takes away; what it says of another claim of that name is not about them.
    fn claims_gone(&self, change: &Change<(Key, ClaimUid), Claim>) -> Vec<Key> {
        let held = |key: &Key, uid: &ClaimUid| self.claims.get(key).is_some_and(|c| c.uid == *uid);
        match change {
            Change::All(items) => {
                let stay: BTreeSet<&Key> = items.iter().map(|claim| &claim.key).collect();
                self.claims
                    .keys()
                    .filter(|key| !stay.contains(key))
                    .cloned()
                    .collect()
            }
            Change::Set(_) => Vec::new(),
            Change::Gone((key, uid)) => held(key, uid).then(|| key.clone()).into_iter().collect(),
        }
    }

    /// Remembers for a while that an ENI is gone, since reads may go on showing it.
    pub(super) fn bury(&mut self, eni: &EniId, now: Time) {
        self.buried.retain(|_, at| now.since(*at) < BURIAL);
        self.enis.remove(eni);
        self.buried.insert(eni.clone(), now);
        for (instance, _) in self.instances.values_mut() {
            if let Some(instance) = instance {
                instance.attached.retain(|attached| attached.eni != *eni);
            }
        }
    }

    /// What is known of an ENI.
    pub(super) fn eni(&self, id: &EniId) -> EniSeen {
        if self.buried.contains_key(id) {
            return EniSeen::Deleted;
        }
        self.enis
            .get(id)
            .map_or(EniSeen::Unknown, |(seen, _)| seen.clone())
    }

    fn unindex(&mut self, key: &Key) {
        if let Some(node) = self
            .claims
            .get(key)
            .and_then(|claim| claim.status.node.clone())
        {
            remove_from(&mut self.claims_on, &node, key);
        }
    }

    fn mark_claim_of(&mut self, pod: &Pod) {
        if let Some(claim) = self.claim_of.get(&pod.uid) {
            self.agenda.mark(Target::Claim(claim.clone()));
        }
    }

    pub(super) fn mark_node(&mut self, name: &NodeName) {
        self.agenda.mark(Target::Node(name.clone()));
        self.agenda.mark(Target::Report(name.clone()));
    }

    /// Pods on that node, and their claims.
    pub(super) fn mark_pods_on(&mut self, name: &NodeName) {
        let pods: Vec<Key> = self
            .pods_on
            .get(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for key in pods {
            if let Some(claim) = self
                .pods
                .get(&key)
                .and_then(|pod| self.claim_of.get(&pod.uid))
            {
                self.agenda.mark(Target::Claim(claim.clone()));
            }
            self.agenda.mark(Target::Pod(key));
        }
        let claims: Vec<Key> = self
            .claims_on
            .get(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for key in claims {
            self.agenda.mark(Target::Claim(key));
        }
    }

    pub(super) fn mark_everything(&mut self) {
        let nodes: Vec<NodeName> = self.nodes.keys().cloned().collect();
        for name in &nodes {
            self.mark_node(name);
        }
        for key in self.claims.keys() {
            self.agenda.mark(Target::Claim(key.clone()));
        }
        for key in self.pods.keys() {
            self.agenda.mark(Target::Pod(key.clone()));
        }
        for topic in [Topic::Enis, Topic::Instances, Topic::Types, Topic::Subnets] {
            self.agenda.mark(Target::Question(topic));
        }
    }
}

/// Keys that the change takes away.
fn apply<K: Ord + Clone, T>(
    held: &BTreeMap<K, T>,
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
fn items<K, T>(change: Change<K, T>) -> Vec<T> {
    match change {
        Change::All(items) => items,
        Change::Set(item) => vec![*item],
        Change::Gone(_) => Vec::new(),
    }
}

/// Applies a change and says which keys it really changed.
fn replace<K: Ord + Clone, T: PartialEq>(
    held: &mut BTreeMap<K, T>,
    change: Change<K, T>,
    key: impl Fn(&T) -> K,
) -> Vec<K> {
    let mut changed = apply(held, &change, &key);
    changed.retain(|k| held.remove(k).is_some());
    for item in items(change) {
        let k = key(&item);
        if held.get(&k) != Some(&item) {
            held.insert(k.clone(), item);
            changed.push(k);
        }
    }
    changed
}

fn remove_from<K: Ord>(index: &mut BTreeMap<K, BTreeSet<Key>>, at: &K, key: &Key) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}
