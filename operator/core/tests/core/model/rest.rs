//! How a story ends once nothing more goes wrong.

use operator_core::claim::{Claim, DeviceState, Phase};

use super::{
    Action, Kind, Story,
    shared::{Shared, key},
    state::{CLAIMS, NODES, PodState, State},
    surroundings::may_be_collected,
};

/// A story without faults ends within so many steps.
const ENOUGH: usize = 300;

impl Story {
    /// What goes on by itself, in the order in which it does where nothing goes wrong.
    pub fn inevitable(state: &State, all: &mut Vec<Action>) {
        all.extend((0..state.orphans.len()).map(Action::Arrive));
        let claims = (0..CLAIMS).filter(|k| state.claims[*k].is_some());
        for k in claims.clone() {
            if state.flights[k].is_some() {
                all.push(Action::Answered(k));
            } else {
                all.extend([Action::Step(k), Action::Read(k)]);
            }
            all.push(Action::Agent(k));
        }
        all.extend((0..state.cloud.pending.len()).map(Action::Ec2));
        for (p, pod) in state.pods.iter().enumerate() {
            if *pod == PodState::Deleting {
                all.push(Action::EndPod(p));
            }
        }
        let lost = (0..NODES).filter(|node| may_be_collected(state, *node));
        all.extend(lost.map(Action::CollectNode));
        all.extend(claims.map(Action::Age));
    }

    /// Whether a story ends well from here if nothing more goes wrong. What is known of a state holds for all that lead to it, too.
    pub fn converges(&self, from: &State) -> Result<(), String> {
        let mut path = Vec::new();
        let mut state = from.clone();
        let mut all = Vec::new();
        while path.len() < ENOUGH {
            let now = key(&state);
            if self.good.find(now).is_some() {
                break;
            }
            path.push(now);
            all.clear();
            Self::inevitable(&state, &mut all);
            let next = all.iter().find_map(|action| self.apply(&state, *action));
            let Some(next) = next else {
                self.is_at_rest(&state)?;
                break;
            };
            if let Some(broken) = next.broken {
                return Err(broken);
            }
            state = next;
        }
        if path.len() == ENOUGH {
            let picture = state.picture();
            return Err(format!(
                "converges: no rest after {ENOUGH} steps: {picture}"
            ));
        }
        for state in path {
            self.good.put(state, ());
        }
        Ok(())
    }

    /// Of the pods that name a claim one has its ENI; a claim that nobody uses waits, and one that is not wanted is gone.
    fn is_at_rest(&self, state: &State) -> Result<(), String> {
        for k in 0..self.cast.claims.len() {
            let Some(claim) = &state.claims[k] else {
                if state.cloud.tagged(k).next().is_some() {
                    return Err(format!("no-leak: {k} has left its ENI"));
                }
                let is_missed = |p: usize| self.uses(state, p, k);
                if let Kind::Of(p) = self.cast.claims[k]
                    && is_missed(p)
                {
                    return Err(format!("converges: p{p} has lost its claim"));
                }
                continue;
            };
            let (phase, is_calm) = self.said(state, k, claim);
            if !is_calm {
                return Err(format!("total: {k} is written again and again"));
            }
            if !self.is_well(state, k, claim, phase) {
                return Err(format!("converges: {k} is not well: {}", state.picture()));
            }
        }
        Ok(())
    }

    fn uses(&self, state: &State, p: usize, k: usize) -> bool {
        let plan = &self.cast.pods[p];
        plan.claim == k && state.pods[p] == PodState::Alive && state.runs(plan.node)
    }

    fn is_well(&self, state: &State, k: usize, claim: &Claim, phase: Option<Phase>) -> bool {
        let mut users = (0..self.cast.pods.len()).filter(|p| self.uses(state, *p, k));
        let eni = claim.status.eni.as_ref().map(|eni| &eni.id);
        let holder = eni.and_then(|eni| state.devices.plugged.get(eni).copied());
        let is_plugged = claim.device_state() == Some(DeviceState::Plugged);
        match holder {
            Some(p) => users.any(|user| user == p) && is_plugged && phase == Some(Phase::Ready),
            // It goes with its pod, or as soon as it is not wanted.
            None if claim.deleting || !claim.is_kept() => false,
            None => {
                let is_one = state.cloud.tagged(k).count() == 1;
                users.next().is_none() && phase == Some(Phase::Available) && is_one
            }
        }
    }

    /// The phase of a claim at rest, and whether its status stays once it is written with all that people read of it.
    fn said(&self, state: &State, k: usize, claim: &Shared<Claim>) -> (Option<Phase>, bool) {
        let grounds = key(&("said", self.grounds(state, k, claim)));
        self.said.get(grounds, || {
            let status = self.decision(state, k, claim).status;
            let phase = status.phase;
            let written = Claim {
                status,
                ..Claim::clone(claim)
            };
            let again = self.decision(state, k, &written);
            let is_calm = again.status == written.status && again.act.is_none();
            (phase, is_calm)
        })
    }
}
