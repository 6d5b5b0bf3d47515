//! Claims as the watch and our own writes show them.

use std::{collections::BTreeSet, sync::Arc};

use api::{Time, id::ClaimUid};

use super::{
    Fleet,
    index::{Dependency, instances},
    watched::{HeldClaim, List, Source},
};
use crate::{
    claim::{Claim, Owner},
    cluster::Key,
    fact::Change,
    leases, marks,
    order::{Event, Target, Topic},
};

impl Fleet {
    pub(super) fn learn_claims(&mut self, change: Change<(Key, ClaimUid), Arc<Claim>>, now: Time) {
        match change {
            Change::All(claims) => {
                // Unreadable ones are reported just before their list: what is known of them stays.
                self.watched.unreadable = std::mem::take(&mut self.watched.unreadable_since);
                let readable = claims.iter().map(|claim| &claim.key);
                let stay: BTreeSet<&Key> = readable.chain(&self.watched.unreadable).collect();
                let gone: Vec<Key> = self
                    .watched
                    .claims
                    .keys()
                    .filter(|key| !stay.contains(key))
                    .cloned()
                    .collect();
                for key in gone {
                    self.forget_claim(&key);
                }
                // A list wins over everything: after a restore from a backup its versions may be lower.
                for claim in claims {
                    self.note_reserved(&claim, now);
                    self.hold_claim(claim, Source::Stream);
                }
                self.complete(List::Claims, true);
            }
            Change::Set(claim) => {
                self.readable(&claim.key);
                let overtaken = self.watched.claims.get(&claim.key).is_some_and(|held| {
                    held.source == Source::OwnWrite
                        && held.claim.version.is_newer_than(&claim.version)
                });
                if !overtaken {
                    self.note_reserved(&claim, now);
                    self.hold_claim(*claim, Source::Stream);
                }
            }
            Change::Gone((key, uid)) => {
                self.readable(&key);
                if self.watched.claim(&key).is_some_and(|c| c.uid == uid) {
                    self.forget_claim(&key);
                }
            }
        }
    }

    fn readable(&mut self, key: &Key) {
        self.watched.unreadable.remove(key);
        self.watched.unreadable_since.remove(key);
    }

    /// The answer to a write of ours.
    pub(super) fn learn_written(&mut self, claim: Claim) {
        let held = self.watched.claim(&claim.key);
        let is_late = held.is_some_and(|held| held.version.is_newer_than(&claim.version));
        if is_late {
            return;
        }
        if claim.deleting && !claim.finalizer {
            if held.is_some_and(|held| held.uid == claim.uid) {
                self.forget_claim(&claim.key);
            }
            return;
        }
        self.hold_claim(Arc::new(claim), Source::OwnWrite);
    }

    fn hold_claim(&mut self, claim: Arc<Claim>, source: Source) {
        let key = claim.key.clone();
        if let Some(held) = self.watched.claims.get_mut(&key) {
            if held.claim == claim {
                held.source = source;
                return;
            }
            if held.claim.uid != claim.uid {
                self.forget_claim(&key);
            }
        }
        let before = self.watched.shared_claim(&key);
        if let Some(before) = &before {
            self.index.remove_status(before, self.work.intended(before));
            self.index.remove_claim(before);
        }
        self.index.add_claim(&claim);
        let former = before.as_ref().and_then(|before| before.user());
        if let Some(former) = former.filter(|former| claim.user().as_ref() != Some(former)) {
            self.forget_proof(&former);
        }
        self.index.add_status(&claim, self.work.intended(&claim));
        self.work.rollouts.moved(&claim.class);
        self.after_change(before.as_deref(), &claim);
        self.work.rests.remove(&Target::Claim(key.clone()));
        self.work.agenda.mark(Target::Claim(key.clone()));
        self.watched.claims.insert(key, HeldClaim { claim, source });
    }

