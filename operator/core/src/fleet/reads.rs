//! Reads of EC2: as few as serve everybody who waits.

use std::collections::BTreeSet;

use api::{
    Time,
    id::{EniId, InstanceId, InstanceType},
    time::{MINUTE, SECOND},
};

use super::{Fleet, index::instances};
use crate::{
    claim::Claim,
    cluster::NodeHealth,
    lease::Term,
    order::{Action, Order, Read, Topic},
};

/// All ENIs of ours are listed this often: what others did to them shows within a minute.
pub(super) const LISTING: i64 = 30 * SECOND;
/// How often everybody who waits for a Create, Detach or Delete is served.
const FAST: i64 = SECOND;
/// The same while so many wait for their turn anyway that nobody is held up.
const FAST_ENOUGH: i64 = 4 * SECOND;
/// How often those are served who wait for an attachment alone.
const SLOW: i64 = 5 * SECOND;
/// How often unanswered requests are searched for by tag.
const SEARCH: i64 = 10 * SECOND;
/// How often ENIs are read by their ids, one at a time.
const BY_ID: i64 = SECOND;
/// Instances are read again this often: others attach ENIs too, and instances end.
const INSTANCES: i64 = 5 * MINUTE;
/// The same where a node is not well and claims hold its instance.
const ANXIOUS: i64 = 10 * SECOND;
/// What EC2 did not know is asked again.
pub(super) const SOON: i64 = 30 * SECOND;
/// Reads that are due this soon go along.
const ALONG: i64 = 20 * SECOND;
/// ENIs in one read.
const BATCH: usize = 1_000;
/// Instances in one read, each with all that is attached to it: what is learnt at once holds up everybody else.
const INSTANCES_AT_ONCE: usize = 50;
/// Values that EC2 takes in one filter: so many are one call.
const VALUES: usize = 200;

impl Fleet {
    /// Reads what is not known yet or may have changed.
    pub(super) fn read(&mut self, now: Time, orders: &mut Vec<Order>) {
        for topic in Topic::ALL {
            if self.work.reads.contains_key(&topic) {
                continue;
            }
            let read = match self.due(topic, now) {
                Some(due) if due > now => continue,
                Some(_) => self.compose(topic, now),
                None => None,
            };
            let Some(read) = read else {
                // That it could not be read is no trouble any more: nobody asks.
                self.work.trouble.remove(&topic);
                continue;
            };
            self.charge(&read, now);
            self.ask(read, now, orders);
        }
    }

    /// When the next read is due.
    pub(super) fn next_read(&self, now: Time) -> Option<Time> {
        let due = Topic::ALL.map(|topic| self.due(topic, now));
        due.into_iter().flatten().min()
    }

    /// When a topic is to be read; none: nobody asks, or it is being read.
    fn due(&self, topic: Topic, now: Time) -> Option<Time> {
        if self.work.reads.contains_key(&topic) {
            return None;
        }
        let polls = &self.work.polls;
        let leads = self.work.until(now).is_some();
        let scheduled = self.work.read_at.get(&topic).copied();
        let is_wanted = match topic {
            Topic::Listing => true,
            Topic::Enis => leads && !(polls.fast.is_empty() && polls.slow.is_empty()),
            Topic::Eni => leads && !polls.by_id.is_empty(),
            Topic::Tagged => leads && !polls.tagged.is_empty(),
            Topic::Instances | Topic::Types | Topic::Subnets | Topic::Groups => scheduled.is_some(),
        };
        if !is_wanted {
            return None;
        }
        let mut at = scheduled.unwrap_or(Time(i64::MIN));
        if topic == Topic::Enis && polls.fast.is_empty() {
            at = at.after(SLOW - FAST);
        }
        Some(self.affordable(at, now))
    }

    /// Not before the budget of Describe calls allows one.
    fn affordable(&self, at: Time, now: Time) -> Time {
        let wait = self
            .work
            .budget
            .wait(Action::DescribeNetworkInterfaces, 1, now);
        if wait > 0 {
            at.max(now.after(wait))
        } else {
            at
        }
    }

    fn charge(&mut self, read: &Read, now: Time) {
        let calls = match read {
            // Its pages are charged as they come.
            Read::Listing(_) | Read::Pod(_) => 0,
            Read::Enis(ids) => ids.len().div_ceil(VALUES),
            Read::Tagged(ids) => ids.len().div_ceil(VALUES),
            Read::Instances(ids) => ids.len().div_ceil(VALUES),
            Read::Subnets(lookup) => lookup.calls(VALUES),
            Read::Groups(lookup) => lookup.calls(VALUES),
            Read::Types(_) | Read::Eni(_) => 1,
        };
        if let Some(action) = read.action() {
            let calls = u32::try_from(calls).unwrap_or(u32::MAX);
            self.work.budget.charge(action, calls, now);
        }
    }

    fn compose(&mut self, topic: Topic, now: Time) -> Option<Read> {
        match topic {
            Topic::Listing => {
                // Until the namespace kube-system shows: it is looked for again, not all the time.
                self.work.read_at.insert(topic, now.after(FAST));
                let cluster = self.watched.cluster(self.settings.cluster_id.as_ref())?;
                self.cloud.begin_listing();
                Some(Read::Listing(cluster.id.into()))
            }
            Topic::Enis => Some(self.compose_enis(now)),
            Topic::Eni => {
                let (_, eni) = self.work.polls.by_id.first().cloned()?;
                self.work.polls.asked(std::slice::from_ref(&eni), now);
                self.work.read_at.insert(topic, now.after(BY_ID));
                Some(Read::Eni(eni))
            }
            Topic::Tagged => {
                self.work.read_at.insert(topic, now.after(SEARCH));
                let claims = self.work.polls.tagged.keys().take(VALUES).cloned();
                Some(Read::Tagged(claims.collect()))
            }
            Topic::Instances => self.compose_instances(now),
            Topic::Types => self.compose_types(now),
            Topic::Subnets => self.compose_subnets(now),
            Topic::Groups => self.compose_groups(now),
        }
    }

