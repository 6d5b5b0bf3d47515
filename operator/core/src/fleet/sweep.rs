//! ENIs of ours that no claim owns: what a crash between any two steps can leave.
//!
//! One is deleted only if it is available, carries our cluster's tags, is older than ten minutes by its tag, and has been seen so
//! twice, five minutes apart, while the watch of claims was complete. At most 25 a listing; where more than a twentieth of our
//! ENIs (and more than five) would go at once, something else is wrong and nothing is deleted. One that outlives its pods is only
//! reported where its claim is lost: a claim that lives has one ENI, and any other one with its tag goes.

use api::{
    Time,
    id::{EniId, Namespace},
    time::MINUTE,
};

use super::{Fleet, queue::Priority};
use crate::{
    cluster::Key,
    ec2::EniView,
    fleet::SweepMode,
    order::{About, Effect, Event, Order, Target},
    reason::{Note, Reason},
    seen::EniSeen,
};

const SEEN_APART: i64 = 5 * MINUTE;
const OLDER_THAN: i64 = 10 * MINUTE;
const AT_ONCE: usize = 25;
const FEW: usize = 5;
const SHARE: usize = 20;

impl Fleet {
    /// Notes whether a claim owns an ENI that a listing shows.
    pub(super) fn note_owner(&mut self, view: &EniView, now: Time) {
        if self.is_owned(view) {
            self.cloud.unowned.remove(&view.id);
        } else {
            self.cloud.unowned.entry(view.id.clone()).or_insert(now);
        }
    }

    /// A claim owns it that names it, or that has not written down yet what its request made.
    fn is_owned(&self, view: &EniView) -> bool {
        if self.index.owner.contains_key(&view.id) {
            return true;
        }
        let claim = view.tags.claim.as_ref();
        let claim = claim.and_then(|uid| self.index.by_uid.get(uid));
        claim
            .and_then(|key| self.watched.claim(key))
            .is_some_and(|claim| claim.status.eni.is_none())
    }

    /// After a complete listing: marks the orphans that may go.
    pub(super) fn sweep(&mut self, now: Time) {
        if self.settings.sweep == SweepMode::Off || self.work.until(now).is_none() {
            return;
        }
        // What a claim that cannot be read owns is not known.
        if !self.watched.unreadable.is_empty() {
            return;
        }
        let due: Vec<EniId> = self
            .cloud
            .unowned
            .keys()
            .filter(|id| self.is_orphan(id, now))
            .cloned()
            .collect();
        let (kept, due): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|id| self.has_lost_its_claim(id));
        for eni in kept {
            self.work.agenda.mark(Target::Orphan(eni));
        }
        if due.len() > FEW && due.len() * SHARE > self.cloud.enis.len() {
            let first = due.first().map_or_else(String::new, ToString::to_string);
            return self.tell_sweep(
                Note::new(
                    Reason::SweepStopped,
                    format!(
                        "{} of {} ENIs belong to no claim, {first} among them; so many at once are not deleted: check that no claims were lost, or delete them in EC2",
                        due.len(),
                        self.cloud.enis.len()
                    ),
                ),
                now,
            );
        }
        for eni in due.into_iter().take(AT_ONCE) {
            self.work.agenda.mark(Target::Orphan(eni));
        }
    }

    fn is_orphan(&self, id: &EniId, now: Time) -> bool {
        let seen_for = self.cloud.unowned.get(id).map(|since| now.since(*since));
        let (Some(seen_for), EniSeen::Shown(view, _)) = (seen_for, self.cloud.eni(id)) else {
            return false;
        };
        let cluster = self.watched.cluster(self.settings.cluster_id.as_ref());
        let tags = &view.tags;
        let is_ours = cluster.is_some_and(|c| {
            tags.cluster.as_ref() == Some(&c.id) && tags.cluster_uid.as_ref() == Some(&c.uid)
        });
        let age = tags.created_at.map(|at| now.since(at));
        seen_for >= SEEN_APART
            && is_ours
            && view.available
            && age.is_some_and(|age| age >= OLDER_THAN)
            && !self.is_owned(&view)
    }

    /// Whether it outlives its pods, and the claim with its tag is gone.
    fn has_lost_its_claim(&self, id: &EniId) -> bool {
        let seen = self.cloud.eni(id);
        let tags = seen.view().map(|view| &view.tags);
        tags.is_some_and(|tags| {
            let claim = tags.claim.as_ref();
            tags.kept && claim.is_none_or(|uid| !self.index.by_uid.contains_key(uid))
        })
    }

    pub(super) fn consider_orphan(&mut self, id: &EniId, now: Time, orders: &mut Vec<Order>) {
        let target = Target::Orphan(id.clone());
        self.work.queues.leave(&target);
        if !self.is_orphan(id, now) {
            return self.work.told.forget(&target);
        }
        let EniSeen::Shown(view, _) = self.cloud.eni(id) else {
            return;
        };
        let name = view.tags.claim_name.clone().unwrap_or_default();
        let is_kept = self.has_lost_its_claim(id);
        let (reason, what) = match self.settings.sweep {
            SweepMode::Off => return,
            SweepMode::DryRun | SweepMode::On if is_kept => (
                Reason::ClaimLost,
                "stays, since it outlives its pods; delete it in EC2 when nobody needs its addresses",
            ),
            SweepMode::DryRun => (Reason::WouldSweep, "would be deleted"),
            SweepMode::On => (Reason::Swept, "is deleted"),
        };
        let backoff = self.work.backoffs.get(&target);
        if let Some(backoff) = backoff.filter(|b| b.until > now) {
            return self.work.agenda.at(target, backoff.until);
        }
        if self.work.told.at(&target, reason).is_none() {
            self.work.told.say(target.clone(), reason, now);
            let note = Note::new(
                reason,
                format!("{id}, made for claim {name}, belongs to no claim any more and {what}"),
            );
            let about = self.about_orphan(&view);
            Self::publish(Event { about, note }, orders);
        }
        if self.settings.sweep == SweepMode::On && !is_kept {
            let effect = Effect::Delete { eni: id.clone() };
            self.work.queues.enter(&target, effect, Priority::Idle);
        }
    }

    /// The claim that the ENI was made for, where its namespace is still there; else the namespace kube-system has the Event.
    fn about_orphan(&self, view: &EniView) -> About {
        let name = view.tags.claim_name.as_deref().unwrap_or_default();
        let (namespace, name) = name.split_once('/').unwrap_or(("kube-system", name));
        let known = self
            .watched
            .namespaces
            .contains_key(&Namespace::from(namespace));
        let namespace = if known { namespace } else { "kube-system" };
        let uid = view.tags.claim.clone().unwrap_or_default();
        About::Claim(Key::new(namespace, name), uid)
    }

    fn tell_sweep(&mut self, note: Note, now: Time) {
        let target = Target::Read(crate::order::Topic::Listing);
        let told = self.work.told.at(&target, note.reason);
        let Some(cluster) = self.watched.cluster(self.settings.cluster_id.as_ref()) else {
            return;
        };
        if told.is_some_and(|at| now.since(at) < 10 * MINUTE) {
            return;
        }
        self.work.told.say(target, note.reason, now);
        let about = About::Cluster(cluster.uid);
        self.work.events.push(Event { about, note });
    }
}
