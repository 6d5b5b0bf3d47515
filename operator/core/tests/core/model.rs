//! Every story of claims by hand and of pods, in which a few things go wrong: two claims, two nodes, pods that follow one another,
//! crashes of the operator, lost answers, stale reads, an instance that ends.
//!
//! What the operator decides comes from the core, what EC2 does from its rules; here is only what happens between them, in any order.
//! Writes of a status are atomic: a crash between two writes is one of the stories, a crash within one leaves what was before or after.

#[path = "model/judge.rs"]
mod judge;
#[path = "model/operator.rs"]
mod operator;
#[path = "model/state.rs"]
mod state;
#[path = "model/surroundings.rs"]
mod surroundings;

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Mutex,
};

use operator_core::{
    claim::{DeviceState, Phase},
    seen::Steady,
};
use stateright::{Checker, HasDiscoveries, Model, Property};
use vpc::{Event, Transition};

use self::state::{Cast, Kind, Left, PodPlan, PodState, State};

const ONCE: Steady = Steady::Once;
/// A story without faults ends within so many steps.
const ENOUGH: usize = 300;
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    /// The operator decides about a claim, and writes or begins what it decided.
    Step(usize),
    /// A call arrives, and its answer does.
    Answered(usize),
    /// A call arrives whose answer gets lost.
    ReplyLost(usize),
    /// A call gets lost.
    CallLost(usize),
    Read(usize),
    /// A read shows the ENI as it was before its last change.
    StaleRead(usize),
    Agent(usize),
    Ec2(Transition),
    Appear(usize),
    DeletePod(usize),
    EndPod(usize),
    DeleteClaim(usize),
    Crash,
    /// A call of an operator that has crashed arrives.
    Arrive(usize),
    /// It never does.
    Vanish(usize),
    LoseNode(usize),
    CollectNode(usize),
    /// Nothing happens to a claim for an hour.
    Age(usize),
}

struct Story {
    cast: Cast,
    mutant: Option<Mutant>,
    /// States of which it is known that they converge.
    good: Mutex<HashSet<u64>>,
}

impl Story {
    fn new(cast: Cast, mutant: Option<Mutant>) -> Self {
        Self {
            cast,
            mutant,
            good: Mutex::default(),
        }
    }

    /// What goes on by itself, in the order in which it does where nothing goes wrong.
    fn inevitable(&self, state: &State) -> Vec<Action> {
        let claims = 0..state.claims.len();
        let mut all: Vec<Action> = (0..state.orphans.len()).map(Action::Arrive).collect();
        for k in claims.clone() {
            if state.flights[k].is_some() {
                all.push(Action::Answered(k));
            }
            all.extend([Action::Step(k), Action::Read(k), Action::Agent(k)]);
        }
        let pending = state.vpc.pending().into_iter();
        let pending = pending.filter(|t| !matches!(t.event, Event::Forgotten(_)));
        all.extend(pending.map(Action::Ec2));
        for (p, pod) in state.pods.iter().enumerate() {
            if *pod == PodState::Deleting {
                all.push(Action::EndPod(p));
            }
        }
        let nodes = 0..state.nodes.len();
        let lost = nodes.filter(|node| Self::may_be_collected(state, *node));
        all.extend(lost.map(Action::CollectNode));
        all.extend(claims.map(Action::Age));
        all
    }

    fn apply(&self, last: &State, action: &Action) -> Option<State> {
        let mut next = last.clone();
        let state = &mut next;
        let has_changed = match action {
            Action::Step(k) => self.step(state, *k),
            Action::Answered(k) => {
                let effect = state.flights[*k].take()?;
                let outcome = self.arrive(state, *k, &effect);
                Self::learn(state, *k, &effect, &outcome);
                true
            }
            Action::ReplyLost(k) | Action::CallLost(k) => {
                state.left.lost -= 1;
                let effect = state.flights[*k].take()?;
                if matches!(action, Action::ReplyLost(_)) {
                    self.arrive(state, *k, &effect);
                }
                Self::learn(state, *k, &effect, &crate::ec2::lost());
                true
            }
            Action::Read(k) => self.read(state, *k, false),
            Action::StaleRead(k) => {
                state.left.stale -= 1;
                let has_changed = self.read(state, *k, true);
                if state.left.stale == 0 {
                    state.before.fill(None);
                }
                has_changed
            }
            Action::Agent(k) => self.agent(state, *k),
            Action::Ec2(transition) => {
                self.fire(state, transition);
                true
            }
            Action::Appear(p) => set(&mut state.pods[*p], PodState::Alive),
            Action::DeletePod(p) => set(&mut state.pods[*p], PodState::Deleting),
            Action::EndPod(p) => set(&mut state.pods[*p], PodState::Gone),
            Action::DeleteClaim(k) => {
                state.left.deletions -= 1;
                state.unwanted.insert(*k);
                state.delete(*k);
                true
            }
            Action::Crash => {
                self.crash(state);
                true
            }
            Action::Arrive(n) => {
                let (k, effect) = state.orphans.remove(*n);
                self.arrive(state, k, &effect);
                true
            }
            Action::Vanish(n) => {
                state.orphans.remove(*n);
                true
            }
            Action::LoseNode(node) => {
                self.lose(state, *node);
                true
            }
            Action::CollectNode(node) => {
                self.collect(state, *node);
                true
            }
            Action::Age(k) => self.age(state, *k),
        };
        if let Err(broken) = judge::judge_claims(state) {
            state.broken.get_or_insert(broken);
        }
        has_changed.then_some(next)
    }

