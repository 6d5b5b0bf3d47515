//! What reads of EC2 showed.

use std::collections::BTreeMap;

use api::{
    Time,
    id::{EniId, InstanceId, InstanceType},
    time::{MINUTE, SECOND},
};

use super::{
    Fleet,
    index::Dependency,
    instances::InstanceRecord,
    reads::{LISTING, SOON},
    work::ReadInFlight,
};
use crate::{
    backoff,
    ec2::{EniView, Instance, TypeFacts},
    error::{Ec2Error, ErrorClass},
    fact::Outcome,
    order::{Action, Read, Target, Topic},
};

/// ENIs on one page of EC2's answers, which is one call.
const PAGE: usize = 1_000;

impl Fleet {
    pub(super) fn learn_read(&mut self, topic: Topic, outcome: Outcome, now: Time) {
        let Some(flight) = self.work.reads.remove(&topic) else {
            return;
        };
        if let Outcome::Failed(error) = outcome {
            return self.learn_unread(topic, &flight, &error, now);
        }
        let is_over = self.work.trouble.remove(&topic).is_some();
        match (&flight.read, outcome) {
            (Read::Listing(_), Outcome::Listed) => self.learn_listed(&flight, now),
            (Read::Enis(asked), Outcome::Enis(found)) => {
                self.learn_enis(&flight, &asked.clone(), found, now);
            }
            (Read::Tagged(asked), Outcome::Enis(found)) => {
                self.learn_enis(&flight, &[], found, now);
                for claim in asked.clone() {
                    self.learn_searched(&claim, flight.began, now);
                }
            }
            (Read::Eni(id), Outcome::Eni(found)) => {
                self.learn_eni(&flight, &id.clone(), found.map(|view| *view), now);
            }
            (Read::Instances(asked), Outcome::Instances(found)) => {
                self.learn_instances(&asked.clone(), found, flight.began, now);
            }
            (Read::Types(asked), Outcome::Types(found)) => {
                self.learn_types(&asked.clone(), found, now);
            }
            (Read::Subnets(asked), Outcome::Subnets(found)) => {
                self.learn_subnets(asked, found, flight.began, now);
            }
            (Read::Groups(asked), Outcome::Groups(found)) => {
                self.learn_groups(asked, found, flight.began);
            }
            _ => {}
        }
        if is_over {
            self.resolve_classes();
        }
    }

    fn learn_unread(&mut self, topic: Topic, flight: &ReadInFlight, error: &Ec2Error, now: Time) {
        if let (ErrorClass::Throttled, Some(action)) = (error.class, flight.read.action()) {
            self.work.budget.throttled(action, now);
        }
        if let (Read::Eni(id), ErrorClass::NotYet) = (&flight.read, error.class) {
            return self.learn_eni(flight, &id.clone(), None, now);
        }
        let before = self.work.trouble.get(&topic);
        let times = before.map_or(0, |(times, ..)| *times) + 1;
        let salt = format!("{topic:?}");
        let until = now.after(backoff::delay(error.class, times, &salt).min(MINUTE));
        self.work.read_at.insert(topic, until);
        if let Read::Instances(asked) = &flight.read {
            // They are due again: a failed read has shown none of them.
            for id in asked {
                self.work.schedule_instance(id, Some(until));
            }
            self.plan_instances();
        }
        let Some(action) = flight.read.action() else {
            return;
        };
        self.work
            .trouble
            .insert(topic, (times, action, error.clone()));
        self.resolve_classes();
    }

    pub(super) fn learn_page(&mut self, enis: Vec<EniView>, now: Time) {
        let Some(flight) = self.work.reads.get_mut(&Topic::Listing) else {
            return;
        };
        let before = flight.shown.div_ceil(PAGE);
        flight.shown += enis.len();
        let pages = flight.shown.div_ceil(PAGE) - before;
        let touched = std::mem::take(&mut flight.touched);
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        self.work
            .budget
            .charge(Action::DescribeNetworkInterfaces, pages, now);
        for view in enis {
            let id = view.id.clone();
            if !touched.contains(&id) {
                self.note_owner(&view, now);
                self.show(&id, Some(view), now);
            }
            self.cloud.list(&id);
        }
        if let Some(flight) = self.work.reads.get_mut(&Topic::Listing) {
            flight.touched = touched;
        }
    }

    fn learn_listed(&mut self, flight: &ReadInFlight, now: Time) {
        if flight.shown == 0 {
            self.work
                .budget
                .charge(Action::DescribeNetworkInterfaces, 1, now);
        }
        for id in self.cloud.unlisted() {
            if flight.touched.contains(&id) {
                continue;
            }
            if self.index.owner.contains_key(&id) {
                self.show(&id, None, now);
            } else {
                self.cloud.forget(&id);
            }
        }
        self.work.read_at.insert(Topic::Listing, now.after(LISTING));
        if !self.cloud.is_listed {
            self.cloud.is_listed = true;
            self.mark_everything();
        }
        self.sweep(now);
    }

