//! Pods that use a claim which outlives them: one at a time, the first that was made before the others.

use std::collections::BTreeSet;

use api::{Time, id::PodName, time::SECOND};

use super::{Fleet, index::Dependency, pods::classes};
use crate::{
    claim::Claim,
    cluster::{Key, Pod, PodSource},
    order::{Lasts, NewClaim, Object, Order, Target},
    reason::{Note, Reason},
    uses::Uses,
};

/// An ENI leaves the pod that had a pod's name before within seconds; only when it does not is that worth an Event.
const LEAVES: i64 = 30 * SECOND;

impl Fleet {
    /// Makes the claim that a pod of a `StatefulSet` asks for, or says to a pod why the claim that it uses does not serve it.
    pub(super) fn consider_user(
        &mut self,
        pod: &Pod,
        named: &Key,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        let target = Target::Pod(pod.key.clone());
        let namespace = Dependency::Namespace(pod.key.namespace.clone());
        let rests = classes(pod).cloned().map(Dependency::Class);
        let rests: BTreeSet<_> = rests
            .chain([Dependency::Claim(named.clone()), namespace])
            .chain(pod.node.clone().map(Dependency::Node))
            .collect();
        self.index.depend(&target, rests);
        let Some(claim) = self.watched.shared_claim(named) else {
            return match self.missing_claim(pod, named) {
                Ok(Some(new)) => {
                    self.write(Object::NewClaim(new), now, orders);
                }
                Ok(None) => {}
                Err(note) => self.tell_pod(pod, note, now, orders),
            };
        };
        match self.in_the_way(pod, &claim) {
            Some(note) => {
                let is_leaving = note.reason == Reason::ClaimInUse && is_predecessor(&claim, pod);
                let from = pod.created.after(LEAVES);
                if is_leaving && from > now {
                    return self.work.agenda.at(target, from);
                }
                self.tell_pod(pod, note, now, orders);
            }
            None => self.work.told.forget(&target),
        }
    }

    /// The claim to be made for a pod whose claim does not exist, or why none is.
    fn missing_claim(&self, pod: &Pod, named: &Key) -> Result<Option<NewClaim>, Note> {
        let persistent = match &pod.uses {
            Uses::Persistent(persistent) => persistent,
            Uses::Named(_) | Uses::Own => {
                return Err(Note::new(
                    Reason::ClaimNotFound,
                    format!(
                        "there is no EniClaim {named}; create it, or create the pod again without the annotation {} or with another one",
                        api::name::CLAIM
                    ),
                ));
            }
        };
        self.admit(pod, classes(pod))?;
        let Some(class) = classes(pod)
            .next()
            .filter(|_| !self.ends_with_namespace(pod))
        else {
            return Ok(None);
        };
        Ok(Some(NewClaim {
            key: named.clone(),
            pod: PodName::from(pod.key.name.as_str()),
            class: class.clone(),
            lasts: Lasts::Beyond(persistent.clone()),
        }))
    }

    fn in_the_way(&self, pod: &Pod, claim: &Claim) -> Option<Note> {
        let user = claim.user();
        if user.as_ref().is_some_and(|user| user.uid == pod.uid) {
            return None;
        }
        if let Err(note) = self.admit(pod, classes(pod)) {
            return Some(note);
        }
        let key = &claim.key;
        if let Some(why) = unusable(claim, pod) {
            return Some(Note::new(
                Reason::ClaimUnusable,
                format!("EniClaim {key} {why}"),
            ));
        }
        if let Some(note) = self.is_elsewhere(claim, pod) {
            return Some(note);
        }
        let user = user?;
        let message = if is_predecessor(claim, pod) {
            format!(
                "the ENI of EniClaim {key} has not left the pod that had the name {} before; this pod starts when it has, and the Events of the EniClaim say what that waits for",
                user.name
            )
        } else {
            format!(
                "EniClaim {key} is used by pod {}; this pod starts when that one has ended",
                user.name
            )
        };
        Some(Note::new(Reason::ClaimInUse, message))
    }

