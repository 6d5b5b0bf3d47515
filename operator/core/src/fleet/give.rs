//! Giving orders: each is remembered as under way, with what it promises.

use api::{Time, time::SECOND};

use super::{
    Fleet,
    work::{Busy, ReadInFlight, Sent},
};
use crate::{
    claim::Claim,
    cluster::Key,
    order::{ClaimRef, Ec2Order, Effect, Event, Object, Order, Read, StatusWrite, Target, Write},
    seen::Sends,
};

/// Where many wait for the same refusal to end, one tries; the others wait this long for its answer.
const TRIAL: i64 = 10 * SECOND;

impl Fleet {
    /// Writes to Kubernetes; false: too many are on their way, and the target is looked at again.
    pub(super) fn write(&mut self, object: Object, now: Time, orders: &mut Vec<Order>) -> bool {
        let target = object.target();
        let Some(not_after) = self.work.until(now) else {
            return false;
        };
        if !self.work.may_write(&target) {
            return false;
        }
        let mut busy = Busy::default();
        match &object {
            Object::Status(StatusWrite { claim, status }) => {
                busy.claim = Some(claim.uid.clone());
                busy.version = Some(claim.version.clone());
                busy.status = Some(status.clone());
                self.promise(&claim.key, status, now);
            }
            Object::AddFinalizer(claim)
            | Object::RemoveFinalizer(claim)
            | Object::DeleteClaim(claim) => {
                busy.claim = Some(claim.uid.clone());
                busy.version = Some(claim.version.clone());
            }
            Object::Marks(write) => busy.version = Some(write.version.clone()),
            Object::NewClaim(_)
            | Object::NewReport { .. }
            | Object::Report { .. }
            | Object::Class { .. }
            | Object::Node { .. } => {}
        }
        self.work.begin_write(target, busy);
        orders.push(Order::Write(Write { object, not_after }));
        true
    }

    /// From now on the status that is being written counts for places.
    fn promise(&mut self, key: &Key, status: &api::ClaimStatus, now: Time) {
        let Some(claim) = self.watched.shared_claim(key) else {
            return;
        };
        let before = claim.status.creation.as_ref().map(|c| c.incarnation);
        if let Some(creation) = &status.creation
            && before != Some(creation.incarnation)
            && let Some(record) = self.cloud.subnets.get_mut(&creation.request.subnet_id)
        {
            let counts = creation.request.counts;
            record.promised += counts.ipv4_addresses();
            if let Some(block) = record.block_of(counts).as_mut() {
                // This claim tries whether there are addresses again; the others wait for its answer.
                block.until = block.until.max(now.after(TRIAL));
            }
        }
        self.index.remove_status(&claim, self.work.intended(&claim));
        self.index.add_status(&claim, status);
    }

    /// Gives the effects whose turn it is, as far as the budget goes.
    pub(super) fn dispatch(&mut self, now: Time, orders: &mut Vec<Order>) {
        for action in self.work.queues.actions() {
            while self.work.call_at(action, now).is_none() {
                let (agenda, busy) = (&self.work.agenda, &self.work.busy);
                let is_ready = |t: &Target| !agenda.is_marked(t) && !busy.contains_key(t);
                let Some((target, effect)) = self.work.queues.take(action, is_ready) else {
                    break;
                };
                if self.work.budget.take(action, now) {
                    self.change(target, effect, now, orders);
                }
            }
        }
    }

    fn change(&mut self, target: Target, effect: Effect, now: Time, orders: &mut Vec<Order>) {
        let Some(not_after) = self.work.until(now) else {
            return;
        };
        let mut uid = None;
        if let Target::Claim(key) = &target
            && let Some(claim) = self.watched.claim(key)
        {
            uid = Some(claim.uid.clone());
            if let Effect::Create(creation) = &effect {
                self.cloud.restart_search(&claim.uid);
                self.sending(key, creation.incarnation, now);
            }
        }
        if let Some((_, until)) = self.work.paused.get_mut(&effect.action()) {
            // This one tries whether the action is allowed again; the others wait for its answer.
            *until = (*until).max(now.after(TRIAL));
        }
        self.work.begin_call(target.clone(), uid, effect.clone());
        orders.push(Order::Ec2(Ec2Order {
            target,
            effect,
            not_after,
        }));
    }

    /// A request is being sent: until it is answered nobody knows what it made.
    fn sending(&mut self, key: &Key, incarnation: u32, now: Time) {
        let known = self.sends(key, incarnation);
        let sends = match known {
            Sends::None | Sends::Refused => Sends::Refused,
            Sends::Inconclusive => Sends::Inconclusive,
        };
        let sent = Sent {
            incarnation,
            sends,
            at: now,
        };
        self.work.sends.insert(key.clone(), sent);
    }

    /// What is known of the sends of a claim's present request; what this process has not seen itself is inconclusive.
    pub(super) fn sends(&self, key: &Key, incarnation: u32) -> Sends {
        match self.work.sends.get(key) {
            Some(sent) if sent.incarnation == incarnation => sent.sends,
            Some(_) | None => Sends::Inconclusive,
        }
    }

    pub(super) fn ask(&mut self, read: Read, now: Time, orders: &mut Vec<Order>) {
        let target = read.target();
        match &target {
            Target::Read(topic) => {
                // Orders of EC2 that are under way change what this read shows.
                let orders = self.work.busy.values();
                let touched = orders.filter_map(|busy| busy.effect.as_ref()?.eni().cloned());
                let read = ReadInFlight {
                    read: read.clone(),
                    began: now,
                    touched: touched.collect(),
                    shown: 0,
                };
                self.work.reads.insert(*topic, read);
            }
            Target::PodRead(_) => {
                self.work.busy.insert(target, Busy::default());
            }
            Target::Claim(_)
            | Target::Orphan(_)
            | Target::Pod(_)
            | Target::Marks(_)
            | Target::Node(_)
            | Target::Report(_)
            | Target::Class(_) => {}
        }
        orders.push(Order::Read(read));
    }

    pub(super) fn publish(event: Event, orders: &mut Vec<Order>) {
        orders.push(Order::Publish(event));
    }
}

/// A claim at the version that something is decided on.
pub(super) fn reference(claim: &Claim) -> ClaimRef {
    ClaimRef {
        key: claim.key.clone(),
        uid: claim.uid.clone(),
        version: claim.version.clone(),
    }
}
