//! Nodes: what they hold, what is published on them.

use std::collections::BTreeSet;

use api::{
    ClaimStatus, NodeStatus, Time,
    id::{EniId, InstanceId, NodeName},
    node::{Card, OccupiedSlot},
    time::SECOND,
};

use super::{Fleet, index::Dependency};
use crate::{
    capacity::{cards, published},
    claim::{Attachment, Claim},
    cluster::Node,
    ec2::{Instance, TypeFacts},
    node_report::{
        AgentState, Inventory, agent_state, differ_in_slots_alone, patch, report, served,
    },
    order::{NodePatch, Object, Order, Target},
    reason::Reason,
    step::DETACH_STUCK,
};

/// Who is in which slot is written this long after it began to differ: most pods that come and go cost no write then.
const SLOTS_LATER: i64 = 30 * SECOND;

impl Fleet {
    pub(super) fn consider_report(&mut self, name: &NodeName, now: Time, orders: &mut Vec<Order>) {
        let Some(node) = self.watched.nodes.get(name).cloned() else {
            return;
        };
        let instance = node.instance.clone().ok();
        self.depend_on_instance(&Target::Report(name.clone()), instance, None, now);
        let Some(held) = self.watched.reports.get(name) else {
            let new = Object::NewReport {
                node: name.clone(),
                uid: node.uid.clone(),
            };
            self.write(new, now, orders);
            return;
        };
        let before = held.status.clone();
        let Some(due) = self.report_on(&node, &before, now) else {
            return;
        };
        if due == before {
            self.work.report_since.remove(name);
            return;
        }
        if differ_in_slots_alone(&before, &due) {
            let since = *self.work.report_since.entry(name.clone()).or_insert(now);
            let later = since.after(SLOTS_LATER);
            if later > now {
                return self.work.agenda.at(Target::Report(name.clone()), later);
            }
        }
        self.work.report_since.remove(name);
        let write = Object::Report {
            node: name.clone(),
            status: Box::new(due),
        };
        self.write(write, now, orders);
    }

    /// The report that is due; none while EC2 is being read.
    fn report_on(&self, node: &Node, before: &NodeStatus, now: Time) -> Option<NodeStatus> {
        let support = self.support_of(node);
        if support
            .as_ref()
            .is_err_and(|note| note.reason == Reason::Reading)
        {
            return None;
        }
        let inventory = support.as_ref().map_or_else(
            |_| Inventory::default(),
            |(instance, facts)| self.inventory(node, instance, facts, now),
        );
        let instance = support
            .as_ref()
            .map(|(instance, _)| *instance)
            .map_err(|note| note.message.as_str());
        let agent = self.agent_state(node);
        Some(report(node, instance, agent, inventory, before, now))
    }

    pub(super) fn consider_node(&mut self, name: &NodeName, now: Time, orders: &mut Vec<Order>) {
        let Some(node) = self.watched.nodes.get(name) else {
            return;
        };
        let instance = node.instance.clone().ok();
        let classes = Some(Dependency::Classes);
        self.depend_on_instance(&Target::Node(name.clone()), instance, classes, now);
        if let Some(patch) = self.due_patch(name, now) {
            let write = Object::Node {
                node: name.clone(),
                patch,
            };
            self.write(write, now, orders);
        }
    }

    /// What has to change on a node; nothing while EC2 is being read.
    fn due_patch(&self, name: &NodeName, now: Time) -> Option<NodePatch> {
        let node = self.watched.nodes.get(name)?;
        let (classes, capacity) = match self.support_of(node) {
            Err(why) if why.reason == Reason::Reading => return None,
            Err(_) => (BTreeSet::new(), None),
            Ok((instance, facts)) => {
                if !self.knows_all_subnets_of_classes() {
                    return None;
                }
                let classes = if self.agent_state(node) == AgentState::Ready {
                    let classes = self.watched.classes.values();
                    let resolved =
                        classes.filter_map(|c| Some((c, self.watched.resolved.get(&c.name)?)));
                    served(resolved, instance, &self.cloud.subnets)
                } else {
                    BTreeSet::new()
                };
                let (_, capacity) = self.capacity(node, instance, facts, now);
                (classes, Some(capacity))
            }
        };
        patch(node, &classes, capacity)
    }

    fn depend_on_instance(
        &mut self,
        target: &Target,
        instance: Option<InstanceId>,
        also: Option<Dependency>,
        now: Time,
    ) {
        // What is published of an instance that EC2 says is full is counted again when that is tried again.
        let full = instance.as_ref();
        let until = full.and_then(|id| self.cloud.tried_again(id, now));
        let avoided = full.and_then(|id| self.avoided(id, now).map(|(_, until)| until).min());
        for at in until.into_iter().chain(avoided) {
            self.work.agenda.at(target.clone(), at);
        }
        let instance = instance.map(Dependency::Instance);
        let on = instance.into_iter().chain(also).collect();
        self.index.depend(target, on);
    }

