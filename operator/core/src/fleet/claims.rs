//! Claims: what each needs next.

use api::{ClaimStatus, Time, time::SECOND};

use super::{Fleet, give::reference, queue::Priority, work::Sent};
use crate::{
    claim::Claim,
    cluster::Key,
    decision::{Act, Decision, decide},
    goal::Goal,
    order::{Effect, Object, Order, Read, StatusWrite, Target, Topic},
    reason::{Reason, Tone},
    seen::{Seen, Sends},
    status::after,
    step::{Step, incarnation},
    weight::{Weight, weight},
};

/// A status whose reason changed is written when that lasts: soon where somebody may have to act, later where it is progress;
/// one whose words changed, later still.
const REASON_LASTS: i64 = 3 * SECOND / 2;
const PROGRESS_LASTS: i64 = 5 * SECOND;
const WORDS_LAST: i64 = 30 * SECOND;

impl Fleet {
    pub(super) fn consider_claim(&mut self, key: &Key, now: Time, orders: &mut Vec<Order>) {
        let target = Target::Claim(key.clone());
        let (Some(claim), Some(cluster)) = (
            self.watched.shared_claim(key),
            self.watched.cluster(self.settings.cluster_id.as_ref()),
        ) else {
            return;
        };
        let goal = self.goal(&claim, now);
        let seen = self.seen(&claim, &goal, cluster, now);
        let mut decision = decide(&claim, &seen, &goal, now);
        self.index
            .depend(&target, self.rests_on(&claim, &goal, &seen));
        self.work.polls.set(key, &claim.uid, decision.poll.clone());
        if let Some(wake) = decision.wake {
            self.work.agenda.at(target.clone(), wake);
        }
        self.wait_for_instance(&claim, &goal, &decision.step, now);
        self.wait_for_subnet(&claim, &seen, now);
        self.wait_for_class(&claim, &seen, now);
        self.wait_for_room(&target, &goal, now);
        self.note_stuck(&claim, &decision.step, now);
        self.note_turn(&claim, &goal, &seen, now);
        if decision.note.reason == Reason::DetachStuck {
            self.mark_nodes_of(&claim);
        }
        let mut differs = weight(&claim.status, &decision.status);
        self.queue(&claim, differs, decision.act.as_ref());
        // Who waits for other groups has an interface.
        let is_queued = !matches!(decision.step, Step::SetGroups(_));
        if let Some(note) = self.queue_note(&target, now).filter(|_| is_queued) {
            decision.status = after(&claim, &seen, &decision.step, &note, None, now);
            decision.note = note;
            differs = weight(&claim.status, &decision.status);
        }
        self.tell_claim(&claim, &decision.note, now, orders);
        if let Some(alert) = &decision.alert {
            self.tell_claim(&claim, alert, now, orders);
        }
        if differs == Weight::Facts {
            self.write_status(&claim, decision.status, now, orders);
        } else {
            self.act(&claim, differs, decision, now, orders);
        }
    }

    /// An effect waits for its turn once the status stands that it rests on.
    fn queue(&mut self, claim: &Claim, differs: Weight, act: Option<&Act>) {
        let target = Target::Claim(claim.key.clone());
        match act {
            Some(Act::Effect(effect)) if differs != Weight::Facts => {
                let priority = priority(&claim.status, effect);
                self.work.queues.enter(&target, effect.clone(), priority);
            }
            _ => self.work.queues.leave(&target),
        }
    }

    fn write_status(
        &mut self,
        claim: &Claim,
        status: api::ClaimStatus,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        let froze = status
            .creation
            .as_ref()
            .map(|c| c.incarnation)
            .filter(|n| *n > incarnation(claim));
        self.expect_groups(claim, &status);
        let write = Object::Status(StatusWrite {
            claim: reference(claim),
            status: Box::new(status),
        });
        if self.write(write, now, orders)
            && let Some(incarnation) = froze
        {
            // Frozen by this very process: nobody has sent it.
            let sent = Sent {
                incarnation,
                sends: Sends::None,
                at: now,
            };
            self.work.sends.insert(claim.key.clone(), sent);
        }
        self.work.prose.forget(&claim.key);
    }

    fn act(
        &mut self,
        claim: &Claim,
        weight: Weight,
        decision: Decision,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        match decision.act {
            Some(Act::AddFinalizer) => {
                self.write(Object::AddFinalizer(reference(claim)), now, orders);
            }
            Some(Act::RemoveFinalizer) => {
                self.write(Object::RemoveFinalizer(reference(claim)), now, orders);
            }
            Some(Act::DeleteClaim) => {
                self.write(Object::DeleteClaim(reference(claim)), now, orders);
            }
            Some(Act::ReadPod) => self.read_pod(claim, now, orders),
            Some(Act::Effect(_)) | None => {
                let tone = decision.alert.as_ref().unwrap_or(&decision.note).reason;
                let lasts = match (weight, Tone::of(tone)) {
                    (Weight::Words, _) => WORDS_LAST,
                    (_, Tone::Silent) => PROGRESS_LASTS,
                    (_, Tone::Normal | Tone::Warning) => REASON_LASTS,
                };
                self.write_prose(claim, weight, decision.status, lasts, now, orders);
            }
        }
    }

