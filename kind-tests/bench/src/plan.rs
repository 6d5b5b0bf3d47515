//! b-plan: one decision about a claim against one round trip of its status through JSON.

use std::{hint::black_box, sync::Arc};

use api::ClaimStatus;
use operator_core::{
    claim::Claim,
    decision::{Decision, decide},
    ec2::EniView,
    goal::{Goal, Site},
    groups::{Answer, GroupsSeen, Turn},
    reason::{Note, Reason},
    seen::{EniSeen, Host, LateAttach, Search, Seen, Sends, Steady, SubnetSeen},
};

use crate::{
    clock,
    interval::{Interval, float},
    row::{Row, seconds},
    world::makers::{self, START},
};

/// Pairs of batches.
const BATCHES: usize = 400;
/// Decisions or round trips of one batch.
const BATCH: u32 = 100;

/// A claim that is ready, and one whose request was frozen and not sent.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let (ready, view) = ready(7);
    let goal = goal(&ready);
    let ready = compare("b-plan ready", &ready, &seen(&ready, Some(view)), &goal)?;
    let unfinished = makers::unfinished(7);
    let seen = seen(&unfinished, None);
    let unfinished = compare("b-plan unfinished", &unfinished, &seen, &goal)?;
    Ok(vec![ready, unfinished])
}

/// The n-th claim with a status that needs no change, and its ENI.
pub fn ready(number: usize) -> (Claim, EniView) {
    let (mut claim, view) = makers::plugged(number);
    let seen = seen(&claim, Some(view.clone()));
    claim.status = decide(&claim, &seen, &goal(&claim), START).status;
    (claim, view)
}

fn compare(id: &'static str, claim: &Claim, seen: &Seen, goal: &Goal) -> anyhow::Result<Row> {
    let text = serde_json::to_string(&claim.status)?;
    let (mut ours, mut peer, mut ratios) = (0.0, 0.0, Vec::new());
    for _ in 0..BATCHES {
        let start = clock::start();
        for _ in 0..BATCH {
            black_box::<Decision>(decide(black_box(claim), black_box(seen), goal, START));
        }
        let decided = start.spent();
        let start = clock::start();
        for _ in 0..BATCH {
            let status: ClaimStatus = serde_json::from_str(black_box(&text))?;
            black_box(serde_json::to_string(&status)?);
        }
        let converted = start.spent();
        ours += decided;
        peer += converted;
        ratios.push(decided / converted);
    }
    let count = float(BATCHES) * f64::from(BATCH);
    Ok(Row {
        id,
        ours: format!("decide: {}", seconds(ours / count)),
        peer: format!("serde_json: {}", seconds(peer / count)),
        ratio: Interval::median(&ratios),
        goal: 1.0,
        how: format!("median of {BATCHES} pairs of {BATCH}"),
    })
}

fn goal(claim: &Claim) -> Goal {
    let status = &claim.status;
    match (&status.binding, &status.node_name) {
        (Some(binding), Some(node)) => Goal::On(Site {
            pod: binding.pod_uid.clone(),
            pod_name: binding.pod_name.clone(),
            node: node.clone(),
            node_uid: binding.node_uid.clone(),
            instance: binding.instance_id.clone(),
        }),
        _ => Goal::Unclear,
    }
}

fn seen(claim: &Claim, view: Option<EniView>) -> Seen {
    let note = || Note::new(Reason::Reading, "not asked for");
    let subnets = makers::subnets();
    let subnet = view.as_ref().and_then(|view| subnets.get(&view.subnet));
    Seen {
        cluster: makers::cluster(),
        groups: GroupsSeen {
            wanted: view.as_ref().map(|view| view.groups.clone()),
            policy: api::DriftPolicy::Report,
            turn: Turn::Later,
            answer: Answer::None,
        },
        interface: Some(api::Interface::default()),
        preferred: api::IpFamily::IPv4,
        source_dest_check: Some(api::SourceDestCheck::Enabled),
        net_admin: None,
        shape: Err(note()),
        zone: subnet.map(|s| s.zone.clone()),
        slot: Err(note()),
        subnet: subnet.map_or(SubnetSeen::Unread, |s| SubnetSeen::Known(s.clone())),
        host: Host::Alive(claim.status.node_name.clone().unwrap_or_default()),
        eni: view.map_or(EniSeen::Unknown, |view| {
            EniSeen::Shown(Arc::new(view), Steady::Yes)
        }),
        attached_to: claim.status.node_name.clone(),
        other: None,
        sends: Sends::None,
        late_attach: LateAttach::Excluded,
        search: Search::Running,
        backoff: None,
        detached: None,
        detaching: None,
    }
}

#[cfg(test)]
mod tests {
    use operator_core::step::Step;

    use super::*;

    #[test]
    fn the_decisions_are_those_of_a_ready_claim_and_of_one_to_be_created() {
        let (claim, view) = ready(7);
        let seen = seen(&claim, Some(view));
        let decision = decide(&claim, &seen, &goal(&claim), START);
        assert_eq!(
            (decision.step, decision.status),
            (Step::Ready, claim.status)
        );
        let claim = makers::unfinished(7);
        let decision = decide(&claim, &super::seen(&claim, None), &goal(&claim), START);
        assert!(matches!(decision.step, Step::Create(_)));
    }
}
