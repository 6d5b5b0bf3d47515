//! What the model says of operators that are wrong: each breaks one invariant, and the story says which.

use super::{
    Mutant,
    state::{Cast, Kind, Left},
    stories::{a_claim_that_moves, fault_of, two_claims},
};

fn shows(invariant: &str, mutant: Mutant, cast: Cast) {
    let fault = fault_of(mutant, cast);
    assert!(fault.starts_with(&format!("{invariant}: ")), "{fault}");
}

/// Claims without pods.
fn unused(claims: usize, left: Left) -> Cast {
    Cast {
        claims: vec![Kind::Kept; claims],
        pods: Vec::new(),
        ..two_claims(left)
    }
}

#[test]
fn one_eni_is_broken_by_a_refusal_that_counts_after_a_lost_answer() {
    let left = Left {
        lost: 1,
        refused: 1,
        ..Left::default()
    };
    shows("one-eni", Mutant::ForgetsWhatItSent, unused(1, left));
}

#[test]
fn right_node_is_broken_where_no_attach_is_late() {
    let left = Left {
        crashes: 1,
        ..Left::default()
    };
    let cast = a_claim_that_moves(left);
    shows("right-node", Mutant::TakesNoAttachForLate, cast);
}

#[test]
fn no_pull_is_broken_where_every_host_is_dead() {
    let cast = a_claim_that_moves(Left::default());
    shows("no-pull", Mutant::TakesHostsForDead, cast);
}

#[test]
fn one_owner_is_broken_where_any_claims_eni_is_taken() {
    let cast = unused(2, Left::default());
    shows("one-owner", Mutant::TakesTheOtherClaims, cast);
}

#[test]
fn not_ours_is_broken_where_any_eni_is_taken() {
    let cast = a_claim_that_moves(Left::default());
    shows("not-ours", Mutant::TakesStrangers, cast);
}

#[test]
fn no_leak_is_broken_by_a_search_that_is_not_complete() {
    let left = Left {
        crashes: 1,
        deletions: 1,
        ..Left::default()
    };
    shows("no-leak", Mutant::SearchesInVain, unused(1, left));
}

#[test]
fn kept_is_broken_by_an_operator_that_deletes_what_waits() {
    let cast = unused(1, Left::default());
    shows("kept", Mutant::DeletesWhatIsKept, cast);
}

#[test]
fn total_is_broken_by_a_status_that_is_written_again_and_again() {
    let cast = unused(1, Left::default());
    shows("total", Mutant::WritesWithoutEnd, cast);
}

#[test]
fn converges_is_broken_where_ec2_is_never_read() {
    let cast = unused(1, Left::default());
    shows("converges", Mutant::NeverReads, cast);
}
