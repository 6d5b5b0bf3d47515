//! What surrounds the operator: EC2, agents, people and time.

use std::sync::Arc;

use api::Time;
use operator_core::{
    Outcome,
    claim::{Claim, Device, DeviceState},
    ec2::{AttachmentState, EniView},
    order::Effect,
    seen::{EniSeen, LateAttach, Steady},
};
use vpc::InstanceState;

use super::{
    Story,
    cloud::{Cloud, mentions, moves_by_itself},
    judge::{judge, judge_attached, judge_cloud},
    shared::{Shared, key},
    state::{CLAIMS, Devices, Known, NOW, NodeState, PAST, PodState, State, pod_uid},
};

impl Story {
    /// A call arrives at EC2.
    pub fn arrive(&self, state: &mut State, k: usize, effect: &Shared<Effect>) -> Shared<Outcome> {
        if let Err(broken) = judge(&self.cast, state, k, effect) {
            state.break_off(broken);
        }
        let mentioned = match **effect {
            Effect::Create(_) | Effect::Attach { .. } => mentioned(state, k),
            _ => 0,
        };
        let grounds = key(&(&state.cloud, k, effect, mentioned));
        let call = || state.cloud.call(k, effect, mentioned);
        let arrived = self.arrived.get(grounds, call);
        if let Outcome::Attached(_) = *arrived.outcome
            && let Err(broken) = judge_attached(state, k, effect)
        {
            state.break_off(broken);
        }
        move_on(state, arrived.cloud);
        arrived.outcome
    }

    /// Something that EC2 does by itself happens.
    pub fn fire(&self, state: &mut State, n: usize) {
        let fire = || Shared::new(state.cloud.fire(n));
        let next = self.clouds.get(key(&(&state.cloud, n)), fire);
        move_on(state, next);
    }

