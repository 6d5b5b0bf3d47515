//! Who is where and who waits for what: every question that would otherwise walk over everything.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    ClaimStatus,
    claim::{CreateAnswer, Phase},
    id::{ClaimUid, ClassName, EniId, InstanceId, Namespace, NodeName, PodUid, SubnetId},
};

use super::{
    by_class::ByClass,
    few::{self, Few},
};
use crate::{claim::Claim, cluster::Key, order::Target};

/// What a decision rests on: when it changes, those that rest on it are looked at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Dependency {
    /// A node object.
    Node(NodeName),
    /// An instance, its type included.
    Instance(InstanceId),
    /// A slot of an instance becoming free.
    Slot(InstanceId),
    /// A class.
    Class(ClassName),
    /// A namespace's labels.
    Namespace(Namespace),
    /// A subnet.
    Subnet(SubnetId),
    /// All classes and their subnets.
    Classes,
    /// A claim that has the name of another pod's claim.
    Claim(Key),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Index {
    /// The claim whose status names the ENI.
    pub(super) owner: BTreeMap<EniId, Key>,
    /// Claims by UID.
    pub(super) by_uid: BTreeMap<ClaimUid, Key>,
    /// Claims by the pod that they are for.
    pub(super) of_pod: BTreeMap<PodUid, Few<Key>>,
    /// Pods that name a claim, by the claim.
    pub(super) naming: BTreeMap<Key, BTreeSet<Key>>,
    /// Claims that are bound or attached to an instance, writes under way included.
    pub(super) at: BTreeMap<InstanceId, BTreeSet<Key>>,
    /// Pods that ask, by node.
    pub(super) pods_on: BTreeMap<NodeName, BTreeSet<Key>>,
    /// Agents' pods by node.
    pub(super) agents_on: BTreeMap<NodeName, BTreeSet<Key>>,
    /// Nodes by instance.
    pub(super) node_of: BTreeMap<InstanceId, NodeName>,
    /// Uses of a subnet by claims' requests and ENIs, and by classes.
    pub(super) subnet_uses: BTreeMap<SubnetId, u32>,
    /// IPv4 addresses that Create requests take which may be on their way, by subnet.
    requests: BTreeMap<SubnetId, u32>,
    /// Claims that have an ENI, by class.
    pub(super) by_class: ByClass,
    /// Claims in each phase.
    pub(super) census: BTreeMap<Phase, u32>,
    /// How many nodes carry the label of each class.
    serving: BTreeMap<ClassName, u32>,
    dependents: BTreeMap<Dependency, BTreeSet<Target>>,
    /// In order; of most targets they are few.
    dependencies: BTreeMap<Target, Box<[Dependency]>>,
}

impl Index {
    /// Replaces what a target rests on.
    pub(super) fn depend(&mut self, target: &Target, on: BTreeSet<Dependency>) {
        let before = self.dependencies.get(target).map_or(&[][..], |on| on);
        if before.iter().eq(&on) {
            return;
        }
        for gone in self.dependencies.remove(target).unwrap_or_default() {
            remove(&mut self.dependents, &gone, target);
        }
        for dependency in &on {
            self.dependents
                .entry(dependency.clone())
                .or_default()
                .insert(target.clone());
        }
        if !on.is_empty() {
            let on = on.into_iter().collect();
            self.dependencies.insert(target.clone(), on);
        }
    }

    /// Those that rest on it.
    pub(super) fn dependents(&self, on: &Dependency) -> impl Iterator<Item = &Target> {
        self.dependents.get(on).into_iter().flatten()
    }

    /// Whether anybody rests on it.
    pub(super) fn has_dependents(&self, on: &Dependency) -> bool {
        self.dependents.contains_key(on)
    }

    pub(super) fn add_claim(&mut self, claim: &Claim) {
        self.by_uid.insert(claim.uid.clone(), claim.key.clone());
        if let Some(user) = claim.user() {
            self.of_pod
                .entry(user.uid)
                .or_default()
                .add(claim.key.clone());
        }
        *self.census.entry(phase(&claim.status)).or_default() += 1;
    }