    /// Another process that has reserved a slot may be attaching there.
    fn note_reserved(&mut self, claim: &Claim, now: Time) {
        let attachment = &claim.status.attachment;
        let held = self.watched.claim(&claim.key);
        let is_news = held.is_none_or(|held| held.status.attachment != *attachment);
        let busy = self.work.busy.get(&Target::Claim(claim.key.clone()));
        let ours = busy.and_then(|busy| busy.status.as_deref());
        let is_ours = ours.is_some_and(|status| status.attachment == *attachment);
        let is_reserved = attachment.as_ref().is_some_and(|a| a.id.is_none());
        if is_reserved && is_news && !is_ours {
            self.work.given_up.insert(claim.key.clone(), now);
        }
    }

    /// What else a changed claim concerns: reports, reads, and those who wait for its slot.
    fn after_change(&mut self, before: Option<&Claim>, claim: &Claim) {
        let places = |claim: &Claim| {
            let attachment = claim.status.attachment.as_ref();
            let attached = attachment.map(|a| (a.instance_id.clone(), a.slot, a.release));
            let bound = claim.status.binding.as_ref().map(|b| b.instance_id.clone());
            (attached, bound, claim.deleting)
        };
        if before.map(places) != Some(places(claim)) {
            for claim in before.into_iter().chain([claim]) {
                self.mark_places(claim);
            }
        }
        let told = before.and_then(|before| leases::note(before, claim));
        if let Some(note) = told {
            let about = self.about(claim);
            self.work.events.push(Event { about, note });
        }
        if let Some(eni) = &claim.status.eni
            && !self.cloud.subnets.contains_key(&eni.subnet_id)
        {
            self.read_now(Topic::Subnets);
        }
        if let Some(attachment) = &claim.status.attachment {
            self.want_instance(&attachment.instance_id);
        }
        let use_of = |claim: &Claim| (claim.user(), claim.deleting);
        if before.map(use_of) != Some(use_of(claim)) {
            self.wake_up(&Dependency::Claim(claim.key.clone()));
        }
        if let Some(pod) = claim.pod_key() {
            if before.is_none() {
                self.work.agenda.mark(Target::Pod(pod.clone()));
            }
            if before.is_none_or(|before| !marks::look_the_same(before, claim)) {
                self.work.agenda.mark(Target::Marks(pod));
            }
        }
    }

    /// Nodes whose slots a claim has or had, and whoever waits for one there.
    pub(super) fn mark_places(&mut self, claim: &Claim) {
        self.mark_nodes_of(claim);
        for instance in instances(&claim.status) {
            self.wake_up(&Dependency::Slot(instance));
        }
    }

    /// Nodes whose slots a claim has or had: what is published of them may change.
    pub(super) fn mark_nodes_of(&mut self, claim: &Claim) {
        for instance in instances(&claim.status) {
            if let Some(node) = self.index.node_of.get(&instance).cloned() {
                self.mark_node(&node);
            }
        }
    }

    /// Whether a pod has ended matters to the claims that it uses alone.
    fn forget_proof(&mut self, user: &Owner) {
        if !self.index.of_pod.contains_key(&user.uid) {
            self.watched.proofs.remove(&user.uid);
        }
    }

    pub(super) fn forget_claim(&mut self, key: &Key) {
        let Some(claim) = self.watched.shared_claim(key) else {
            return;
        };
        self.index.remove_status(&claim, self.work.intended(&claim));
        self.index.remove_claim(&claim);
        self.work.rollouts.forget(&claim);
        self.watched.claims.remove(key);
        let target = Target::Claim(key.clone());
        self.work.forget(&target);
        self.index.depend(&target, BTreeSet::new());
        self.work.polls.set(key, &claim.uid, None);
        self.work.sends.remove(key);
        self.work.detached.remove(key);
        self.work.given_up.remove(key);
        self.work.prose.forget(key);
        self.cloud.restart_search(&claim.uid);
        if let Some(user) = claim.user() {
            self.forget_proof(&user);
        }
        if let Some(eni) = &claim.status.eni
            && self.cloud.eni(&eni.id).view().is_none()
        {
            self.cloud.forget(&eni.id);
        }
        self.outdate(&claim);
        self.mark_places(&claim);
        if let Some(pod) = claim.pod_key() {
            self.work.rests.remove(&Target::PodRead(pod.clone()));
            self.work.agenda.mark(Target::Pod(pod.clone()));
            self.work.agenda.mark(Target::Marks(pod));
        }
        self.wake_up(&Dependency::Claim(key.clone()));
    }
}