    /// An ENI can never leave its zone.
    fn is_elsewhere(&self, claim: &Claim, pod: &Pod) -> Option<Note> {
        let eni = claim.status.eni.as_ref()?;
        let node = self.watched.nodes.get(pod.node.as_ref()?)?;
        let record = self.cloud.instances.get(node.instance.as_ref().ok()?)?;
        let zone = &record.instance.as_ref()?.zone;
        (*zone != eni.zone).then(|| {
            Note::new(
                Reason::OtherZone,
                format!(
                    "{} of EniClaim {} lies in {}, and node {} in {zone}; delete the pod, and let it run there: nodeSelector topology.kubernetes.io/zone: {}",
                    eni.id, claim.key, eni.zone, node.name, eni.zone
                ),
            )
        })
    }

    /// The pod that uses a claim next.
    pub(super) fn next_user(&self, claim: &Claim) -> Option<&Pod> {
        let may = |pod: &&Pod| {
            let is_going = pod.deleting || pod.terminal;
            pod.node.is_some()
                && !is_going
                && unusable(claim, pod).is_none()
                && self.is_elsewhere(claim, pod).is_none()
                && self.admit(pod, classes(pod)).is_ok()
        };
        let pods = self.naming(claim).filter(may);
        pods.min_by_key(|pod| (pod.created, pod.uid.clone()))
    }

    /// The pod that may have the ENI, as EC2 shows it to be attached to its node.
    pub(super) fn holder(&self, claim: &Claim) -> Option<&Pod> {
        let eni = if let Some(eni) = &claim.status.eni {
            &eni.id
        } else {
            let cluster = self.watched.cluster(self.settings.cluster_id.as_ref())?;
            self.cloud.of_claim(&claim.uid, &cluster.id).next()?
        };
        let seen = self.cloud.eni(eni);
        let on = seen.view()?.attachment.as_ref()?;
        let node = self.index.node_of.get(&on.instance)?;
        let here = |pod: &&Pod| pod.node.as_ref() == Some(node) && !pod.terminal;
        let pods = self.naming(claim).filter(here);
        pods.min_by_key(|pod| (pod.created, pod.uid.clone()))
    }

    fn naming(&self, claim: &Claim) -> impl Iterator<Item = &Pod> {
        let naming = self.index.naming.get(&claim.key);
        let pods = naming.into_iter().flatten();
        pods.filter_map(|key| self.watched.pods.get(key))
    }
}

/// Whether the claim is with the pod that had this pod's name before, and has ended.
fn is_predecessor(claim: &Claim, pod: &Pod) -> bool {
    let user = claim.user();
    user.is_some_and(|user| user.uid != pod.uid && user.name.as_str() == pod.key.name)
}

/// Why a claim is not for a pod, whoever uses it.
fn unusable(claim: &Claim, pod: &Pod) -> Option<String> {
    if let Some(owner) = &claim.owner {
        let cure = match &pod.uses {
            Uses::Named(_) | Uses::Own => "name a claim that was made by hand",
            Uses::Persistent(_) => "delete that pod, or give the StatefulSet another name",
        };
        return Some(format!(
            "was made for pod {} and goes with it; {cure}",
            owner.name
        ));
    }
    if pod.source == PodSource::Static {
        return Some("is for pods of the API server; a static pod gets a claim of its own: take out the annotation".to_owned());
    }
    if claim.deleting {
        let next = match &pod.uses {
            Uses::Named(_) | Uses::Own => "create another one",
            Uses::Persistent(_) => "another one is made when it is gone",
        };
        return Some(format!("is being deleted; {next}"));
    }
    let class = pod.asks.first().map(|ask| &ask.class)?;
    (*class != claim.class).then(|| {
        format!(
            "is of class {}, and the pod asks for {class}; make both the same",
            claim.class
        )
    })
}
