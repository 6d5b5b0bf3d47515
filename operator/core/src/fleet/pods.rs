//! Pods that ask: one claim for each interface, whatever anybody deletes or makes.

use std::collections::BTreeSet;

use api::{Time, id::PodName};

use super::{Fleet, index::Dependency};
use crate::{
    admit::admit,
    claim::Claim,
    cluster::{Ask, Key, Pod},
    order::{NewClaim, Object, Order, Target},
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
        // A pod has one interface, and so one claim.
        let Some(ask) = pod.asks.first().cloned() else {
            return;
        };
        match self.claim_for(&pod, &ask) {
            Ok(None) => {
                self.index.depend(&target, BTreeSet::new());
                self.work.told.forget(&target);
            }
            Ok(Some(new)) => {
                self.index.depend(&target, rests_on(&pod, &ask));
                self.write(Object::NewClaim(new), now, orders);
            }
            Err(note) => {
                self.index.depend(&target, rests_on(&pod, &ask));
                self.tell_pod(&pod, note, now, orders);
            }
        }
    }

    /// The claim of a pod, if it has been made.
    pub(super) fn claim_of(&self, pod: &Pod) -> Option<&Claim> {
        let claim = self.watched.claim(&claim_key(pod))?;
        let ours = claim.owner.as_ref().is_some_and(|o| o.uid == pod.uid);
        ours.then_some(claim)
    }

    /// The claim that is to be made for an interface of a pod: none where it is there, or the sentence that says why not.
    fn claim_for(&self, pod: &Pod, ask: &Ask) -> Result<Option<NewClaim>, Note> {
        if self.claim_of(pod).is_some_and(|c| c.class == ask.class) {
            return Ok(None);
        }
        let key = claim_key(pod);
        if self.watched.claim(&key).is_some() {
            return Err(Note::new(
                Reason::ClaimNameTaken,
                format!("EniClaim {key} exists and is not for this pod and class; delete it"),
            ));
        }
        let namespace = self.watched.namespaces.get(&pod.key.namespace);
        admit(
            pod,
            &ask.class,
            self.watched.classes.get(&ask.class),
            namespace,
        )?;
        if namespace.is_some_and(|n| n.deleting) {
            // Nothing can be made in it any more, and the pod goes with it.
            return Ok(None);
        }
        Ok(Some(NewClaim {
            key,
            pod: PodName::from(pod.key.name.as_str()),
            uid: pod.uid.clone(),
            source: pod.source,
            class: ask.class.clone(),
        }))
    }
}

fn claim_key(pod: &Pod) -> Key {
    let name = claim_name(&PodName::from(pod.key.name.as_str()), &pod.uid);
    Key::of(pod.key.namespace.clone(), name)
}

fn rests_on(pod: &Pod, ask: &Ask) -> BTreeSet<Dependency> {
    BTreeSet::from([
        Dependency::Class(ask.class.clone()),
        Dependency::Namespace(pod.key.namespace.clone()),
        Dependency::Claim(claim_key(pod)),
    ])
}
