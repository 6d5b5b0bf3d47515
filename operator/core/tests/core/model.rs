//! Every story of claims by hand and of pods, in which a few things go wrong: two claims, two nodes, pods that follow one another,
//! crashes of the operator, lost answers, stale reads, an instance that ends.
//!
//! What the operator decides comes from the core, what EC2 does from its rules; here is only what happens between them, in any order.
//! Writes of a status are atomic: a crash between two writes is one of the stories, a crash within one leaves what was before or after.

#[path = "model/cloud.rs"]
mod cloud;
#[path = "model/judge.rs"]
mod judge;
#[path = "model/mutants.rs"]
mod mutants;
#[path = "model/operator.rs"]
mod operator;
#[path = "model/rest.rs"]
mod rest;
#[path = "model/seen.rs"]
mod seen;
#[path = "model/shared.rs"]
mod shared;
#[path = "model/state.rs"]
mod state;
#[path = "model/stories.rs"]
mod stories;
#[path = "model/surroundings.rs"]
mod surroundings;

use std::sync::Arc;

use operator_core::{
    Outcome,
    claim::{Claim, Phase},
    order::Effect,
};
use stateright::{Model, Property};

use self::{
    cloud::{Arrived, Cloud},
    operator::Decided,
    shared::{Memo, Shared},
    state::{CLAIMS, Cast, Devices, Kind, Known, NODES, PodState, State},
};

const HOLDS: &str = "the invariants hold";
const CONVERGES: &str = "once faults stop, each claim is used, waits or is gone";

/// A way in which the operator could be wrong. Each breaks one invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// one-eni: a refusal counts although an earlier send of the request had no answer.
    ForgetsWhatItSent,
    /// right-node: an Attach whose answer was lost is taken for one that never was.
    TakesNoAttachForLate,
    /// no-pull: every host is dead.
    TakesHostsForDead,
    /// one-owner: an ENI is taken without a look at whose it is.
    TakesTheOtherClaims,
    /// not-ours: the same, of an ENI without our tags.
    TakesStrangers,
    /// no-leak: a search proves something before it is complete.
    SearchesInVain,
    /// kept: what outlives its pods is deleted with the first.
    DeletesWhatIsKept,
    /// total: the status is written again and again.
    WritesWithoutEnd,
    /// converges: EC2 is never read.
    NeverReads,
}

/// Who acts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    /// The operator decides about a claim, and writes or begins what it decided.
    Step(usize),
    /// A call arrives, and its answer does.
    Answered(usize),
    /// The operator gives up on a call that will arrive at some time, perhaps at once: its answer is lost.
    Late(usize),
    /// A call gets lost.
    CallLost(usize),
    /// EC2 refuses a Create.
    Refused(usize),
    Read(usize),
    /// A read shows the ENI as it was before its last change.
    StaleRead(usize),
    Agent(usize),
    /// The n-th thing that EC2 does by itself.
    Ec2(usize),
    Appear(usize),
    DeletePod(usize),
    EndPod(usize),
    DeleteClaim(usize),
    /// The operator ends; whether the call for each claim still arrives.
    Crash([bool; CLAIMS]),
    /// A call that nobody waits for any more arrives.
    Arrive(usize),
    LoseNode(usize),
    CollectNode(usize),
    /// Nothing happens to a claim for an hour.
    Age(usize),
}

/// A cast, and what has been found out about its states so far.
struct Story {
    cast: Cast,
    mutant: Option<Mutant>,
    /// States of which it is known that they converge.
    good: Memo<()>,
    decided: Memo<Arc<Decided>>,
    said: Memo<(Option<Phase>, bool)>,
    reads: Memo<Option<Shared<Known>>>,
    answers: Memo<Shared<Known>>,
    listed: Memo<Shared<Known>>,
    arrived: Memo<Arrived>,
    clouds: Memo<Shared<Cloud>>,
    agents: Memo<Option<(Shared<Claim>, Shared<Devices>)>>,
    aged: Memo<Option<(Shared<Claim>, Shared<Known>)>>,
    forgotten: Memo<Shared<Claim>>,
    settled: Shared<Known>,
    lost: Shared<Outcome>,
    denied: Shared<Outcome>,
}

impl Story {
    fn new(cast: Cast, mutant: Option<Mutant>) -> Self {
        let denied = crate::ec2::failed("UnauthorizedOperation", "", 403);
        Self {
            cast,
            mutant,
            good: Memo::default(),
            decided: Memo::default(),
            said: Memo::default(),
            reads: Memo::default(),
            answers: Memo::default(),
            listed: Memo::default(),
            arrived: Memo::default(),
            clouds: Memo::default(),
            agents: Memo::default(),
            aged: Memo::default(),
            forgotten: Memo::default(),
            settled: Shared::new(Known::settled()),
            lost: Shared::new(crate::ec2::lost()),
            denied: Shared::new(denied),
        }
    }

