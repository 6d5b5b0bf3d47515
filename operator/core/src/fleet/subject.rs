//! Which objects a target belongs to: what a log line about it names.

use api::id::{EniId, InstanceId, NodeName};

use super::Fleet;
use crate::{
    claim::Claim,
    cluster::Key,
    order::{About, Event, Order, Target},
};

/// The objects of one claim, pod or node, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The claim.
    pub claim: Option<Key>,
    /// The pod that it is for.
    pub pod: Option<Key>,
    /// The node of the pod.
    pub node: Option<NodeName>,
    /// The ENI of the claim.
    pub eni: Option<EniId>,
    /// The EC2 instance.
    pub instance: Option<InstanceId>,
}

impl Fleet {
    /// The objects that an order belongs to.
    pub fn subject(&self, order: &Order) -> Subject {
        match order {
            Order::Ec2(order) => self.subject_of(&order.target),
            Order::Write(write) => self.subject_of(&write.object.target()),
            Order::Read(read) => self.subject_of(&read.target()),
            Order::Publish(Event { about, note: _ }) => match about {
                About::Pod(key, _) => self.subject_of_pod(key),
                About::Claim(key, _) => self.subject_of(&Target::Claim(key.clone())),
                About::Node(node, _) | About::Report(node, _) => {
                    self.subject_of(&Target::Node(node.clone()))
                }
                About::Class(..) | About::Cluster(_) => Subject::default(),
            },
        }
    }

    fn subject_of(&self, target: &Target) -> Subject {
        match target {
            Target::Claim(key) => match self.watched.claim(key) {
                Some(claim) => self.subject_of_claim(claim),
                None => Subject {
                    claim: Some(key.clone()),
                    ..Subject::default()
                },
            },
            Target::Orphan(eni) => self.subject_of_orphan(eni),
            Target::Pod(key) | Target::Marks(key) | Target::PodRead(key) => {
                self.subject_of_pod(key)
            }
            Target::Node(node) | Target::Report(node) => Subject {
                instance: self.instance_of(node),
                node: Some(node.clone()),
                ..Subject::default()
            },
            Target::Class(_) | Target::Read(_) => Subject::default(),
        }
    }

    fn subject_of_claim(&self, claim: &Claim) -> Subject {
        let status = &claim.status;
        let binding = status.binding.as_ref();
        let pod = claim.pod_key();
        let pods_node = || self.watched.pods.get(pod.as_ref()?)?.node.clone();
        let node = status.node_name.clone().or_else(pods_node);
        let attached = status.attachment.as_ref().map(|a| &a.instance_id);
        let instance = attached.or(binding.map(|b| &b.instance_id)).cloned();
        Subject {
            instance: instance.or_else(|| self.instance_of(node.as_ref()?)),
            claim: Some(claim.key.clone()),
            pod,
            node,
            eni: status.eni.as_ref().map(|eni| eni.id.clone()),
        }
    }

    fn subject_of_pod(&self, key: &Key) -> Subject {
        let pod = self.watched.pods.get(key);
        let node = pod.and_then(|pod| pod.node.clone());
        let claims = pod.and_then(|pod| self.index.of_pod.get(&pod.uid));
        Subject {
            claim: claims.and_then(|claims| claims.iter().next().cloned()),
            pod: Some(key.clone()),
            instance: node.as_ref().and_then(|node| self.instance_of(node)),
            node,
            ..Subject::default()
        }
    }

    /// Its claim is gone: what its tag and its attachment say is left.
    fn subject_of_orphan(&self, eni: &EniId) -> Subject {
        let record = self.cloud.enis.get(eni);
        let view = record.and_then(|record| record.view.as_ref());
        let attachment = view.and_then(|view| view.attachment.as_ref());
        let instance = attachment.map(|attachment| attachment.instance.clone());
        Subject {
            eni: Some(eni.clone()),
            node: instance
                .as_ref()
                .and_then(|instance| self.index.node_of.get(instance).cloned()),
            instance,
            ..Subject::default()
        }
    }

    fn instance_of(&self, node: &NodeName) -> Option<InstanceId> {
        self.watched.nodes.get(node)?.instance.clone().ok()
    }
}
