//! Questions to EC2: as few as serve everybody who waits.

use std::collections::BTreeSet;

use super::Fleet;
use crate::{
    id::{EniId, InstanceId, InstanceType, SubnetId},
    order::{Order, Question, Target, Topic},
    plan::Poll,
    time::{MINUTE, SECOND, Time},
};

/// How often everybody who waits for a Create or Delete is served.
const FAST: i64 = SECOND;
/// How often those are served who wait for an attachment alone.
const SLOW: i64 = 5 * SECOND;
/// Instances are read again this often: others attach ENIs too, and instances end.
const INSTANCES: i64 = 5 * MINUTE;
/// The same for what EC2 did not know, and for instances whose agent does not answer.
const SOON: i64 = 30 * SECOND;
/// `DescribeNetworkInterfaces` takes 200 values in a filter.
const BATCH: usize = 200;

impl Fleet {
    /// Asks what is not known yet or may have changed.
    pub(super) fn questions(&mut self, now: Time, orders: &mut Vec<Order>) {
        let (Some(cluster), false) = (self.cluster(), self.enis_read) else {
            self.ask_instances(now, orders);
            self.ask_types(now, orders);
            return self.ask_subnets(now, orders);
        };
        if self.may_ask(Topic::Enis, now) {
            self.give(
                Order::Ask(Question::OurEnis {
                    cluster,
                    asked: self.learnt,
                }),
                orders,
            );
        }
    }

    /// One batch for all claims that wait to see their ENI.
    pub(super) fn poll(&mut self, now: Time, orders: &mut Vec<Order>) {
        let Some(urgency) = self.waiting.values().map(|(poll, _)| *poll).min() else {
            return;
        };
        let due = self.polled.after(match urgency {
            Poll::Fast => FAST,
            Poll::Slow => SLOW,
        });
        if due > now {
            return self.agenda.at(Target::Question(Topic::Enis), due);
        }
        if !self.may_ask(Topic::Enis, now) {
            return;
        }
        // Those longest unseen first, should there be more than one batch.
        let mut ids: Vec<EniId> = self.waiting.values().map(|(_, eni)| eni.clone()).collect();
        ids.sort_by_key(|id| self.enis.get(id).map(|(_, at)| *at));
        ids.truncate(BATCH);
        self.polled = now;
        self.give(
            Order::Ask(Question::Enis {
                ids,
                asked: self.learnt,
            }),
            orders,
        );
    }

    /// An instance whose slots are not as we thought.
    pub(super) fn ask_again(&mut self, id: &InstanceId) {
        if let Some((_, read)) = self.instances.get_mut(id) {
            *read = Time(i64::MIN);
        }
        self.agenda.mark(Target::Question(Topic::Instances));
    }

    fn may_ask(&mut self, topic: Topic, now: Time) -> bool {
        let target = Target::Question(topic);
        if let Some((_, until)) = self.rests.get(&target).filter(|(_, until)| *until > now) {
            self.agenda.at(target, *until);
            return false;
        }
        !self.busy.contains_key(&target)
    }

    fn ask_instances(&mut self, now: Time, orders: &mut Vec<Order>) {
        let topic = Target::Question(Topic::Instances);
        if !self.agenda.take(&topic, now) || !self.may_ask(Topic::Instances, now) {
            return;
        }
        let anxious = self.anxious();
        let wanted: BTreeSet<InstanceId> = self
            .nodes
            .values()
            .filter_map(|n| n.instance.clone().ok())
            .chain(anxious.iter().cloned())
            .collect();
        self.instances.retain(|id, _| wanted.contains(id));
        let due = |id: &InstanceId| match self.instances.get(id) {
            None => now,
            Some((None, read)) => read.after(SOON),
            Some((Some(_), read)) => read.after(if anxious.contains(id) {
                SOON
            } else {
                INSTANCES
            }),
        };
        let ask: Vec<InstanceId> = wanted.iter().filter(|id| due(id) <= now).cloned().collect();
        if let Some(next) = wanted.iter().map(due).filter(|at| *at > now).min() {
            self.agenda.at(topic, next);
        }
        if !ask.is_empty() {
            self.give(Order::Ask(Question::Instances(ask)), orders);
        }
    }

    /// Instances that claims on their way out wait for, and that may have ended meanwhile.
    fn anxious(&self) -> BTreeSet<InstanceId> {
        let leaving = self.claims.values().filter(|claim| claim.deleting);
        leaving
            .filter_map(|claim| claim.status.attachment.as_ref())
            .map(|a| a.instance.clone())
            .collect()
    }

    fn ask_types(&mut self, now: Time, orders: &mut Vec<Order>) {
        let topic = Target::Question(Topic::Types);
        if !self.agenda.take(&topic, now) || !self.may_ask(Topic::Types, now) {
            return;
        }
        let kinds: BTreeSet<&InstanceType> = self
            .instances
            .values()
            .filter_map(|(i, _)| i.as_ref())
            .map(|i| &i.kind)
            .collect();
        let due = |kind: &InstanceType| match self.types.get(kind) {
            None => Some(now),
            Some((None, read)) => Some(read.after(SOON)),
            Some((Some(_), _)) => None,
        };
        let ask: Vec<InstanceType> = kinds
            .iter()
            .filter(|k| due(k).is_some_and(|at| at <= now))
            .map(|k| (*k).clone())
            .collect();
        let next = kinds
            .iter()
            .filter_map(|k| due(k))
            .filter(|at| *at > now)
            .min();
        if let Some(next) = next {
            self.agenda.at(topic, next);
        }
        if !ask.is_empty() {
            self.give(Order::Ask(Question::Types(ask)), orders);
        }
    }

    fn ask_subnets(&mut self, now: Time, orders: &mut Vec<Order>) {
        let topic = Target::Question(Topic::Subnets);
        if !self.agenda.take(&topic, now) || !self.may_ask(Topic::Subnets, now) {
            return;
        }
        let unfinished = self
            .claims
            .values()
            .filter(|c| c.status.addresses.is_empty())
            .filter_map(|c| c.status.creation.as_ref());
        let wanted: BTreeSet<SubnetId> = self
            .classes
            .values()
            .flat_map(|c| c.subnets.iter().cloned())
            .chain(unfinished.map(|c| c.request.subnet.clone()))
            .collect();
        let due = |id: &SubnetId| match self.subnets.get(id) {
            None => Some(now),
            Some(None) => Some(
                self.subnets_read
                    .get(id)
                    .map_or(now, |read| read.after(SOON)),
            ),
            // Zone and block of a subnet never change.
            Some(Some(_)) => None,
        };
        let ask: Vec<SubnetId> = wanted
            .iter()
            .filter(|id| due(id).is_some_and(|at| at <= now))
            .cloned()
            .collect();
        if let Some(next) = wanted.iter().filter_map(due).filter(|at| *at > now).min() {
            self.agenda.at(topic, next);
        }
        if !ask.is_empty() {
            self.give(Order::Ask(Question::Subnets(ask)), orders);
        }
    }
}