    pub(super) fn remove_claim(&mut self, claim: &Claim) {
        self.by_uid.remove(&claim.uid);
        if let Some(user) = claim.user() {
            few::remove(&mut self.of_pod, &user.uid, &claim.key);
        }
        if let Some(count) = self.census.get_mut(&phase(&claim.status)) {
            *count = count.saturating_sub(1);
        }
    }

    /// What a status, written or on its way, says of places.
    pub(super) fn add_status(&mut self, claim: &Claim, status: &ClaimStatus) {
        let key = &claim.key;
        self.by_class.add(claim, status);
        if let Some(eni) = &status.eni {
            self.owner.insert(eni.id.clone(), key.clone());
        }
        for instance in instances(status) {
            self.at.entry(instance).or_default().insert(key.clone());
        }
        for subnet in subnets(status) {
            *self.subnet_uses.entry(subnet).or_default() += 1;
        }
        if let Some((subnet, addresses)) = requested(status) {
            *self.requests.entry(subnet.clone()).or_default() += addresses;
        }
    }

    /// How many IPv4 addresses of a subnet the Create requests take that may be on their way.
    pub(super) fn promised(&self, subnet: &SubnetId) -> u32 {
        self.requests.get(subnet).copied().unwrap_or(0)
    }

    pub(super) fn remove_status(&mut self, claim: &Claim, status: &ClaimStatus) {
        let key = &claim.key;
        self.by_class.remove(claim, status);
        if let Some(eni) = &status.eni
            && self.owner.get(&eni.id) == Some(key)
        {
            self.owner.remove(&eni.id);
        }
        for instance in instances(status) {
            remove(&mut self.at, &instance, key);
        }
        for subnet in subnets(status) {
            self.release_subnet(&subnet);
        }
        if let Some((subnet, addresses)) = requested(status)
            && let Some(count) = self.requests.get_mut(subnet)
        {
            *count = count.saturating_sub(addresses);
        }
    }

    /// A node has these class labels now, and had those before.
    pub(super) fn serve(&mut self, now: &BTreeSet<ClassName>, before: &BTreeSet<ClassName>) {
        for class in now.difference(before) {
            *self.serving.entry(class.clone()).or_default() += 1;
        }
        for class in before.difference(now) {
            if let Some(nodes) = self.serving.get_mut(class) {
                *nodes = nodes.saturating_sub(1);
            }
        }
    }

    /// Whether any node carries the label of the class.
    pub(super) fn is_served(&self, class: &ClassName) -> bool {
        self.serving.get(class).is_some_and(|nodes| *nodes > 0)
    }

    pub(super) fn release_subnet(&mut self, subnet: &SubnetId) {
        if let Some(uses) = self.subnet_uses.get_mut(subnet) {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.subnet_uses.remove(subnet);
            }
        }
    }

    /// Whether a claim is bound or attached to it.
    pub(super) fn is_used(&self, instance: &InstanceId) -> bool {
        self.at.contains_key(instance)
    }
}

fn phase(status: &ClaimStatus) -> Phase {
    status.phase.unwrap_or(Phase::Pending)
}

/// Instances that a claim is bound or attached to.
pub(super) fn instances(status: &ClaimStatus) -> BTreeSet<InstanceId> {
    let bound = status.binding.as_ref().map(|b| b.instance_id.clone());
    let attached = status.attachment.as_ref().map(|a| a.instance_id.clone());
    bound.into_iter().chain(attached).collect()
}

fn subnets(status: &ClaimStatus) -> BTreeSet<SubnetId> {
    let asked = status
        .creation
        .as_ref()
        .map(|c| c.request.subnet_id.clone());
    let made = status.eni.as_ref().map(|eni| eni.subnet_id.clone());
    asked.into_iter().chain(made).collect()
}

/// Where a request that was not refused has shown no ENI yet, and how many IPv4 addresses it takes there.
fn requested(status: &ClaimStatus) -> Option<(&SubnetId, u32)> {
    let creation = status.creation.as_ref().filter(|_| status.eni.is_none())?;
    let refused = creation.answer == Some(CreateAnswer::Refused);
    let request = &creation.request;
    (!refused).then(|| (&request.subnet_id, request.counts.ipv4_addresses()))
}

/// Removes one item of a set, and the set with its last item.
pub(super) fn remove<K: Ord, V: Ord>(sets: &mut BTreeMap<K, BTreeSet<V>>, key: &K, item: &V) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(item);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