    fn apply(&self, last: &State, action: Action) -> Option<State> {
        let mut next = match action {
            Action::Step(k) => self.step(last, k)?,
            Action::Agent(k) => self.agent(last, k)?,
            Action::Age(k) => self.age(last, k)?,
            Action::Read(k) => {
                let known = self.read(last, k, false)?;
                let mut next = last.clone();
                next.known[k] = known;
                next
            }
            Action::StaleRead(k) => {
                let known = self.read(last, k, true)?;
                let mut next = last.clone();
                next.known[k] = known;
                next.left.stale -= 1;
                next
            }
            Action::Answered(_)
            | Action::Late(_)
            | Action::CallLost(_)
            | Action::Refused(_)
            | Action::Ec2(_)
            | Action::Appear(_)
            | Action::DeletePod(_)
            | Action::EndPod(_)
            | Action::DeleteClaim(_)
            | Action::Crash(_)
            | Action::Arrive(_)
            | Action::LoseNode(_)
            | Action::CollectNode(_) => {
                let mut next = last.clone();
                self.happen(&mut next, action);
                next
            }
        };
        self.tidy(&mut next, last);
        if let Err(broken) = judge::judge_claims(&next) {
            next.break_off(broken);
        }
        Some(next)
    }

    /// What always changes something.
    fn happen(&self, state: &mut State, action: Action) {
        match action {
            Action::Answered(k) => {
                let effect = state.flights[k].take().unwrap();
                let outcome = self.arrive(state, k, &effect);
                state.known[k] = self.learn(state, k, &effect, &outcome);
            }
            Action::Late(k) | Action::CallLost(k) => {
                state.left.lost -= 1;
                let effect = state.flights[k].take().unwrap();
                state.known[k] = self.learn(state, k, &effect, &self.lost);
                if action == Action::Late(k) {
                    state.orphans.push((k, effect));
                    state.orphans.sort_by_key(|(k, effect)| (*k, effect.key()));
                }
            }
            Action::Refused(k) => {
                state.left.refused -= 1;
                let effect = state.flights[k].take().unwrap();
                state.known[k] = self.learn(state, k, &effect, &self.denied);
            }
            Action::Ec2(n) => self.fire(state, n),
            Action::Appear(p) => {
                state.pods[p] = PodState::Alive;
                let k = self.cast.pods[p].claim;
                if self.cast.claims[k] == Kind::Of(p) {
                    state.claims[k] = Some(Shared::new(self.cast.claim(k)));
                }
            }
            Action::DeletePod(p) => state.pods[p] = PodState::Deleting,
            Action::EndPod(p) => state.pods[p] = PodState::Gone,
            Action::DeleteClaim(k) => {
                state.left.deletions -= 1;
                state.delete(k);
            }
            Action::Crash(arrives) => self.crash(state, arrives),
            Action::Arrive(n) => {
                let (k, effect) = state.orphans.remove(n);
                self.arrive(state, k, &effect);
            }
            Action::LoseNode(node) => self.lose(state, node),
            Action::CollectNode(node) => self.collect(state, node),
            Action::Step(_)
            | Action::Read(_)
            | Action::StaleRead(_)
            | Action::Agent(_)
            | Action::Age(_) => {}
        }
    }

    /// Whether the pods that use the same claim are there already: they come in the order in which the core would take them. Where a
    /// cast has no other pods, its nodes are alike, so that the stories in another order are the same under other names.
    fn is_next(&self, state: &State, p: usize) -> bool {
        let claim = self.cast.pods[p].claim;
        let mut earlier = self.cast.pods[..p].iter().zip(&state.pods);
        !earlier.any(|(plan, pod)| plan.claim == claim && *pod == PodState::Absent)
    }

    /// What goes wrong with calls and reads.
    fn faults(state: &State, actions: &mut Vec<Action>) {
        let left = state.left;
        for k in 0..CLAIMS {
            let flight = state.flights[k].as_ref();
            if flight.is_some() && left.lost > 0 {
                actions.extend([Action::Late(k), Action::CallLost(k)]);
            }
            if left.refused > 0 && flight.is_some_and(|f| matches!(**f, Effect::Create(_))) {
                actions.push(Action::Refused(k));
            }
            if state.before[k].is_some() && left.stale > 0 {
                actions.push(Action::StaleRead(k));
            }
        }
        if left.crashes > 0 {
            let choices = [0, 1].map(|k| match state.flights[k] {
                Some(_) => &[true, false][..],
                None => &[false],
            });
            for one in choices[0] {
                actions.extend(choices[1].iter().map(|two| Action::Crash([*one, *two])));
            }
        }
        if left.nodes > 0 {
            let up = (0..NODES).filter(|node| state.runs(*node));
            actions.extend(up.map(Action::LoseNode));
        }
    }
}

impl Model for Story {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.cast.beginning()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        Self::inevitable(state, actions);
        Self::faults(state, actions);
        for (k, claim) in state.claims.iter().enumerate() {
            let is_there = |claim: &Shared<Claim>| claim.is_kept() && !claim.deleting;
            if state.left.deletions > 0 && claim.as_ref().is_some_and(is_there) {
                actions.push(Action::DeleteClaim(k));
            }
        }
        for (p, plan) in self.cast.pods.iter().enumerate() {
            match state.pods[p] {
                PodState::Absent if state.runs(plan.node) && self.is_next(state, p) => {
                    actions.push(Action::Appear(p));
                }
                PodState::Alive => actions.push(Action::DeletePod(p)),
                PodState::Absent | PodState::Deleting | PodState::Gone => {}
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.apply(last, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(HOLDS, |_, state: &State| state.broken.is_none()),
            Property::always(CONVERGES, |story: &Self, state: &State| {
                state.broken.is_some() || story.converges(state).is_ok()
            }),
        ];
        all.extend(stories::reached(&self.cast));
        all
    }
}
