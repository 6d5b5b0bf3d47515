//! Pods that name the claim that they use: one at a time, the first that was made before the others.

use std::collections::BTreeSet;

use api::Time;

use super::{Fleet, index::Dependency, pods::classes};
use crate::{
    claim::Claim,
    cluster::{Key, Pod, PodSource},
    order::{Order, Target},
    reason::{Note, Reason},
};

impl Fleet {
    /// Says to a pod why the claim that it names does not serve it.
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
        match self.in_the_way(pod, named) {
            Some(note) => self.tell_pod(pod, note, now, orders),
            None => self.work.told.forget(&target),
        }
    }

    fn in_the_way(&self, pod: &Pod, named: &Key) -> Option<Note> {
        let Some(claim) = self.watched.claim(named) else {
            return Some(Note::new(
                Reason::ClaimNotFound,
                format!(
                    "there is no EniClaim {named}; create it, or create the pod again without the annotation {} or with another one",
                    api::name::CLAIM
                ),
            ));
        };
        let user = claim.user();
        if user.as_ref().is_some_and(|user| user.uid == pod.uid) {
            return None;
        }
        if let Err(note) = self.admit(pod, classes(pod)) {
            return Some(note);
        }
        if let Some(why) = unusable(claim, pod) {
            return Some(Note::new(
                Reason::ClaimUnusable,
                format!("EniClaim {named} {why}"),
            ));
        }
        if let Some(note) = self.is_elsewhere(claim, pod) {
            return Some(note);
        }
        let user = user?;
        Some(Note::new(
            Reason::ClaimInUse,
            format!(
                "EniClaim {named} is used by pod {}; this pod starts when that one has ended",
                user.name
            ),
        ))
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

/// Why a claim is not for a pod, whoever uses it.
fn unusable(claim: &Claim, pod: &Pod) -> Option<String> {
    if let Some(owner) = &claim.owner {
        return Some(format!(
            "was made for pod {} and goes with it; name a claim that was made by hand",
            owner.name
        ));
    }
    if pod.source == PodSource::Static {
        return Some("is for pods of the API server; a static pod gets a claim of its own: take out the annotation".to_owned());
    }
    if claim.deleting {
        return Some("is being deleted; create another one".to_owned());
    }
    let class = pod.asks.first().map(|ask| &ask.class)?;
    (*class != claim.class).then(|| {
        format!(
            "is of class {}, and the pod asks for {class}; make both the same",
            claim.class
        )
    })
}
