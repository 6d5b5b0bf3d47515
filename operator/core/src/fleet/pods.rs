//! Pods that ask: one claim for each interface, for all or for none, whatever anybody deletes or makes.

use std::collections::BTreeSet;

use api::{
    Time,
    id::{ClassName, PodName},
};

use super::{Fleet, index::Dependency};
use crate::{
    admit::admit,
    claim::Claim,
    cluster::{Ask, Key, Pod},
    order::{Lasts, NewClaim, Object, Order, Target},
    reason::{Note, Reason},
    token::claim_name,
};

impl Fleet {
    pub(super) fn consider_pod(&mut self, key: &Key, now: Time, orders: &mut Vec<Order>) {
        let Some(pod) = self.watched.pods.get(key).cloned() else {
            return;
        };
        let target = Target::Pod(key.clone());
        if pod.terminal || pod.deleting {
            self.index.depend(&target, BTreeSet::new());
            return;
        }
        if pod.asks.is_empty() {
            return;
        }
        if let Some(named) = pod.named_claim() {
            return self.consider_user(&pod, &named, now, orders);
        }
        match self.next_claim(&pod) {
            Ok(None) => {
                self.index.depend(&target, BTreeSet::new());
                self.work.told.forget(&target);
            }
            Ok(Some(new)) => {
                self.index.depend(&target, rests_on(&pod));
                self.write(Object::NewClaim(new), now, orders);
            }
            Err(note) => {
                self.index.depend(&target, rests_on(&pod));
                self.tell_pod(&pod, note, now, orders);
            }
        }
    }

    /// The claim of one of a pod's interfaces, if it has been made.
    pub(super) fn claim_of(&self, pod: &Pod, ask: &Ask) -> Option<&Claim> {
        let claim = self.watched.claim(&claim_key(pod, ask))?;
        let ours = claim.user().is_some_and(|user| user.uid == pod.uid);
        ours.then_some(claim)
    }

    /// The next claim that is to be made for a pod: none where all are there, or the sentence that says why it gets none.
    fn next_claim(&self, pod: &Pod) -> Result<Option<NewClaim>, Note> {
        let is_missing = |ask: &&Ask| {
            let claim = self.claim_of(pod, ask);
            claim.is_none_or(|claim| claim.class != ask.class)
        };
        let missing: Vec<&Ask> = pod.asks.iter().filter(is_missing).collect();
        let Some(ask) = missing.first() else {
            return Ok(None);
        };
        let mut keys = missing.iter().map(|ask| claim_key(pod, ask));
        if let Some(key) = keys.find(|key| self.watched.claim(key).is_some()) {
            return Err(Note::new(
                Reason::ClaimNameTaken,
                format!("EniClaim {key} exists and is not for this pod and class; delete it"),
            ));
        }
        self.admit(pod, classes(pod))?;
        if self.ends_with_namespace(pod) {
            return Ok(None);
        }
        Ok(Some(NewClaim {
            key: claim_key(pod, ask),
            pod: PodName::from(pod.key.name.as_str()),
            class: ask.class.clone(),
            lasts: Lasts::Pod {
                uid: pod.uid.clone(),
                source: pod.source,
                interface: ask.interface.clone(),
            },
        }))
    }

    /// Whether nothing can be made in the pod's namespace any more: the pod goes with it.
    pub(super) fn ends_with_namespace(&self, pod: &Pod) -> bool {
        let namespace = self.watched.namespaces.get(&pod.key.namespace);
        namespace.is_some_and(|namespace| namespace.deleting)
    }

    /// Whether a pod may have claims of all of these classes; if not, the sentence that says why it gets none.
    pub(super) fn admit<'a>(
        &self,
        pod: &Pod,
        mut classes: impl Iterator<Item = &'a ClassName>,
    ) -> Result<(), Note> {
        let namespace = self.watched.namespaces.get(&pod.key.namespace);
        classes.try_for_each(|name| admit(pod, name, self.watched.classes.get(name), namespace))
    }
}

/// The classes that a pod asks for.
pub(super) fn classes(pod: &Pod) -> impl Iterator<Item = &ClassName> {
    pod.asks.iter().map(|ask| &ask.class)
}

fn claim_key(pod: &Pod, ask: &Ask) -> Key {
    if let Some(named) = pod.named_claim() {
        return named;
    }
    let pod_name = PodName::from(pod.key.name.as_str());
    let name = claim_name(&pod_name, &pod.uid, ask.interface.as_ref());
    Key::of(pod.key.namespace.clone(), name)
}

fn rests_on(pod: &Pod) -> BTreeSet<Dependency> {
    let claims = pod
        .asks
        .iter()
        .map(|ask| Dependency::Claim(claim_key(pod, ask)));
    let classes = classes(pod).cloned().map(Dependency::Class);
    let namespace = Dependency::Namespace(pod.key.namespace.clone());
    claims.chain(classes).chain([namespace]).collect()
}