    /// Those longest unread first.
    fn compose_enis(&mut self, now: Time) -> Read {
        let polls = &self.work.polls;
        let slow = polls
            .slow
            .iter()
            .take_while(|(read, _)| now.since(*read) >= SLOW);
        let ids: Vec<EniId> = polls
            .fast
            .iter()
            .chain(slow)
            .take(BATCH)
            .map(|(_, id)| id.clone())
            .collect();
        self.work.polls.asked(&ids, now);
        // While many wait for their turn, seeing one more that could do the next thing changes nothing.
        let queued = [
            Action::AttachNetworkInterface,
            Action::DetachNetworkInterface,
            Action::DeleteNetworkInterface,
        ]
        .into_iter()
        .map(|action| self.work.queues.len(action))
        .max()
        .unwrap_or(0);
        let pause = if queued > 10 { FAST_ENOUGH } else { FAST };
        self.work.read_at.insert(Topic::Enis, now.after(pause));
        Read::Enis(ids)
    }

    fn compose_instances(&mut self, now: Time) -> Option<Read> {
        let ids: Vec<InstanceId> = self
            .work
            .instances_due
            .iter()
            .take_while(|(due, _)| *due <= now.after(ALONG))
            .take(INSTANCES_AT_ONCE)
            .map(|(_, id)| id.clone())
            .collect();
        for id in &ids {
            self.work.schedule_instance(id, None);
        }
        self.plan_instances();
        (!ids.is_empty()).then_some(Read::Instances(ids))
    }

    fn compose_types(&mut self, now: Time) -> Option<Read> {
        self.work.read_at.remove(&Topic::Types);
        let wanted: BTreeSet<InstanceType> = self
            .cloud
            .instances
            .values()
            .filter_map(|r| r.instance.as_ref())
            .map(|i| i.instance_type.clone())
            .filter(|kind| match self.cloud.types.get(kind) {
                None => true,
                Some((None, read)) => now.since(*read) >= SOON,
                Some((Some(_), _)) => false,
            })
            .collect();
        (!wanted.is_empty()).then(|| Read::Types(wanted.into_iter().collect()))
    }

    /// A topic is to be read at once.
    pub(super) fn read_now(&mut self, topic: Topic) {
        self.work.read_at.insert(topic, Time(i64::MIN));
    }

    /// A topic is to be read at that time, or earlier if that was said before.
    pub(super) fn read_by(&mut self, topic: Topic, at: Time) {
        let held = self.work.read_at.entry(topic).or_insert(at);
        *held = (*held).min(at);
    }

    /// An instance that nothing was known of.
    pub(super) fn want_instance(&mut self, id: &InstanceId) {
        if !self.cloud.instances.contains_key(id) && !self.work.is_scheduled(id) {
            self.read_soon(id);
        }
    }

    /// An instance that may not be as we thought.
    pub(super) fn read_soon(&mut self, id: &InstanceId) {
        self.work.schedule_instance(id, Some(Time(0)));
        self.plan_instances();
    }

    /// After a read: when the instance is read again, if anybody still asks about it.
    pub(super) fn plan_instance(&mut self, id: &InstanceId, now: Time) {
        let node = self.index.node_of.get(id);
        let health = node
            .and_then(|name| self.watched.nodes.get(name))
            .map(|node| node.health);
        let is_used = self.index.is_used(id);
        let is_known = self
            .cloud
            .instances
            .get(id)
            .is_some_and(|r| r.instance.is_some());
        let pause = match health {
            None if !is_used => {
                if self.cloud.set_instance(id, None) {
                    self.resolve_classes();
                }
                self.cloud.full.remove(id);
                return;
            }
            Some(NodeHealth::Ready) if is_known => INSTANCES,
            Some(_) if !is_used => SOON,
            Some(_) | None => ANXIOUS,
        };
        // Somebody may have asked for another read while this one was under way.
        let asked = self.work.scheduled_at(id).unwrap_or(Time(i64::MAX));
        let due = asked.min(now.after(pause));
        self.work.schedule_instance(id, Some(due));
    }

    /// An ENI has gone with its claim. A leader that deleted it itself knows better than its last read; another one would take it for
    /// somebody else's, and its slot for taken, until the next read.
    pub(super) fn outdate(&mut self, claim: &Claim) {
        let Some(eni) = &claim.status.eni else {
            return;
        };
        if self.cloud.is_deleted(&eni.id) {
            return;
        }
        for id in instances(&claim.status) {
            if self.cloud.outdate(&id, &eni.id) && self.work.term != Term::Standby {
                self.read_soon(&id);
            }
        }
    }

    /// A leader that begins reads again what it knows to be outdated.
    pub(super) fn read_outdated(&mut self) {
        let outdated: Vec<InstanceId> = self.cloud.outdated().cloned().collect();
        for id in outdated {
            self.read_soon(&id);
        }
    }

    pub(super) fn plan_instances(&mut self) {
        match self.work.instances_due.first() {
            Some((at, _)) => {
                let at = *at;
                self.work.read_at.insert(Topic::Instances, at);
            }
            None => {
                self.work.read_at.remove(&Topic::Instances);
            }
        }
    }
}