    /// Takes in what a read showed of an ENI, and looks again at its claim where that is news.
    fn show(&mut self, id: &EniId, view: Option<EniView>, now: Time) {
        if !self.cloud.record(id, view, now) {
            return;
        }
        let record = self.cloud.enis.get(id);
        let claim = record.and_then(|record| record.view.as_ref()?.tags.claim.as_ref());
        let owner = self.index.owner.get(id).cloned();
        let tagged = claim.and_then(|uid| self.index.by_uid.get(uid).cloned());
        if let Some(owner) = &owner
            && let Some(claim) = self.watched.claim(owner)
            && claim
                .status
                .attachment
                .as_ref()
                .is_some_and(api::claim::Attachment::is_released)
        {
            // Its slot may be free now.
            let claim = claim.clone();
            if let Some(attachment) = &claim.status.attachment
                && self.cloud.is_detached(id)
            {
                self.cloud.full.remove(&attachment.instance_id);
            }
            self.mark_places(&claim);
        }
        for key in owner.into_iter().chain(tagged) {
            self.work.agenda.mark(Target::Claim(key));
        }
    }

    fn learn_enis(
        &mut self,
        flight: &ReadInFlight,
        asked: &[EniId],
        found: Vec<EniView>,
        now: Time,
    ) {
        let mut found: BTreeMap<EniId, EniView> =
            found.into_iter().map(|v| (v.id.clone(), v)).collect();
        for id in asked {
            let view = found.remove(id);
            if !flight.touched.contains(id) {
                self.show(id, view, now);
            }
            self.mark_owner(id);
        }
        for (id, view) in found {
            if !flight.touched.contains(&id) {
                self.show(&id, Some(view), now);
            }
        }
    }

    fn mark_owner(&mut self, id: &EniId) {
        if let Some(key) = self.index.owner.get(id).cloned() {
            self.work.agenda.mark(Target::Claim(key));
        }
    }

    fn learn_eni(&mut self, flight: &ReadInFlight, id: &EniId, found: Option<EniView>, now: Time) {
        if !flight.touched.contains(id) {
            match found {
                Some(view) => self.show(id, Some(view), now),
                None => self.show_not_found(id, now),
            }
        }
        self.mark_owner(id);
    }

    /// EC2 knows no such ENI: what it had taken is free.
    fn show_not_found(&mut self, id: &EniId, now: Time) {
        if self.cloud.record_not_found(id, now)
            && let Some(key) = self.index.owner.get(id)
            && let Some(claim) = self.watched.claim(key).cloned()
        {
            self.mark_places(&claim);
        }
    }

    /// A search by tag that began after the last send, and showed nothing.
    fn learn_searched(&mut self, claim: &api::id::ClaimUid, began: Time, now: Time) {
        let Some(key) = self.index.by_uid.get(claim).cloned() else {
            return;
        };
        let sent = self.work.sends.get(&key).map(|sent| sent.at);
        let since = sent.unwrap_or(self.work.leads_since);
        let Some(cluster) = self.watched.cluster(self.settings.cluster_id.as_ref()) else {
            return;
        };
        let is_found = self.cloud.of_claim(claim, &cluster.id).next().is_some();
        if began > since && !is_found {
            self.cloud.searched(claim, began);
        }
        self.work.agenda.mark(Target::Claim(key.clone()));
        self.work
            .agenda
            .at(Target::Claim(key), now.after(10 * SECOND));
    }

    fn learn_instances(
        &mut self,
        asked: &[InstanceId],
        found: Vec<Instance>,
        began: Time,
        now: Time,
    ) {
        let mut found: BTreeMap<InstanceId, Instance> =
            found.into_iter().map(|i| (i.id.clone(), i)).collect();
        let mut moved = false;
        for id in asked {
            let instance = found.remove(id);
            let before = self.cloud.instances.get(id);
            let absent = before.and_then(|record| record.absent).unwrap_or(began);
            let record = InstanceRecord {
                absent: instance.is_none().then_some(absent),
                instance,
                read: began,
                is_outdated: false,
            };
            let is_news = before.is_none_or(|before| {
                before.instance != record.instance || before.is_forgotten() != record.is_forgotten()
            });
            if let Some(kind) = record.instance.as_ref().map(|i| &i.instance_type)
                && !self.cloud.types.contains_key(kind)
            {
                self.read_now(Topic::Types);
            }
            moved |= self.cloud.set_instance(id, Some(record));
            self.plan_instance(id, now);
            if is_news {
                self.wake_instance(id);
            }
        }
        self.plan_instances();
        if moved {
            self.resolve_classes();
        }
    }

    fn wake_instance(&mut self, id: &InstanceId) {
        if let Some(node) = self.index.node_of.get(id).cloned() {
            self.mark_node(&node);
        }
        self.wake_up(&Dependency::Instance(id.clone()));
        self.wake_up(&Dependency::Slot(id.clone()));
    }

    fn learn_types(
        &mut self,
        asked: &[InstanceType],
        mut found: BTreeMap<InstanceType, TypeFacts>,
        now: Time,
    ) {
        for kind in asked {
            let facts = found.remove(kind);
            if facts.is_none() {
                self.read_by(Topic::Types, now.after(SOON));
            }
            let before = self.cloud.types.insert(kind.clone(), (facts.clone(), now));
            if before.is_some_and(|(before, _)| before == facts) {
                continue;
            }
            let concerned: Vec<InstanceId> = self
                .cloud
                .instances
                .iter()
                .filter(|(_, r)| {
                    r.instance
                        .as_ref()
                        .is_some_and(|i| i.instance_type == *kind)
                })
                .map(|(id, _)| id.clone())
                .collect();
            for id in concerned {
                self.wake_instance(&id);
            }
        }
    }
}
