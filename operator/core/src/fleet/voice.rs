//! What people are told: who waits and for what, said when it begins, when it changes, and now and then while it lasts.

use super::Fleet;
use crate::{
    claim::{Claim, ConditionKind},
    cluster::Pod,
    order::{Order, Target, Tell},
    reason::{Note, Reason, Tone},
    time::{MINUTE, SECOND, Time},
};

/// Kubernetes forgets Events after an hour; a pod that waits longer must still say why.
const AGAIN: i64 = 10 * MINUTE;
/// A pod may be without a node for this long before it is worth a word.
const SCHEDULING: i64 = 5 * SECOND;

impl Fleet {
    /// Says what the claim waits for, on the claim and its pod.
    pub(super) fn voice_claim(&mut self, claim: &Claim, now: Time, orders: &mut Vec<Order>) {
        let target = Target::Claim(claim.key.clone());
        let ready = claim
            .status
            .condition(ConditionKind::Ready)
            .filter(|c| !c.holds);
        let note = ready
            .map(|c| Note::new(c.reason, c.message.clone()))
            .filter(|note| note.reason.tone() != Tone::Step);
        let Some(note) = note else {
            self.told.remove(&target);
            return;
        };
        if let (Reason::NotScheduled | Reason::Reading, Some(pod)) =
            (note.reason, self.pod_of(claim))
        {
            let patient = pod.created.after(SCHEDULING);
            if patient > now {
                return self.agenda.at(target, patient);
            }
        }
        let tell = self.tell(claim, note);
        self.speak(target, tell, now, orders);
    }

    /// Says why a pod gets no claim.
    pub(super) fn voice_pod(&mut self, pod: &Pod, note: Note, now: Time, orders: &mut Vec<Order>) {
        let tell = Tell {
            claim: None,
            pod: Some((pod.key.clone(), pod.uid.clone())),
            note,
        };
        self.speak(Target::Pod(pod.key.clone()), tell, now, orders);
    }

    fn speak(&mut self, target: Target, tell: Tell, now: Time, orders: &mut Vec<Order>) {
        if let Some((said, at)) = self.told.get(&target)
            && *said == tell.note
            && now.since(*at) < AGAIN
        {
            return self.agenda.at(target, at.after(AGAIN));
        }
        self.told.insert(target.clone(), (tell.note.clone(), now));
        self.agenda.at(target, now.after(AGAIN));
        orders.push(Order::Tell(tell));
    }
}
