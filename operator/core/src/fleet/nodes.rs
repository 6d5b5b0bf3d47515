//! Nodes: what they hold, what is published on them.

use std::collections::BTreeSet;

use super::Fleet;
use crate::{
    capacity::{Card, cards, published},
    claim::{Claim, Slot},
    cloud::{AttachedEni, Instance, TypeFacts},
    cluster::Node,
    id::{EniId, InstanceId, NodeName},
    order::{Order, Target, Topic},
    reason::{Note, Reason},
    report::{Inventory, SlotReport, agent_ready, patch, report, served, slots},
    time::Time,
};

impl Fleet {
    pub(super) fn consider_report(&mut self, name: &NodeName, now: Time, orders: &mut Vec<Order>) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let Some(held) = self.reports.get(name) else {
            let order = Order::CreateReport {
                node: name.clone(),
                uid: node.uid.clone(),
            };
            return self.give(order, orders);
        };
        let support = self.support(node);
        if support
            .as_ref()
            .is_err_and(|note| note.reason == Reason::Reading)
        {
            return;
        }
        let inventory = support.as_ref().map_or_else(
            |_| Inventory::default(),
            |(instance, facts)| {
                let cards = self.cards(name, instance, facts);
                let capacity = Some(published(&cards, self.used(name)));
                Inventory {
                    cards,
                    capacity,
                    slots: self.slot_reports(name, &instance.id),
                }
            },
        );
        let instance = support
            .as_ref()
            .map(|(instance, _)| *instance)
            .map_err(|note| note.message.as_str());
        let due = report(
            node,
            instance,
            held.agent_boot.as_ref(),
            inventory,
            &held.report,
            now,
        );
        if due != held.report {
            self.give(
                Order::WriteReport {
                    node: name.clone(),
                    report: Box::new(due),
                },
                orders,
            );
        }
    }

    pub(super) fn consider_node(&mut self, name: &NodeName, orders: &mut Vec<Order>) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let agent = self.reports.get(name).and_then(|r| r.agent_boot.as_ref());
        let (classes, capacity) = match self.support(node) {
            Err(why) if why.reason == Reason::Reading => return,
            Err(_) => (BTreeSet::new(), None),
            Ok((instance, facts)) => {
                if self
                    .classes
                    .values()
                    .flat_map(|c| &c.subnets)
                    .any(|id| !self.subnets.contains_key(id))
                {
                    return;
                }
                let serves = agent_ready(node, agent);
                let classes = if serves {
                    served(self.classes.values(), instance, &self.subnets)
                } else {
                    BTreeSet::new()
                };
                (
                    classes,
                    Some(published(
                        &self.cards(name, instance, facts),
                        self.used(name),
                    )),
                )
            }
        };
        if let Some(patch) = patch(node, &classes, capacity) {
            self.give(
                Order::PatchNode {
                    node: name.clone(),
                    patch,
                },
                orders,
            );
        }
    }

    /// The node's instance and the facts of its type, or why it cannot hold an ENI.
    pub(super) fn support(&self, node: &Node) -> Result<(&Instance, &TypeFacts), Note> {
        let name = &node.name;
        let unsupported = |why: String| {
            Note::new(
                Reason::NodeUnsupported,
                format!("node {name} cannot hold ENIs: {why}"),
            )
        };
        let id = node
            .instance
            .as_ref()
            .map_err(|why| unsupported(why.clone()))?;
        let instance = match self.instances.get(id) {
            Some((Some(instance), _)) => instance,
            Some((None, _)) => {
                return Err(unsupported(format!(
                    "EC2 knows no {id} in this region and account"
                )));
            }
            None => {
                return Err(Note::new(
                    Reason::Reading,
                    format!("{id} of node {name} is being read from EC2"),
                ));
            }
        };
        match self.types.get(&instance.kind) {
            Some((Some(facts), _)) => Ok((instance, facts)),
            Some((None, _)) => Err(unsupported(format!(
                "EC2 knows no instance type {}",
                instance.kind
            ))),
            None => Err(Note::new(
                Reason::Reading,
                format!("{} is being read from EC2", instance.kind),
            )),
        }
    }

    /// Claims that have or go to that instance.
    pub(super) fn claims_at<'a>(
        &'a self,
        name: &NodeName,
        instance: &'a InstanceId,
    ) -> impl Iterator<Item = &'a Claim> {
        let written = self.claims_on.get(name).into_iter().flatten();
        // A claim whose binding is being written is not in the index yet.
        let promised = self.busy.keys().filter_map(|target| match target {
            Target::Claim(key) => Some(key),
            Target::Pod(_)
            | Target::Report(_)
            | Target::Node(_)
            | Target::Question(_)
            | Target::Voice => None,
        });
        let keys: BTreeSet<_> = written.chain(promised).collect();
        keys.into_iter()
            .filter_map(|key| self.claims.get(key))
            .filter(move |claim| {
                self.intended(claim)
                    .binding
                    .as_ref()
                    .is_some_and(|b| b.instance == *instance)
            })
    }

    /// What is attached to the instance and belongs to no claim.
    pub(super) fn foreign<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> impl Iterator<Item = &'a AttachedEni> {
        let attached = self
            .instances
            .get(instance)
            .and_then(|(i, _)| i.as_ref())
            .into_iter()
            .flat_map(|i| &i.attached);
        attached.filter(move |a| !self.is_ours(&a.eni))
    }

    fn is_ours(&self, eni: &EniId) -> bool {
        self.buried.contains_key(eni) || self.owned.contains_key(eni)
    }

    fn cards(&self, name: &NodeName, instance: &Instance, facts: &TypeFacts) -> Vec<Card> {
        let (mut ours, mut leaving) = (BTreeSet::new(), BTreeSet::new());
        for claim in self.claims_at(name, &instance.id) {
            if let Some(attachment) = &self.intended(claim).attachment {
                ours.insert(attachment.slot);
                if claim.deleting {
                    leaving.insert(attachment.slot);
                }
            }
        }
        let foreign: BTreeSet<Slot> = self.foreign(&instance.id).map(|a| a.slot).collect();
        cards(facts, &foreign, &ours, &leaving)
    }

    fn slot_reports(&self, name: &NodeName, instance: &InstanceId) -> Vec<SlotReport> {
        let ours = self.claims_at(name, instance).filter_map(|claim| {
            let attachment = claim.status.attachment.as_ref()?;
            let eni = claim.status.eni.as_ref();
            Some(SlotReport {
                slot: attachment.slot,
                eni: eni.map(|e| e.id.clone()),
                mac: eni.map(|e| e.mac.clone()),
                claim: Some(claim.key.clone()),
            })
        });
        slots(ours.collect(), self.foreign(instance).cloned())
    }

    /// Pods of ours that run on the node or are about to.
    fn used(&self, name: &NodeName) -> u32 {
        let pods = self
            .pods_on
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|key| self.pods.get(key));
        u32::try_from(pods.filter(|pod| !pod.terminal).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn learn_instances(
        &mut self,
        asked: Vec<InstanceId>,
        found: Vec<Instance>,
        now: Time,
    ) {
        let mut found: std::collections::BTreeMap<_, _> =
            found.into_iter().map(|i| (i.id.clone(), i)).collect();
        for id in asked {
            let mut instance = found.remove(&id);
            if let Some(instance) = &mut instance {
                instance
                    .attached
                    .retain(|a| !self.buried.contains_key(&a.eni));
            }
            let changed = self
                .instances
                .get(&id)
                .is_none_or(|(held, _)| *held != instance);
            self.instances.insert(id.clone(), (instance, now));
            if changed {
                self.mark_nodes_with(&id);
            }
        }
        self.agenda.mark(Target::Question(Topic::Types));
    }

    fn mark_nodes_with(&mut self, id: &InstanceId) {
        let names: Vec<NodeName> = self
            .nodes
            .values()
            .filter(|n| n.instance.as_ref() == Ok(id))
            .map(|n| n.name.clone())
            .collect();
        for name in names {
            self.mark_node(&name);
            self.mark_pods_on(&name);
        }
        let claims = self
            .claims
            .values()
            .filter(|c| c.status.binding.as_ref().is_some_and(|b| b.instance == *id));
        claims.for_each(|claim| self.agenda.mark(Target::Claim(claim.key.clone())));
    }
}