    fn agent_state(&self, node: &Node) -> AgentState {
        let pods = self.index.agents_on.get(&node.name).into_iter().flatten();
        let pods = pods.filter_map(|key| self.watched.agents.get(key));
        let reported = self.watched.reports.get(&node.name);
        agent_state(node, pods, reported.and_then(|r| r.agent.as_ref()))
    }

    fn inventory(
        &self,
        node: &Node,
        instance: &Instance,
        facts: &TypeFacts,
        now: Time,
    ) -> Inventory {
        let (cards, capacity) = self.capacity(node, instance, facts, now);
        Inventory {
            capacity: Some(capacity),
            cards,
            used: self.used(&instance.id),
            slots: self.slots(&instance.id),
            fenced: Some(self.left(instance, facts).fenced),
        }
    }

    /// The cards of a node's instance, and how many ENIs of ours they can hold.
    fn capacity(
        &self,
        node: &Node,
        instance: &Instance,
        facts: &TypeFacts,
        now: Time,
    ) -> (Vec<Card>, u32) {
        let left = self.left(instance, facts);
        let cards = cards(facts, &self.foreign_slots(instance), &left);
        let avoided = self.avoided(&instance.id, now).count();
        let avoided = u32::try_from(avoided).unwrap_or(u32::MAX);
        let mut stuck = self.stuck(&instance.id, now).saturating_add(avoided);
        if self.cloud.is_full(&instance.id, facts, now) {
            // EC2 says that no more fit, whatever we count.
            let free = published(&cards, 0, 0).saturating_sub(self.used(&instance.id));
            stuck = stuck.max(free);
        }
        let capacity = published(&cards, stuck, self.requested(&node.name));
        (cards, capacity)
    }

    /// How many slots of an instance claims hold.
    fn used(&self, instance: &InstanceId) -> u32 {
        u32::try_from(self.holders(instance).count()).unwrap_or(u32::MAX)
    }

    /// The claims that hold slots of an instance, each with its status and attachment.
    fn holders<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> impl Iterator<Item = (&'a Claim, &'a ClaimStatus, &'a Attachment)> {
        let claims = self.index.at.get(instance).into_iter().flatten();
        let claims = claims.filter_map(|key| self.watched.claim(key));
        claims.filter_map(move |claim| {
            let status = self.work.intended(claim);
            let attachment = status.attachment.as_ref()?;
            let holds = attachment.instance_id == *instance && !self.has_left(status, attachment);
            holds.then_some((claim, status, attachment))
        })
    }

    /// What is in the slots: ENIs of claims, then what else the instance holds.
    fn slots(&self, instance: &InstanceId) -> Vec<OccupiedSlot> {
        let ours = self.holders(instance).map(|(claim, status, attachment)| {
            let eni = status.eni.as_ref();
            OccupiedSlot {
                slot: attachment.slot,
                eni_id: eni.map(|e| e.id.clone()),
                mac: eni.map(|e| e.mac.clone()),
                claim: Some(claim.key.to_string()),
            }
        });
        let others = self.foreign(instance).map(|a| OccupiedSlot {
            slot: a.slot,
            eni_id: Some(a.eni.clone()),
            mac: Some(a.mac.clone()),
            claim: None,
        });
        let mut slots: Vec<OccupiedSlot> = ours.chain(others).collect();
        slots.sort();
        slots
    }

    /// Slots of ENIs that have been detaching for minutes: nobody can count on them.
    fn stuck(&self, instance: &InstanceId, now: Time) -> u32 {
        let Some(claims) = self.index.at.get(instance) else {
            return 0;
        };
        let is_here = |eni: &&EniId| {
            let owner = self.index.owner.get(*eni);
            owner.is_some_and(|key| claims.contains(key))
        };
        let since = |eni: &EniId| self.cloud.enis.get(eni)?.detaching;
        let here = self.cloud.detaching.iter().filter(is_here);
        let stuck = here
            .filter_map(since)
            .filter(|since| now.since(*since) >= DETACH_STUCK)
            .count();
        u32::try_from(stuck).unwrap_or(u32::MAX)
    }

    /// What pods on the node request of the resource.
    fn requested(&self, name: &NodeName) -> u32 {
        let pods = self.index.pods_on.get(name).into_iter().flatten();
        let pods = pods.filter_map(|key| self.watched.pods.get(key));
        pods.filter(|pod| !pod.terminal)
            .filter_map(|pod| pod.requested)
            .fold(0, u32::saturating_add)
    }
}
