//! What surrounds the operator: EC2, agents, people and time.

use std::sync::Arc;

use api::Time;
use operator_core::{
    Outcome,
    claim::{Claim, Device, DeviceState},
    ec2::{AttachmentState, EniView},
    order::Effect,
    seen::{EniSeen, LateAttach},
};
use vpc::{InstanceState, Transition};

use super::{
    Story,
    judge::judge,
    state::{Known, NOW, NodeState, PAST, PodState, State, now},
};
use crate::ec2;

impl Story {
    /// A call arrives at EC2.
    pub fn arrive(&self, state: &mut State, k: usize, effect: &Effect) -> Outcome {
        if let Err(broken) = judge(&self.cast, state, k, effect) {
            state.broken.get_or_insert(broken);
        }
        let request = ec2::request(effect);
        let outcome = self.changing(state, |state| ec2::call(&mut state.vpc, request, now()));
        if let Err(broken) = super::judge::judge_after(state) {
            state.broken.get_or_insert(broken);
        }
        outcome
    }

    pub fn fire(&self, state: &mut State, transition: &Transition) {
        self.changing(state, |state| state.vpc.fire(transition));
    }

    /// Keeps what was, where a read may still show it.
    fn changing<T>(&self, state: &mut State, change: impl FnOnce(&mut State) -> T) -> T {
        let count = state.claims.len();
        let before: Vec<Option<Arc<EniView>>> = (0..count).map(|k| state.present(k)).collect();
        let result = change(state);
        for (k, before) in before.into_iter().enumerate() {
            if state.left.stale > 0 && before.is_some() && state.present(k) != before {
                state.before[k] = before;
            }
        }
        result
    }

    /// The operator ends, and another one begins with complete lists.
    pub fn crash(&self, state: &mut State) {
        state.left.crashes -= 1;
        for k in 0..state.claims.len() {
            if let Some(effect) = state.flights[k].take() {
                state.orphans.push((k, effect));
            }
            let view = state.present(k);
            let eni = view.map_or(EniSeen::Unknown, |view| EniSeen::Shown(view, super::ONCE));
            state.known[k] = Known::fresh(eni);
        }
        state
            .orphans
            .sort_by_key(|(k, effect)| (*k, effect.action()));
    }

    /// The agent of the claim's node looks at it.
    pub fn agent(&self, state: &mut State, k: usize) -> bool {
        let Some(claim) = state.claims[k].clone() else {
            return false;
        };
        let Some((node, wanted)) = self.wanted(state, &claim, k) else {
            return false;
        };
        let (Some(eni), Some(id)) = (&claim.status.eni, claim.status.attachment_id()) else {
            return false;
        };
        let user = (0..state.pods.len()).find(|p| {
            let user = claim.user();
            user.is_some_and(|user| user.uid == self.cast.pod(*p, PodState::Alive).uid)
        });
        let holder = user.filter(|_| wanted == DeviceState::Plugged);
        let held = state.plugged.get(&eni.id).copied();
        let here = |p: &usize| self.cast.pods[*p].node == node;
        if claim.device_state() == Some(wanted) && held == holder {
            return false;
        }
        match holder {
            Some(pod) => drop(state.plugged.insert(eni.id.clone(), pod)),
            None if held.as_ref().is_none_or(here) => drop(state.plugged.remove(&eni.id)),
            None => {}
        }
        if wanted == DeviceState::Released {
            state.released.insert(id.clone());
        }
        let device = Device {
            node_access: Vec::new(),
            attachment_id: id.clone(),
            state: wanted,
            pod_uid: holder.map(|p| self.cast.pod(p, PodState::Alive).uid),
            container_id: None,
            if_name: None,
            since: NOW,
        };
        if let Some(claim) = &mut state.claims[k] {
            claim.device = Some(device);
        }
        true
    }

