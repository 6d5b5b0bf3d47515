//! Events: who waits and for what, published when it begins, when its reason changes, and now and then while it lasts.

use api::{
    Time,
    time::{MINUTE, SECOND},
};

use super::Fleet;
use crate::{
    claim::Claim,
    cluster::Pod,
    fact::Unreadable,
    order::{About, Event, Order, Target},
    reason::{Note, Reason, Tone},
};

/// Kubernetes forgets Events after an hour; a pod that waits longer must still say why.
const AGAIN: i64 = 10 * MINUTE;
/// Waiting this long for a turn is worth a sentence.
const QUEUED: i64 = 3 * SECOND;

impl Fleet {
    /// Publishes what the claim waits for, on its pod while that is there, else on the claim.
    pub(super) fn tell_claim(
        &mut self,
        claim: &Claim,
        note: &Note,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        let target = Target::Claim(claim.key.clone());
        let about = self.about(claim);
        let after = match note.reason {
            // Most pods are scheduled in a second, and most slots become free in two.
            Reason::NotScheduled => self.pod_of(claim).map(|pod| pod.created.after(5 * SECOND)),
            _ => None,
        };
        if let Some(after) = after.filter(|after| *after > now) {
            return self.work.agenda.at(target, after);
        }
        // What is well was told by the process that wrote it into the claim; who waits is told again after a restart.
        let is_well = matches!(
            note.reason,
            Reason::InUse | Reason::Available | Reason::WaitingForPod
        );
        let is_told = is_well
            && self.work.told.is_silent(&target)
            && claim
                .status
                .condition(api::condition::kind::READY)
                .is_some_and(|c| c.reason == note.reason.as_str());
        if is_told {
            self.work.told.say(target, note.reason, now);
            return;
        }
        let note = match (&about, &claim.interface) {
            // The pod's other interfaces say the same of themselves.
            (About::Pod(..), Some(name)) => {
                Note::new(note.reason, format!("interface {name}: {}", note.message))
            }
            _ => note.clone(),
        };
        self.tell(target, about, note, now, orders);
    }

    /// What an Event about a claim is published on: its pod, while that is there.
    pub(super) fn about(&self, claim: &Claim) -> About {
        match self.pod_of(claim) {
            Some(pod) => About::Pod(pod.key.clone(), pod.uid.clone()),
            None => About::Claim(claim.key.clone(), claim.uid.clone()),
        }
    }

    /// Publishes why a pod gets no claim.
    pub(super) fn tell_pod(&mut self, pod: &Pod, note: Note, now: Time, orders: &mut Vec<Order>) {
        let about = About::Pod(pod.key.clone(), pod.uid.clone());
        self.tell(Target::Pod(pod.key.clone()), about, note, now, orders);
    }

    pub(super) fn tell(
        &mut self,
        target: Target,
        about: About,
        note: Note,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        if Tone::of(note.reason) == Tone::Silent {
            return;
        }
        if let Some(at) = self.work.told.at(&target, note.reason) {
            // What is good is said once.
            if Tone::of(note.reason) == Tone::Warning {
                let again = at.after(AGAIN);
                if again > now {
                    return self.work.agenda.at(target, again);
                }
            } else {
                return;
            }
        }
        self.work.told.say(target.clone(), note.reason, now);
        if Tone::of(note.reason) == Tone::Warning {
            self.work.agenda.at(target, now.after(AGAIN));
        }
        Self::publish(Event { about, note }, orders);
    }

    /// The very pod that a claim is for, or of one that no pod uses, the next.
    pub(super) fn pod_of(&self, claim: &Claim) -> Option<&Pod> {
        let Some(user) = claim.user() else {
            return self.next_user(claim);
        };
        let pod = self.watched.pods.get(&claim.pod_key()?)?;
        (pod.uid == user.uid).then_some(pod)
    }

    /// The place in the queue, once waiting for it takes noticeably long.
    pub(super) fn queue_note(&self, target: &Target, now: Time) -> Option<Note> {
        let (action, place) = self.work.queues.place(target)?;
        let wait = self.work.budget.wait(action, place, now);
        (wait >= QUEUED).then(|| {
            let wait = wait / SECOND;
            Note::new(
                Reason::Queued,
                format!(
                    "waits for {action}: place {place} in the queue for EC2's request rate, about {wait} s"
                ),
            )
        })
    }

    /// A write that the API server refuses is told on the object, of a claim on its pod.
    pub(super) fn refused_write(&mut self, target: &Target, note: Note) {
        self.work.refused.push((target.clone(), note));
    }

    /// Events that came up while facts were learnt.
    pub(super) fn tell_refused(&mut self, now: Time, orders: &mut Vec<Order>) {
        for (target, note) in std::mem::take(&mut self.work.refused) {
            match &target {
                Target::Pod(key) | Target::Marks(key) => {
                    if let Some(pod) = self.watched.pods.get(key).cloned() {
                        self.tell_pod(&pod, note, now, orders);
                    }
                }
                Target::Claim(key) => {
                    if let Some(claim) = self.watched.shared_claim(key) {
                        self.tell_claim(&claim, &note, now, orders);
                    }
                }
                Target::Node(name) | Target::Report(name) => {
                    if let Some(node) = self.watched.nodes.get(name) {
                        let about = About::Node(name.clone(), node.uid.clone());
                        self.tell(target, about, note, now, orders);
                    }
                }
                Target::Class(name) => {
                    if let Some(class) = self.watched.classes.get(name) {
                        let about = About::Class(name.clone(), class.uid.to_string());
                        self.tell(target, about, note, now, orders);
                    }
                }
                // Nothing is written for these.
                Target::Orphan(_) | Target::PodRead(_) | Target::Read(_) => {}
            }
        }
        for event in std::mem::take(&mut self.work.events) {
            Self::publish(event, orders);
        }
    }

    /// An object that this version cannot read is told on the object.
    pub(super) fn learn_unreadable(&mut self, object: Unreadable) {
        let Unreadable { about, error } = object;
        if let About::Claim(key, _) = &about {
            self.watched.unreadable.insert(key.clone());
            self.watched.unreadable_since.insert(key.clone());
        }
        let message = format!(
            "this version of the operator cannot read the object and passes it over: {error}; correct it, or update the operator"
        );
        let event = Event {
            about,
            note: Note::new(Reason::Unreadable, message),
        };
        if !self.work.events.contains(&event) {
            self.work.events.push(event);
        }
    }
}
