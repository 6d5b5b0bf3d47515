//! Everything under way: orders, queues, budgets, back-offs, and what people have been told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use api::{
    ClaimStatus, Time,
    id::{ClaimUid, EniId, InstanceId, NodeName, PodUid, Slot},
    time::SECOND,
};

use super::{
    agenda::Agenda, marks::Marked, prose::Prose, queue::Queues, rollout::Rollouts, told::Told,
};
use crate::{
    budget::Budget,
    claim::Claim,
    cluster::{Key, Version},
    decision::Poll,
    error::Ec2Error,
    lease::Term,
    order::{Action, Effect, Event, Read, Target, Topic},
    reason::Note,
    seen::{Backoff, Sends},
};

/// Calls of one action that may be on their way at once: when EC2 hangs, no more pile up.
const IN_FLIGHT: u32 = 50;
/// Writes to Kubernetes that may be on their way at once.
const WRITES_IN_FLIGHT: u32 = 64;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Work {
    pub(super) term: Term,
    /// When this process last began to lead: what it did not see itself before, it does not know.
    pub(super) leads_since: Time,
    pub(super) agenda: Agenda,
    pub(super) busy: BTreeMap<Target, Busy>,
    pub(super) queues: Queues,
    pub(super) budget: Budget,
    /// Writes that differ in prose alone.
    pub(super) prose: Prose,
    /// Failed writes to Kubernetes: how many in a row, and until when to wait.
    pub(super) rests: BTreeMap<Target, (u32, Time)>,
    pub(super) backoffs: BTreeMap<Target, Backoff>,
    /// Actions that AWS denies: one claim at a time tries again.
    pub(super) paused: BTreeMap<Action, (u32, Time)>,
    /// The sends of each claim's present request, as far as this process made them.
    pub(super) sends: BTreeMap<Key, Sent>,
    /// When EC2 last took a Detach for a claim.
    pub(super) detached: BTreeMap<Key, Time>,
    /// When an Attach of a claim was last given up without an answer, by this process or by the one before it: calls arrive within a
    /// minute.
    pub(super) given_up: BTreeMap<Key, Time>,
    /// Slots where an Attach got stuck.
    pub(super) avoided: BTreeMap<(InstanceId, Slot), Time>,
    pub(super) rollouts: Rollouts,
    pub(super) told: Told,
    /// What was last written on each pod.
    pub(super) marked: BTreeMap<Key, Marked>,
    pub(super) reads: BTreeMap<Topic, ReadInFlight>,
    /// When a topic is to be read again.
    pub(super) read_at: BTreeMap<Topic, Time>,
    /// When each instance is read again.
    pub(super) instances_due: BTreeSet<(Time, InstanceId)>,
    instance_at: BTreeMap<InstanceId, Time>,
    pub(super) polls: Polls,
    /// Pods that are being read, with the UID that is asked about.
    pub(super) pods_asked: BTreeMap<Key, PodUid>,
    calls: BTreeMap<Action, u32>,
    writes: u32,
    waiting_to_write: VecDeque<Target>,
    /// When the report on a node began to differ only in what may wait.
    pub(super) report_since: BTreeMap<NodeName, Time>,
    /// EC2 could not be read: how often in a row, by which action, and its last answer.
    pub(super) trouble: BTreeMap<Topic, (u32, Action, Ec2Error)>,
    /// Writes that the API server refused, to be told.
    pub(super) refused: Vec<(Target, Note)>,
    /// Events that came up while facts were learnt.
    pub(super) events: Vec<Event>,
}

/// An order under way. What it promises counts from now on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Busy {
    pub(super) claim: Option<ClaimUid>,
    /// The version of the claim that a write rests on.
    pub(super) version: Option<Version>,
    pub(super) status: Option<Box<ClaimStatus>>,
    pub(super) effect: Option<Effect>,
    is_write: bool,
}

/// What this process knows of the sends of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) incarnation: u32,
    pub(super) sends: Sends,
    /// When the last one was given or answered.
    pub(super) at: Time,
}

/// A read under way. What is changed meanwhile it says nothing about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ReadInFlight {
    pub(super) read: Read,
    pub(super) began: Time,
    pub(super) touched: BTreeSet<EniId>,
    /// How many ENIs its pages have shown.
    pub(super) shown: usize,
}