    /// Prose is written once it has lasted, and never so much of it that it stands in anybody's way.
    fn write_prose(
        &mut self,
        claim: &Claim,
        weight: Weight,
        status: api::ClaimStatus,
        lasts: i64,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        if weight == Weight::Same {
            self.work.prose.forget(&claim.key);
            return;
        }
        let due = self.work.prose.due(&claim.key, lasts, now);
        if due <= now {
            return self.write_status(claim, status, now, orders);
        }
        self.work.agenda.at(Target::Claim(claim.key.clone()), due);
    }

    fn read_pod(&mut self, claim: &Claim, now: Time, orders: &mut Vec<Order>) {
        let (Some(pod), Some(user)) = (claim.pod_key(), claim.user()) else {
            return;
        };
        let target = Target::PodRead(pod.clone());
        let resting = self
            .work
            .rests
            .get(&target)
            .map(|(_, until)| *until)
            .filter(|until| *until > now);
        if self.work.busy.contains_key(&target) || resting.is_some() {
            let again = resting.unwrap_or_else(|| now.after(SECOND));
            return self.work.agenda.at(Target::Claim(claim.key.clone()), again);
        }
        self.work.pods_asked.insert(pod.clone(), user.uid);
        self.ask(Read::Pod(pod), now, orders);
        // Should the read fail, it is asked again.
        self.work
            .agenda
            .at(Target::Claim(claim.key.clone()), now.after(15 * SECOND));
    }

    /// Whose ENI vanished looks again once its instance was read.
    fn wait_for_instance(&mut self, claim: &Claim, goal: &Goal, step: &Step, now: Time) {
        if let (Goal::On(site), Step::Blocked(note)) = (goal, step)
            && note.reason == Reason::EniLost
            && self.may_have_ended(claim, site, now)
        {
            self.read_soon(&site.instance);
            let target = Target::Claim(claim.key.clone());
            self.work.agenda.at(target, now.after(SECOND));
        }
    }

    /// Who waits for a free address looks again when a subnet may have one.
    fn wait_for_subnet(&mut self, claim: &Claim, seen: &Seen, now: Time) {
        let waits = seen
            .shape
            .as_ref()
            .is_err_and(|note| note.reason == Reason::SubnetFull);
        if !waits {
            return;
        }
        let resolved = self.watched.resolved.get(&claim.class);
        let subnets = resolved.into_iter().flat_map(|r| &r.subnets);
        let records: Vec<_> = subnets
            .filter_map(|id| self.cloud.subnets.get(id))
            .collect();
        let read = records.iter().map(|record| record.read).min();
        let blocks = records
            .iter()
            .flat_map(|record| [record.block, record.prefix_block])
            .flatten();
        let until = blocks
            .map(|block| block.until)
            .filter(|until| *until > now)
            .min();
        // An old count may be wrong by all that has been deleted since.
        let due = read.map_or(now, |read| read.after(crate::subnet::AGAIN));
        self.read_by(Topic::Subnets, due.max(now));
        let again = until.unwrap_or_else(|| now.after(crate::subnet::AGAIN));
        self.work.agenda.at(Target::Claim(claim.key.clone()), again);
    }

    /// Who waits for what its class lacks in EC2 has that looked up sooner.
    fn wait_for_class(&mut self, claim: &Claim, seen: &Seen, now: Time) {
        if claim.status.eni.is_none() && seen.shape.is_err() {
            self.look_up_soon(&claim.class, now);
        }
    }

    /// Who waits for an instance that EC2 says is full looks again when it is tried again.
    fn wait_for_room(&mut self, target: &Target, goal: &Goal, now: Time) {
        if let Goal::On(site) = goal
            && let Some(until) = self.cloud.tried_again(&site.instance, now)
        {
            self.work.agenda.at(target.clone(), until);
        }
    }

    /// A slot where an Attach got stuck is not taken again soon.
    fn note_stuck(&mut self, claim: &Claim, step: &Step, now: Time) {
        if let (Step::Release(note), Some(attachment)) = (step, &claim.status.attachment)
            && note.reason == Reason::AttachStuck
        {
            self.work.avoided.retain(|_, until| *until > now);
            self.mark_nodes_of(claim);
            self.work.avoided.insert(
                (attachment.instance_id.clone(), attachment.slot),
                now.after(super::refusal::AVOIDED),
            );
        }
    }
}

/// No pod waits for an ENI that is made before any uses it, and none for other groups.
fn priority(status: &ClaimStatus, effect: &Effect) -> Priority {
    match effect {
        Effect::SetSecurityGroups { .. } => Priority::Groups,
        Effect::Create(_) if status.binding.is_none() => Priority::Idle,
        _ => Priority::Claim,
    }
}
