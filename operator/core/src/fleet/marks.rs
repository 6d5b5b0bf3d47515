//! The objects of pods: when what they say of their ENIs is written.

use std::hash::{DefaultHasher, Hash, Hasher};

use api::{Time, time::SECOND};

use super::{Fleet, few::Few};
use crate::{
    claim::Claim,
    cluster::{Key, Pod},
    fact::Outcome,
    marks::{self, PodWrite},
    order::{Object, Order, Target},
};

/// The same is not written again sooner: a watch may be late, and somebody may take back what we write.
const AGAIN: i64 = 10 * SECOND;

/// The last write to a pod: a digest of what it says, and when it was decided.
pub(super) type Marked = (u64, Time);

impl Fleet {
    pub(super) fn consider_marks(&mut self, key: &Key, now: Time, orders: &mut Vec<Order>) {
        let Some(pod) = self.watched.pods.get(key) else {
            return;
        };
        if pod.terminal || pod.deleting || !pod.needs_eni() {
            return;
        }
        let Some(write) = marks::write(pod, &self.claims_of(pod), now) else {
            return;
        };
        let target = Target::Marks(key.clone());
        let digest = digest(&write);
        if let Some((last, at)) = self.work.marked.get(key)
            && *last == digest
            && at.after(AGAIN) > now
        {
            return self.work.agenda.at(target, at.after(AGAIN));
        }
        if self.write(Object::Marks(Box::new(write)), now, orders) {
            self.work.marked.insert(key.clone(), (digest, now));
        }
    }

    /// The claims that are bound to a pod. One that names it and is not served, since somebody made it by hand, says nothing of it.
    fn claims_of(&self, pod: &Pod) -> Vec<&Claim> {
        let keys = self.index.of_pod.get(&pod.uid);
        let keys = keys.into_iter().flat_map(Few::iter);
        let claims = keys.filter_map(|key| self.watched.claim(key));
        let is_bound = |claim: &&Claim| {
            let binding = claim.status.binding.as_ref();
            binding.is_some_and(|binding| binding.pod_uid == pod.uid)
        };
        claims.filter(is_bound).collect()
    }

    /// The answer to a write of ours: the watch may show it later, and must not have us write again.
    pub(super) fn learn_marked(&mut self, key: &Key, outcome: &Outcome) {
        match outcome {
            Outcome::Pod(Some(pod)) => {
                let held = self.watched.pods.get(key);
                if held.is_some_and(|held| held.marks.object == pod.marks.object) {
                    self.learn_pod(pod.as_ref().clone(), false);
                }
            }
            // It was not written, or nobody knows.
            _ => {
                self.work.marked.remove(key);
            }
        }
    }
}

fn digest(write: &PodWrite) -> u64 {
    let PodWrite {
        key: _,
        object,
        version: _,
        networks,
        ready,
    } = write;
    let mut hasher = DefaultHasher::new();
    (object, networks, ready.as_ref().map(|ready| ready.holds)).hash(&mut hasher);
    hasher.finish()
}
