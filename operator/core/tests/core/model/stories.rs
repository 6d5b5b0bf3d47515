//! The casts whose stories are all told, and what has to occur in them.

use operator_core::seen::EniSeen;
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{
    CONVERGES, HOLDS, Mutant, Story,
    state::{CLAIMS, Cast, Kind, Left, NodeState, PodPlan, PodState, State},
};

/// What has to occur as far as the cast and its faults go, or the stories show less than they seem to.
pub fn reached(cast: &Cast) -> Vec<Property<Story>> {
    let Left {
        crashes,
        lost,
        stale,
        nodes,
        ..
    } = cast.left;
    let mut all = Vec::new();
    if cast.pods.len() > 1 {
        all.push(Property::sometimes(
            "the second pod waits for the first",
            |_, state: &State| {
                let holder = state.devices.plugged.values().next();
                holder == Some(&0) && state.pods[..2] == [PodState::Alive; 2]
            },
        ));
        all.push(Property::sometimes(
            "the second pod has the ENI of the first",
            |_, state: &State| {
                let holder = state.devices.plugged.values().next();
                holder == Some(&1) && state.pods[0] == PodState::Gone
            },
        ));
    }
    if cast.pods.len() > 1 && nodes > 0 {
        all.push(Property::sometimes(
            "an ENI moves after its node has died",
            |_, state: &State| {
                let holder = state.devices.plugged.values().next();
                holder == Some(&1) && state.nodes[0] == NodeState::Gone
            },
        ));
    }
    if crashes > 0 {
        all.push(Property::sometimes(
            "a call of an operator that has crashed arrives",
            |story: &Story, state: &State| {
                let is_crashed = state.left.crashes < story.cast.left.crashes;
                let is_lost = state.left.lost < story.cast.left.lost;
                is_crashed && !is_lost && (0..CLAIMS).any(|k| is_made_unawares(state, k))
            },
        ));
    }
    if stale > 0 && lost > 0 && !cast.pods.is_empty() {
        all.push(Property::sometimes(
            "a stale read is acted on",
            |story: &Story, state: &State| {
                let is_stale = state.left.stale < story.cast.left.stale;
                is_stale && (0..CLAIMS).any(|k| is_deceived(state, k))
            },
        ));
    }
    all
}

/// Whether EC2 has made an ENI that the operator has not seen.
fn is_made_unawares(state: &State, k: usize) -> bool {
    let claim = state.claims[k].as_ref();
    let is_open = claim.is_some_and(|claim| claim.status.eni.is_none());
    let is_made = state.cloud.tagged(k).next().is_some();
    let is_unseen = state.known[k].eni == EniSeen::Unknown && state.flights[k].is_none();
    is_open && is_made && is_unseen
}

/// Whether a call is on its way whose ENI is attached otherwise than the operator believes.
fn is_deceived(state: &State, k: usize) -> bool {
    let known = state.known[k].eni.view();
    let (Some(known), Some(present)) = (known, state.present(k)) else {
        return false;
    };
    state.flights[k].is_some() && known.attachment != present.attachment
}

/// All stories, two threads: how many states there are.
fn check(cast: Cast) -> usize {
    let checker = Story::new(cast, None).checker().threads(2);
    let failures = HasDiscoveries::AnyFailures;
    let checker = checker.finish_when(failures).spawn_bfs().join();
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

/// What is wrong with the shortest story that shows the mutant.
pub fn fault_of(mutant: Mutant, cast: Cast) -> String {
    let checker = Story::new(cast, Some(mutant)).checker();
    let failures = HasDiscoveries::AnyFailures;
    let checker = checker.finish_when(failures).spawn_bfs().join();
    if let Some(path) = checker.discovery(HOLDS) {
        return path.last_state().broken.clone().unwrap();
    }
    let path = checker.discovery(CONVERGES).expect("nobody notices");
    let why = checker.model().converges(path.last_state());
    why.unwrap_err()
}

const FIRST: PodPlan = PodPlan { node: 0, claim: 0 };
const SECOND: PodPlan = PodPlan { node: 1, claim: 0 };

/// A claim by hand, and two pods that name it, on two nodes.
pub fn a_claim_that_moves(left: Left) -> Cast {
    Cast {
        claims: vec![Kind::Kept],
        pods: vec![FIRST, SECOND],
        left,
    }
}

/// The same beside another claim that no pod names.
pub fn two_claims(left: Left) -> Cast {
    Cast {
        claims: vec![Kind::Kept; 2],
        ..a_claim_that_moves(left)
    }
}

/// A pod, and the claim that is made for it.
pub fn a_pods_claim(left: Left) -> Cast {
    Cast {
        claims: vec![Kind::Of(0)],
        pods: vec![FIRST],
        ..a_claim_that_moves(left)
    }
}

#[test]
fn every_story_of_a_claim_that_moves() {
    let count = check(a_claim_that_moves(Left {
        crashes: 2,
        lost: 1,
        stale: 1,
        nodes: 1,
        ..Left::default()
    }));
    assert!(count >= 1_000_000, "{count} states");
}

#[test]
fn every_story_of_a_claim_of_a_pod() {
    let count = check(a_pods_claim(Left {
        crashes: 2,
        lost: 1,
        refused: 1,
        stale: 1,
        nodes: 1,
        ..Left::default()
    }));
    assert!(count >= 1_000_000, "{count} states");
}

#[test]
fn every_story_of_two_claims() {
    let count = check(two_claims(Left {
        crashes: 1,
        lost: 1,
        ..Left::default()
    }));
    assert!(count >= 1_000_000, "{count} states");
}

/// Both claims with as many faults as one alone: without pods, which the other casts have.
#[test]
fn every_story_of_two_claims_that_wait() {
    let left = Left {
        crashes: 2,
        lost: 1,
        stale: 1,
        deletions: 1,
        ..Left::default()
    };
    let count = check(Cast {
        pods: Vec::new(),
        ..two_claims(left)
    });
    assert!(count >= 100_000, "{count} states");
}

#[test]
fn every_story_of_a_claim_that_is_deleted() {
    let count = check(a_claim_that_moves(Left {
        crashes: 1,
        lost: 1,
        stale: 1,
        deletions: 1,
        ..Left::default()
    }));
    assert!(count >= 100_000, "{count} states");
}