/// When an ENI was last read: what is unread for longest comes first.
type LastRead = (Time, EniId);

/// Who waits to see what in EC2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Polls {
    /// What each claim waits for.
    pub(super) of: BTreeMap<Key, Poll>,
    /// ENIs to be read, longest unread first.
    pub(super) fast: BTreeSet<LastRead>,
    pub(super) slow: BTreeSet<LastRead>,
    pub(super) by_id: BTreeSet<LastRead>,
    pub(super) tagged: BTreeMap<ClaimUid, Key>,
    pub(super) read: BTreeMap<EniId, Time>,
}

impl Work {
    pub(super) fn new(share: u32) -> Self {
        let start = Time(0);
        Self {
            term: Term::Standby,
            leads_since: start,
            agenda: Agenda::default(),
            busy: BTreeMap::new(),
            queues: Queues::default(),
            budget: Budget::new(share, start),
            prose: Prose::default(),
            rests: BTreeMap::new(),
            backoffs: BTreeMap::new(),
            paused: BTreeMap::new(),
            sends: BTreeMap::new(),
            detached: BTreeMap::new(),
            given_up: BTreeMap::new(),
            avoided: BTreeMap::new(),
            rollouts: Rollouts::default(),
            told: Told::default(),
            marked: BTreeMap::new(),
            reads: BTreeMap::new(),
            read_at: BTreeMap::new(),
            instances_due: BTreeSet::new(),
            instance_at: BTreeMap::new(),
            polls: Polls::default(),
            pods_asked: BTreeMap::new(),
            calls: BTreeMap::new(),
            writes: 0,
            waiting_to_write: VecDeque::new(),
            report_since: BTreeMap::new(),
            trouble: BTreeMap::new(),
            refused: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The end of the present term, while this process leads.
    pub(super) fn until(&self, now: Time) -> Option<Time> {
        match self.term {
            Term::Leader { until } if until > now => Some(until),
            Term::Leader { .. } | Term::Standby => None,
        }
    }

    /// The claim's status as it is, or as it is being written.
    pub(super) fn intended<'a>(&'a self, claim: &'a Claim) -> &'a ClaimStatus {
        self.busy
            .get(&Target::Claim(claim.key.clone()))
            .filter(|busy| busy.claim.as_ref() == Some(&claim.uid))
            .and_then(|busy| busy.status.as_deref())
            .unwrap_or(&claim.status)
    }

    /// Whether one more write may begin; if not, the target is looked at again when one has ended.
    pub(super) fn may_write(&mut self, target: &Target) -> bool {
        if self.writes < WRITES_IN_FLIGHT {
            return true;
        }
        self.waiting_to_write.push_back(target.clone());
        false
    }

    pub(super) fn begin_write(&mut self, target: Target, busy: Busy) {
        self.writes += 1;
        self.busy.insert(
            target,
            Busy {
                is_write: true,
                ..busy
            },
        );
    }

    pub(super) fn begin_call(&mut self, target: Target, claim: Option<ClaimUid>, effect: Effect) {
        *self.calls.entry(effect.action()).or_default() += 1;
        self.touch(effect.eni());
        self.busy.insert(
            target,
            Busy {
                claim,
                effect: Some(effect),
                ..Busy::default()
            },
        );
    }

    /// The order for a target has ended.
    pub(super) fn end(&mut self, target: &Target) -> Option<Busy> {
        let busy = self.busy.remove(target)?;
        if busy.is_write {
            self.writes = self.writes.saturating_sub(1);
            if let Some(next) = self.waiting_to_write.pop_front() {
                self.agenda.mark(next);
            }
        }
        if let Some(effect) = &busy.effect {
            if let Some(calls) = self.calls.get_mut(&effect.action()) {
                *calls = calls.saturating_sub(1);
            }
            self.touch(effect.eni());
        }
        Some(busy)
    }

    /// Reads that are under way say nothing about this ENI.
    pub(super) fn touch(&mut self, eni: Option<&EniId>) {
        let Some(eni) = eni else { return };
        for read in self.reads.values_mut() {
            read.touched.insert(eni.clone());
        }
    }

    /// When the next call of an action may be made; none: now.
    pub(super) fn call_at(&self, action: Action, now: Time) -> Option<Time> {
        if self.calls.get(&action).copied().unwrap_or(0) >= IN_FLIGHT {
            // The end of a call wakes.
            return Some(now.after(60 * SECOND));
        }
        let paused = self.paused.get(&action).map(|(_, until)| *until);
        let tokens = now.after(self.budget.wait(action, 1, now));
        let at = paused.map_or(tokens, |until| until.max(tokens));
        (at > now).then_some(at)
    }

    pub(super) fn rest(&mut self, target: Target, now: Time) {
        let times = self.rests.get(&target).map_or(0, |(times, _)| *times) + 1;
        let until = now.after(crate::backoff::write_delay(times, &format!("{target:?}")));
        self.agenda.at(target.clone(), until);
        self.rests.insert(target, (times, until));
    }

    /// Whether an instance is going to be read.
    pub(super) fn is_scheduled(&self, id: &InstanceId) -> bool {
        self.instance_at.contains_key(id)
    }

    /// When an instance is read again.
    pub(super) fn scheduled_at(&self, id: &InstanceId) -> Option<Time> {
        self.instance_at.get(id).copied()
    }

    /// Sets when an instance is read again.
    pub(super) fn schedule_instance(&mut self, id: &InstanceId, at: Option<Time>) {
        if let Some(before) = self.instance_at.remove(id) {
            self.instances_due.remove(&(before, id.clone()));
        }
        if let Some(at) = at {
            self.instance_at.insert(id.clone(), at);
            self.instances_due.insert((at, id.clone()));
        }
    }

    /// Drops what was remembered of a target that is gone.
    pub(super) fn forget(&mut self, target: &Target) {
        self.queues.leave(target);
        self.rests.remove(target);
        self.backoffs.remove(target);
        self.told.forget(target);
        self.agenda.forget(target);
    }
}

impl Polls {
    /// Replaces what a claim waits for.
    pub(super) fn set(&mut self, key: &Key, uid: &ClaimUid, poll: Option<Poll>) {
        if self.of.get(key) == poll.as_ref() {
            return;
        }
        if let Some(before) = self.of.remove(key) {
            self.drop_poll(&before, uid);
        }
        let Some(poll) = poll else { return };
        match self.queue_of(&poll) {
            Some((queue, read)) => {
                queue.insert(read);
            }
            None => {
                self.tagged.insert(uid.clone(), key.clone());
            }
        }
        self.of.insert(key.clone(), poll);
    }

    fn drop_poll(&mut self, poll: &Poll, uid: &ClaimUid) {
        match self.queue_of(poll) {
            Some((queue, read)) => {
                queue.remove(&read);
                self.read.remove(&read.1);
            }
            None => {
                self.tagged.remove(uid);
            }
        }
    }

    /// The queue of a poll that names an ENI, and its place in it.
    fn queue_of(&mut self, poll: &Poll) -> Option<(&mut BTreeSet<LastRead>, LastRead)> {
        let (Poll::Fast(eni) | Poll::Slow(eni) | Poll::ById(eni)) = poll else {
            return None;
        };
        let place = (self.read_of(eni), eni.clone());
        let queue = match poll {
            Poll::Fast(_) => &mut self.fast,
            Poll::Slow(_) => &mut self.slow,
            Poll::ById(_) => &mut self.by_id,
            Poll::Tagged => return None,
        };
        Some((queue, place))
    }

    fn read_of(&self, eni: &EniId) -> Time {
        self.read.get(eni).copied().unwrap_or(Time(i64::MIN))
    }

    /// ENIs are being read now: they go to the end of their queues.
    pub(super) fn asked(&mut self, enis: &[EniId], now: Time) {
        for eni in enis {
            let before = (self.read_of(eni), eni.clone());
            for queue in [&mut self.fast, &mut self.slow, &mut self.by_id] {
                if queue.remove(&before) {
                    queue.insert((now, eni.clone()));
                }
            }
            self.read.insert(eni.clone(), now);
        }
    }
}