    /// Whether a story ends well from here if nothing more goes wrong.
    fn converges(&self, from: &State) -> Result<(), String> {
        let mut path = vec![fingerprint(from)];
        let mut state = from.clone();
        for _ in 0..ENOUGH {
            if self.good.lock().unwrap().contains(path.last().unwrap()) {
                self.good.lock().unwrap().extend(path);
                return Ok(());
            }
            let mut all = self.inevitable(&state).into_iter();
            let Some(next) = all.find_map(|action| self.apply(&state, &action)) else {
                self.is_at_rest(&state)?;
                self.good.lock().unwrap().extend(path);
                return Ok(());
            };
            if let Some(broken) = next.broken {
                return Err(broken);
            }
            state = next;
            path.push(fingerprint(&state));
        }
        Err(format!("no rest after {ENOUGH} steps: {}", state.picture()))
    }

    /// Of the pods that name a claim one has its ENI; a claim that nobody uses waits, and one that is not wanted is gone.
    fn is_at_rest(&self, state: &State) -> Result<(), String> {
        for (k, claim) in state.claims.iter().enumerate() {
            let mut users = (0..state.pods.len()).filter(|p| {
                let plan = &self.cast.pods[*p];
                plan.claim == k && state.pods[*p] == PodState::Alive && state.runs(plan.node)
            });
            let enis = state.tagged(k);
            let Some(claim) = claim else {
                if enis.is_empty() {
                    continue;
                }
                return Err(format!("{k} has left {enis:?}"));
            };
            let eni = claim.status.eni.as_ref().map(|eni| eni.id.clone());
            let holder = eni.and_then(|eni| state.plugged.get(&eni).copied());
            let is_plugged = claim.device_state() == Some(DeviceState::Plugged);
            let phase = claim.status.phase;
            let is_well = match holder {
                Some(p) => users.any(|user| user == p) && is_plugged && phase == Some(Phase::Ready),
                // A pod of somebody else's claim is the only one that it is for.
                None if matches!(self.cast.claims[k], Kind::Of(p) if state.pods[p] == PodState::Absent) => {
                    true
                }
                None if state.unwanted.contains(&k) => false,
                None => {
                    users.next().is_none() && phase == Some(Phase::Available) && enis.len() == 1
                }
            };
            if !is_well {
                return Err(format!("{k} is not well: {}", state.picture()));
            }
        }
        Ok(())
    }
}

fn set(pod: &mut PodState, to: PodState) -> bool {
    *pod = to;
    true
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
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
        actions.extend(self.inevitable(state));
        actions.extend((0..state.orphans.len()).map(Action::Vanish));
        let left = state.left;
        for k in 0..state.claims.len() {
            if state.flights[k].is_some() && left.lost > 0 {
                actions.extend([Action::ReplyLost(k), Action::CallLost(k)]);
            }
            if state.before[k].is_some() && left.stale > 0 {
                actions.push(Action::StaleRead(k));
            }
            let claim = state.claims[k].as_ref();
            if left.deletions > 0 && claim.is_some_and(|claim| claim.is_kept() && !claim.deleting) {
                actions.push(Action::DeleteClaim(k));
            }
        }
        for (p, plan) in self.cast.pods.iter().enumerate() {
            match state.pods[p] {
                PodState::Absent if state.runs(plan.node) => actions.push(Action::Appear(p)),
                PodState::Alive => actions.push(Action::DeletePod(p)),
                PodState::Absent | PodState::Deleting | PodState::Gone => {}
            }
        }
        if left.crashes > 0 {
            actions.push(Action::Crash);
        }
        if left.nodes > 0 {
            actions.extend(
                (0..state.nodes.len())
                    .filter(|n| state.runs(*n))
                    .map(Action::LoseNode),
            );
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.apply(last, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(HOLDS, |_, state: &State| state.broken.is_none()),
            Property::always(CONVERGES, |story: &Self, state: &State| {
                state.broken.is_some() || story.converges(state).is_ok()
            }),
            Property::sometimes(
                "the second pod has the ENI of the first",
                |_, state: &State| state.plugged.values().any(|pod| *pod == 1),
            ),
        ]
    }
}

fn check(story: Story) -> usize {
    let checker = story
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    if let Some(path) = checker.discovery(HOLDS) {
        let last = path.last_state().clone();
        panic!("{:?}\n{}", path.into_actions(), last.picture());
    }
    if let Some(path) = checker.discovery(CONVERGES) {
        let why = checker.model().converges(path.last_state());
        panic!("{:?}\n{}", path.into_actions(), why.unwrap_err());
    }
    checker.assert_properties();
    assert!(checker.is_done(), "the queue is not empty");
    checker.unique_state_count()
}

fn one_claim(left: Left) -> Cast {
    Cast {
        claims: vec![Kind::Kept],
        pods: vec![PodPlan { node: 0, claim: 0 }, PodPlan { node: 1, claim: 0 }],
        left,
    }
}

#[test]
fn every_story_of_a_claim_that_moves() {
    let left = Left {
        crashes: 0,
        lost: 0,
        stale: 0,
        nodes: 0,
        deletions: 1,
    };
    let count = check(Story::new(one_claim(left), None));
    eprintln!("{count} states");
}
