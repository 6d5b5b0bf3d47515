//! Whom the instances are shared with: the AWS VPC CNI, and nodes that shall have a trunk.

use std::collections::BTreeSet;

use api::id::NodeName;

use super::{
    Fleet,
    index::Dependency,
    watched::{List, gone, items},
};
use crate::{
    cluster::{CniNode, Key, VpcCni},
    ec2::{Instance, TypeFacts},
    fact::Change,
    reserve::{Left, Neighbours},
};

impl Fleet {
    pub(super) fn learn_vpc_cni(&mut self, change: Change<Key, VpcCni>) {
        let is_all = matches!(change, Change::All(_));
        let cni = items(change).pop().filter(|cni| cni.runs);
        if self.watched.vpc_cni != cni {
            self.watched.vpc_cni = cni;
            let nodes: Vec<NodeName> = self.watched.nodes.keys().cloned().collect();
            for node in &nodes {
                self.look_for_room(node);
            }
        }
        self.complete(List::VpcCni, is_all);
    }

    pub(super) fn learn_cni_nodes(&mut self, change: Change<NodeName, CniNode>) {
        let is_all = matches!(change, Change::All(_));
        for name in gone(&self.watched.cni_nodes, &change, |node| node.name.clone()) {
            self.watched.cni_nodes.remove(&name);
            self.look_for_room(&name);
        }
        for node in items(change) {
            let name = node.name.clone();
            if self.watched.cni_nodes.get(&name) != Some(&node) {
                self.watched.cni_nodes.insert(name.clone(), node);
                self.look_for_room(&name);
            }
        }
        self.complete(List::CniNodes, is_all);
    }

    /// What is left to others has changed: the node's capacity, and whether who waits there gets a slot.
    fn look_for_room(&mut self, name: &NodeName) {
        self.mark_node(name);
        let node = self.watched.nodes.get(name);
        if let Some(Ok(instance)) = node.map(|node| node.instance.clone()) {
            self.wake_up(&Dependency::Slot(instance));
        }
    }

    /// What is left to others on an instance.
    pub(super) fn left(&self, instance: &Instance, facts: &TypeFacts) -> Left {
        let node = self.index.node_of.get(&instance.id);
        let cni_node = node.and_then(|name| self.watched.cni_nodes.get(name));
        let neighbours = Neighbours {
            cni: self.watched.vpc_cni.as_ref(),
            asks_trunk: cni_node.is_some_and(|node| node.trunk),
        };
        let foreign: Vec<_> = self.foreign(&instance.id).collect();
        neighbours.left(
            self.settings.reserve,
            node.map_or(instance.id.as_str(), NodeName::as_str),
            facts,
            &foreign,
        )
    }

    /// The slots of an instance that others have.
    pub(super) fn foreign_slots(&self, instance: &Instance) -> BTreeSet<api::id::Slot> {
        self.foreign(&instance.id).map(|a| a.slot).collect()
    }
}