    /// An instance ends, and with it all that runs there.
    pub fn lose(&self, state: &mut State, node: usize) {
        state.left.nodes -= 1;
        let terminate = || Shared::new(state.cloud.terminate(node));
        let next = self
            .clouds
            .get(key(&(&state.cloud, "ends", node)), terminate);
        move_on(state, next);
        state.nodes[node] = NodeState::Lost;
        let mut devices = Devices::clone(&state.devices);
        let pods = &self.cast.pods;
        devices.plugged.retain(|_, pod| pods[*pod].node != node);
        state.devices = Shared::new(devices);
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

    /// The operator ends, and another one begins with complete lists. A call that is lost on its way is lost now: one that is lost
    /// later only keeps the claim longer from being searched for and from ageing.
    pub fn crash(&self, state: &mut State, arrives: [bool; CLAIMS]) {
        state.left.crashes -= 1;
        for (k, arrives) in arrives.into_iter().enumerate() {
            let effect = state.flights[k].take().filter(|_| arrives);
            state.orphans.extend(effect.map(|effect| (k, effect)));
            let shown = |view: &Shared<EniView>| {
                EniSeen::Shown(Arc::new(EniView::clone(view)), Steady::Once)
            };
            let present = state.present(k);
            let late_attach = late_attach(state.claims[k].as_deref());
            let fresh = || {
                let eni = present.map_or(EniSeen::Unknown, shown);
                Shared::new(Known::fresh(eni, late_attach))
            };
            state.known[k] = self.listed.get(
                key(&present) ^ u64::from(late_attach == LateAttach::Possible),
                fresh,
            );
        }
        state.orphans.sort_by_key(|(k, effect)| (*k, effect.key()));
    }

    /// The agent of the claim's node looks at it.
    pub fn agent(&self, state: &State, k: usize) -> Option<State> {
        let claim = state.claims[k].as_ref()?;
        claim.status.attachment.as_ref()?.id.as_ref()?;
        let around = (state.pods, state.nodes, &state.cloud, &state.devices);
        let looks = || self.look(state, claim, k);
        let (claim, devices) = self.agents.get(key(&(k, claim, around)), looks)?;
        let mut next = state.clone();
        next.claims[k] = Some(claim);
        next.devices = devices;
        Some(next)
    }

    fn look(
        &self,
        state: &State,
        claim: &Claim,
        k: usize,
    ) -> Option<(Shared<Claim>, Shared<Devices>)> {
        let (node, wanted) = self.wanted(state, claim, k)?;
        let (eni, id) = (claim.status.eni.as_ref()?, claim.status.attachment_id()?);
        let user = claim.user();
        let is_user = |p: &usize| user.as_ref().is_some_and(|u| u.uid.as_str() == pod_uid(*p));
        let user = (0..self.cast.pods.len()).find(is_user);
        let holder = user.filter(|_| wanted == DeviceState::Plugged);
        let held = state.devices.plugged.get(&eni.id).copied();
        let here = |p: usize| self.cast.pods[p].node == node;
        if claim.device_state() == Some(wanted) && held == holder {
            return None;
        }
        let mut devices = Devices::clone(&state.devices);
        match holder {
            Some(pod) => drop(devices.plugged.insert(eni.id.clone(), pod)),
            None if held.is_none_or(here) => drop(devices.plugged.remove(&eni.id)),
            None => {}
        }
        if wanted == DeviceState::Released && state.cloud.has(id.as_str()) {
            devices.released.insert(id.clone());
        }
        let device = Device {
            node_access: Vec::new(),
            attachment_id: id.clone(),
            state: wanted,
            pod_uid: holder.map(|p| pod_uid(p).into()),
            container_id: None,
            if_name: None,
            since: NOW,
        };
        let claim = Claim {
            device: Some(device),
            ..claim.clone()
        };
        Some((Shared::new(claim), Shared::new(devices)))
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
        let on = state.cloud.eni(&eni.id)?.attachment.as_ref()?;
        let is_here = state.cloud.instances[node] == attachment.instance_id && on.id == *id;
        if !is_here || on.state != AttachmentState::Attached {
            return None;
        }
        let user = claim.user()?;
        let mut pods = self.cast.pods.iter().enumerate();
        let pod = pods.find(|(p, plan)| {
            plan.claim == k && plan.node == node && user.uid.as_str() == pod_uid(*p)
        });
        let is_plugged = state.devices.plugged.contains_key(&eni.id);
        let device = match pod.map(|(p, _)| state.pods[p]) {
            Some(PodState::Alive) => DeviceState::Plugged,
            Some(PodState::Deleting) if is_plugged => DeviceState::Plugged,
            _ => match claim.device_state() {
                None | Some(DeviceState::Seen) => DeviceState::Seen,
                Some(_) => DeviceState::Home,
            },
        };
        Some((node, device))
    }

    /// An hour passes for a claim of which nothing is on its way, and for which the operator has nothing to do.
    pub fn age(&self, state: &State, k: usize) -> Option<State> {
        let claim = state.claims[k].as_ref()?;
        let is_on_its_way =
            state.flights[k].is_some() || state.orphans.iter().any(|(of, _)| *of == k);
        let is_moving = state.present(k).is_some_and(|view| moves_by_itself(view));
        if is_on_its_way || is_moving || self.is_busy(state, k) {
            return None;
        }
        let known = &state.known[k];
        let (claim, known) = self.aged.get(key(&(claim, known)), || aged(claim, known))?;
        let mut next = state.clone();
        next.claims[k] = Some(claim);
        next.known[k] = known;
        next.before[k] = None;
        Some(next)
    }

    /// Takes out what can make no difference any more, so that stories that differ in nothing else are one.
    pub fn tidy(&self, state: &mut State, last: &State) {
        let cloud = &state.cloud;
        state.orphans.retain(|(_, effect)| cloud.minds(effect));
        if cloud.key() != last.cloud.key() {
            let Devices { plugged, released } = &*state.devices;
            let is_old = plugged.keys().any(|eni| cloud.eni(eni).is_none())
                || released.iter().any(|id| !cloud.has(id.as_str()));
            if is_old {
                let mut devices = Devices::clone(&state.devices);
                devices.plugged.retain(|eni, _| cloud.eni(eni).is_some());
                devices.released.retain(|id| cloud.has(id.as_str()));
                state.devices = Shared::new(devices);
            }
        }
        for k in 0..CLAIMS {
            if state.claims[k].is_none() {
                state.known[k] = self.settled.clone();
            }
            // A read that shows what is there is not stale.
            if state.left.stale == 0 || state.before[k].as_ref() == state.present(k) {
                state.before[k] = None;
            }
            self.tidy_device(state, k);
        }
    }

    /// What the agent reported of an attachment counts for that one alone: once nothing shows it any more it is gone for good.
    fn tidy_device(&self, state: &mut State, k: usize) {
        let Some(claim) = &state.claims[k] else {
            return;
        };
        let Some(id) = claim.device.as_ref().map(|device| &device.attachment_id) else {
            return;
        };
        let on = state.known[k]
            .eni
            .view()
            .and_then(|v| v.attachment.as_ref());
        let before = state.before[k].as_ref();
        let before = before.and_then(|view| view.attachment.as_ref());
        let is_shown = [on, before].into_iter().flatten().any(|on| on.id == *id);
        if claim.status.attachment_id() == Some(id) || is_shown || state.cloud.has(id.as_str()) {
            return;
        }
        let forget = || {
            Shared::new(Claim {
                device: None,
                ..Claim::clone(claim)
            })
        };
        state.claims[k] = Some(self.forgotten.get(claim.key(), forget));
    }
}

/// EC2 is as in `next`; what was is kept where a read may still show it.
fn move_on(state: &mut State, next: Shared<Cloud>) {
    let before = [0, 1].map(|k| state.present(k).cloned());
    state.cloud = next;
    for (k, before) in before.into_iter().enumerate() {
        if state.left.stale > 0 && before.is_some() && state.present(k) != before.as_ref() {
            state.before[k] = before;
        }
    }
    if let Err(broken) = judge_cloud(&state.cloud) {
        state.break_off(broken);
    }
}

/// The names of claim `k` that anything still mentions.
fn mentioned(state: &State, k: usize) -> u64 {
    let orphans = state.orphans.iter().map(|(_, effect)| mentions(effect));
    let flights = state.flights.iter().flatten().map(mentions);
    let claims = state.claims.iter().flatten().map(mentions);
    let before = state.before.iter().flatten().map(mentions);
    let known = state.known.iter().map(mentions);
    let all = orphans.chain(flights).chain(claims).chain(before);
    let all = all
        .chain(known)
        .chain([mentions(&state.cloud), mentions(&state.devices)]);
    all.fold(0, |all, some| all | some) & super::cloud::names_of(k)
}

pub fn may_be_collected(state: &State, node: usize) -> bool {
    let has_ended = matches!(state.cloud.hosts[node], InstanceState::Terminated { .. });
    state.nodes[node] == NodeState::Lost && has_ended
}

fn aged(claim: &Shared<Claim>, known: &Shared<Known>) -> Option<(Shared<Claim>, Shared<Known>)> {
    let mut then = Known::clone(known);
    then.late_attach = LateAttach::Excluded;
    // Only whether it was just now counts.
    then.detached = None;
    then.detaching = then.detaching.map(|_| PAST);
    if let Some(backoff) = &mut then.backoff {
        (backoff.at, backoff.until) = (PAST, PAST);
    }
    let mut old = Claim::clone(claim);
    let past = |time: &mut Time| *time = PAST;
    if let Some(attachment) = &mut old.status.attachment {
        attachment.requested_at.iter_mut().for_each(past);
    }
    old.status.timeline.created.iter_mut().for_each(past);
    let is_news = then != **known || old != **claim;
    is_news.then(|| (Shared::new(old), Shared::new(then)))
}

/// Whether an Attach of the operator that has ended may not have arrived yet, as the claim tells the next one.
fn late_attach(claim: Option<&Claim>) -> LateAttach {
    let attachment = claim.and_then(|claim| claim.status.attachment.as_ref());
    match attachment {
        Some(on) if on.id.is_none() || on.requested_at == Some(NOW) => LateAttach::Possible,
        Some(_) | None => LateAttach::Excluded,
    }
}
