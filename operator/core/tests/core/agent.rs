//! The nodes' agents: they see devices, plug them into pods, and give them back when they are asked to.

use std::collections::{BTreeMap, BTreeSet};

use api::id::{EniId, NodeName, PodUid};
use operator_core::{
    claim::{Claim, Device, DeviceState},
    cluster::{AgentPod, Key, Pod},
};
use vpc::InstanceState;

use super::world::World;

pub struct Agents {
    /// From a change to the look at it.
    pub delay: i64,
    pub looking: bool,
    /// Nodes whose agent does nothing.
    pub away: BTreeSet<NodeName>,
    /// What is in which pod, whatever anybody has written about it.
    pub plugged: BTreeMap<EniId, (NodeName, PodUid)>,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            delay: 100,
            looking: false,
            away: BTreeSet::new(),
            plugged: BTreeMap::new(),
        }
    }
}

impl World {
    /// Every agent that is there looks around once.
    pub fn look(&mut self) {
        self.fill_reports();
        let dead: Vec<EniId> = self
            .agents
            .plugged
            .iter()
            .filter(|(_, (node, _))| !self.runs(node))
            .map(|(eni, _)| eni.clone())
            .collect();
        for eni in dead {
            self.agents.plugged.remove(&eni);
        }
        for claim in self.store.claims.values().cloned().collect::<Vec<_>>() {
            let node = claim.status.node_name.clone();
            let Some(node) = node.filter(|n| self.runs(n) && !self.agents.away.contains(n)) else {
                continue;
            };
            self.serve(claim, &node);
        }
    }

    /// Whether software on the node's instance runs.
    pub fn runs(&self, node: &NodeName) -> bool {
        let node = self.store.nodes.get(node);
        let instance = node.and_then(|n| n.instance.as_ref().ok());
        instance
            .and_then(|id| self.vpc.instance(&id.as_str().into()))
            .is_some_and(|i| i.state == InstanceState::Running)
    }

    fn serve(&mut self, claim: Claim, node: &NodeName) {
        let (Some(attachment), Some(eni)) = (&claim.status.attachment, &claim.status.eni) else {
            return;
        };
        let Some(id) = attachment.id.clone() else {
            return;
        };
        let here = self.store.nodes[node].instance.as_ref().ok() == Some(&attachment.instance_id);
        let pod = self.pod_on(&claim, node);
        let held = self.agents.plugged.get(&eni.id).cloned();
        let is_there = here && self.has_device(&eni.id);
        let pod = pod.filter(|pod| !pod.deleting || held.is_some());
        let state = if attachment.is_released() {
            self.agents.plugged.remove(&eni.id);
            DeviceState::Released
        } else if !is_there {
            self.agents.plugged.remove(&eni.id);
            return;
        } else if let Some(pod) = pod {
            let holder = (node.clone(), pod.uid);
            self.agents.plugged.insert(eni.id.clone(), holder);
            DeviceState::Plugged
        } else {
            self.agents.plugged.remove(&eni.id);
            match claim.device_state() {
                None | Some(DeviceState::Seen) => DeviceState::Seen,
                Some(_) => DeviceState::Home,
            }
        };
        if claim.device_state() == Some(state) {
            return;
        }
        let owner = claim.owner.as_ref().map(|o| o.uid.clone());
        let device = Device {
            attachment_id: id,
            state,
            pod_uid: owner.filter(|_| state == DeviceState::Plugged),
            container_id: None,
            if_name: None,
            since: self.now.whole_second(),
        };
        self.put_claim(Claim {
            device: Some(device),
            ..claim
        });
    }

    /// The pod that the claim is bound to, where it runs here.
    fn pod_on(&self, claim: &Claim, node: &NodeName) -> Option<Pod> {
        let pod = self.store.pods.get(&claim.pod_key()?)?;
        let bound = claim.status.binding.as_ref()?;
        (pod.uid == bound.pod_uid && !pod.terminal && pod.node.as_ref() == Some(node))
            .then(|| pod.clone())
    }

    fn has_device(&self, eni: &EniId) -> bool {
        let eni = self.vpc.eni(&eni.as_str().into());
        eni.and_then(|e| e.attachment())
            .is_some_and(|a| a.state == vpc::AttachmentState::Attached)
    }

    /// An agent fills the report on its node.
    fn fill_reports(&mut self) {
        for node in self.store.nodes.values().cloned().collect::<Vec<_>>() {
            if self.agents.away.contains(&node.name) || !self.runs(&node.name) {
                continue;
            }
            let key = Key::new("eniclaim", &format!("agent-{}", node.name));
            let Some(AgentPod { uid, .. }) = self.store.agent_pods.get(&key).cloned() else {
                continue;
            };
            let agent = Some((node.boot.clone(), uid));
            if let Some(report) = self.store.reports.get(&node.name).cloned()
                && report.agent != agent
            {
                self.put_report(operator_core::cluster::NodeReport { agent, ..report });
            }
        }
    }
}