    /// Where the agent has the device; none while it does not see it.
    fn wanted(&self, state: &State, claim: &Claim, k: usize) -> Option<(usize, DeviceState)> {
        let (attachment, eni) = (
            claim.status.attachment.as_ref()?,
            claim.status.eni.as_ref()?,
        );
        let name = claim.status.node_name.as_ref()?;
        let node = (0..state.nodes.len())
            .find(|node| name.as_str() == super::state::node_name(*node))
            .filter(|node| state.runs(*node))?;
        let id = attachment.id.as_ref()?;
        if attachment.is_released() {
            return Some((node, DeviceState::Released));
        }
        let on = state.view(&eni.id)?.attachment.clone()?;
        let is_here = state.instance(node) == attachment.instance_id && on.id == *id;
        if !is_here || on.state != AttachmentState::Attached {
            return None;
        }
        let user = claim.user()?;
        let pod = (0..state.pods.len()).find(|p| {
            let plan = &self.cast.pods[*p];
            plan.claim == k
                && plan.node == node
                && self.cast.pod(*p, PodState::Alive).uid == user.uid
        });
        let is_plugged = state.plugged.contains_key(&eni.id);
        let state = match pod.map(|p| state.pods[p]) {
            Some(PodState::Alive) => DeviceState::Plugged,
            Some(PodState::Deleting) if is_plugged => DeviceState::Plugged,
            _ => match claim.device_state() {
                None | Some(DeviceState::Seen) => DeviceState::Seen,
                Some(_) => DeviceState::Home,
            },
        };
        Some((node, state))
    }

    /// An instance ends, and with it all that runs there.
    pub fn lose(&self, state: &mut State, node: usize) {
        state.left.nodes -= 1;
        let instance = state.instance(node).as_str().into();
        state.vpc.terminate(&instance, now()).unwrap();
        state.nodes[node] = NodeState::Lost;
        let pods = &self.cast.pods;
        state.plugged.retain(|_, pod| pods[*pod].node != node);
    }

    /// The object of a lost node goes once its instance has ended, and its pods with it.
    pub fn collect(&self, state: &mut State, node: usize) {
        state.nodes[node] = NodeState::Gone;
        for (p, plan) in self.cast.pods.iter().enumerate() {
            if plan.node == node && state.pods[p] != PodState::Absent {
                state.pods[p] = PodState::Gone;
            }
        }
    }

    pub fn may_be_collected(state: &State, node: usize) -> bool {
        let id = state.instance(node).as_str().into();
        let instance = state.vpc.instance(&id).map(|instance| instance.state);
        state.nodes[node] == NodeState::Lost
            && matches!(instance, Some(InstanceState::Terminated { .. }))
    }

    /// An hour passes for a claim of which nothing is on its way, and for which the operator has nothing to do.
    pub fn age(&self, state: &mut State, k: usize) -> bool {
        let is_on_its_way =
            state.flights[k].is_some() || state.orphans.iter().any(|(of, _)| *of == k);
        let is_busy = |state: &mut State| {
            self.step(&mut state.clone(), k) || self.read(&mut state.clone(), k, false)
        };
        if is_on_its_way || moves_by_itself(state, k) || is_busy(state) {
            return false;
        }
        let before = (state.claims[k].clone(), state.known[k].clone());
        state.before[k] = None;
        let known = &mut state.known[k];
        known.late_attach = LateAttach::Excluded;
        for time in [&mut known.detached, &mut known.detaching] {
            *time = time.map(|_| PAST);
        }
        if let Some(backoff) = &mut known.backoff {
            (backoff.at, backoff.until) = (PAST, PAST);
        }
        if let Some(claim) = &mut state.claims[k] {
            age_claim(claim);
        }
        before != (state.claims[k].clone(), state.known[k].clone())
    }
}

/// Whether EC2 is changing the claim's ENI.
fn moves_by_itself(state: &State, k: usize) -> bool {
    let Some(view) = state.present(k) else {
        return false;
    };
    let attachment = view.attachment.as_ref();
    let is_changing = attachment.is_some_and(|on| on.state != AttachmentState::Attached);
    is_changing || (attachment.is_none() && !view.available)
}

fn age_claim(claim: &mut Claim) {
    let status = &mut claim.status;
    let old = |time: &mut Time| *time = PAST;
    if let Some(attachment) = &mut status.attachment {
        attachment.requested_at.iter_mut().for_each(old);
        attachment.attached_at.iter_mut().for_each(old);
    }
    let timeline = &mut status.timeline;
    for time in [
        &mut timeline.requested,
        &mut timeline.created,
        &mut timeline.attached,
    ] {
        time.iter_mut().for_each(old);
    }
    for condition in &mut status.conditions {
        condition.last_transition_time = PAST;
    }
    if let Some(binding) = &mut status.binding {
        binding.since = PAST;
    }
}
