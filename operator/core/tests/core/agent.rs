//! The nodes' agents: they see devices, plug them into pods, and give them back when they are asked to.

use std::collections::{BTreeMap, BTreeSet};

use api::id::{AttachmentId, EniId, NodeName, PodUid};
use operator_core::{
    claim::{Claim, Device, DeviceState},
    cluster::{AgentPod, Key, Pod, PodSource},
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
    /// Every attachment that an agent has given back.
    pub released: BTreeSet<AttachmentId>,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            delay: 100,
            looking: false,
            away: BTreeSet::new(),
            plugged: BTreeMap::new(),
            released: BTreeSet::new(),
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
        let seen: Vec<(Key, NodeName, Option<DeviceState>)> = self
            .store
            .claims
            .values()
            .filter_map(|claim| {
                let node = claim.status.node_name.clone()?;
                let is_served = !self.agents.away.contains(&node) && self.runs(&node);
                let has_id = claim.status.attachment_id().is_some();
                (is_served && has_id)
                    .then(|| (claim.key.clone(), node.clone(), self.wanted(claim, &node)))
            })
            .collect();
        for (key, node, state) in seen {
            self.serve(&key, &node, state);
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

    /// Where the agent has the device; none while it does not see it.
    fn wanted(&self, claim: &Claim, node: &NodeName) -> Option<DeviceState> {
        let (attachment, eni) = (
            claim.status.attachment.as_ref()?,
            claim.status.eni.as_ref()?,
        );
        if attachment.is_released() {
            return Some(DeviceState::Released);
        }
        let here = self.store.nodes[node].instance.as_ref().ok() == Some(&attachment.instance_id);
        if !here || !self.has_device(&eni.id) {
            return None;
        }
        let is_plugged = self.agents.plugged.contains_key(&eni.id);
        let pod = self.pod_on(claim, node);
        if pod.is_some_and(|pod| !pod.deleting || is_plugged) {
            return Some(DeviceState::Plugged);
        }
        let is_static = (claim.owner.as_ref()).is_some_and(|o| o.source == PodSource::Static);
        let mirror = claim.pod_key().and_then(|key| self.store.pods.get(&key));
        if is_static && is_plugged && mirror.is_none() {
            // The pod does not end with its mirror.
            return Some(DeviceState::Plugged);
        }
        match claim.device_state() {
            None | Some(DeviceState::Seen) => Some(DeviceState::Seen),
            Some(_) => Some(DeviceState::Home),
        }
    }

    fn serve(&mut self, key: &Key, node: &NodeName, state: Option<DeviceState>) {
        let claim = &self.store.claims[key];
        let (Some(eni), Some(id)) = (&claim.status.eni, claim.status.attachment_id()) else {
            return;
        };
        let owner = claim.user().map(|user| user.uid);
        match (state, &owner) {
            (Some(DeviceState::Plugged), Some(owner)) => {
                let holder = (node.clone(), owner.clone());
                self.agents.plugged.insert(eni.id.clone(), holder);
            }
            _ => {
                self.agents.plugged.remove(&eni.id);
            }
        }
        let Some(state) = state.filter(|state| claim.device_state() != Some(*state)) else {
            return;
        };
        if state == DeviceState::Released {
            self.agents.released.insert(id.clone());
        }
        let device = Device {
            node_access: Vec::new(),
            attachment_id: id.clone(),
            state,
            pod_uid: owner.filter(|_| state == DeviceState::Plugged),
            container_id: None,
            if_name: None,
            since: self.now.whole_second(),
        };
        let claim = claim.clone();
        self.put_claim(Claim {
            device: Some(device),
            ..claim
        });
    }

    /// The pod that the claim is bound to, where it runs here.
    fn pod_on(&self, claim: &Claim, node: &NodeName) -> Option<&Pod> {
        let pod = self.store.pods.get(&claim.pod_key()?)?;
        let bound = claim.status.binding.as_ref()?;
        (pod.uid == bound.pod_uid && !pod.terminal && pod.node.as_ref() == Some(node))
            .then_some(pod)
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
