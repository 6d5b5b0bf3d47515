//! The operator's invariants (docs/architecture.md), at the moment at which EC2 gets a call.

use std::collections::BTreeMap;

use api::tag;
use operator_core::order::Effect;
use vpc::InstanceState;

use super::state::{Cast, Kind, State};

pub fn judge(cast: &Cast, state: &State, k: usize, effect: &Effect) -> Result<(), String> {
    let Some(eni) = effect.eni() else {
        return Ok(());
    };
    let Some(there) = state.vpc.eni(&eni.as_str().into()) else {
        return Ok(());
    };
    if there.tags.get(tag::CLUSTER).map(String::as_str) != Some("c1") {
        return Err(format!("not-ours: {effect:?}"));
    }
    if there.tags.get(tag::CLAIM_UID) != Some(&format!("k{k}-uid")) {
        return Err(format!("one-owner: {effect:?}"));
    }
    match effect {
        Effect::Attach { instance, .. } => {
            let claim = state.claims[k].as_ref();
            let bound = claim.and_then(|claim| claim.status.binding.as_ref());
            if bound.is_none_or(|bound| bound.instance_id != *instance) {
                return Err(format!("right-node: {effect:?} while bound to {bound:?}"));
            }
        }
        Effect::Detach { attachment, .. } => {
            let on = there.attachment();
            let Some(on) = on.filter(|on| on.id.as_str() == attachment.as_str()) else {
                return Ok(());
            };
            let instance = state.vpc.instance(&on.instance).map(|i| i.state);
            let lives = matches!(instance, Some(InstanceState::Running));
            let is_free = state.released.contains(attachment) && !state.plugged.contains_key(eni);
            if lives && !is_free {
                return Err(format!("no-pull: {effect:?}"));
            }
        }
        Effect::Delete { .. } => {
            if cast.claims[k] == Kind::Kept && !state.unwanted.contains(&k) {
                return Err(format!("kept: {effect:?}"));
            }
        }
        Effect::Create(_)
        | Effect::SetSourceDestCheck { .. }
        | Effect::SetDeleteOnTermination { .. }
        | Effect::SetSecurityGroups { .. } => {}
    }
    if let Effect::SetDeleteOnTermination { .. } = effect
        && cast.claims[k] == Kind::Kept
    {
        return Err("kept: it would go with the instance".into());
    }
    Ok(())
}

/// What must hold of EC2 after every change.
pub fn judge_after(state: &State) -> Result<(), String> {
    let mut enis: BTreeMap<&String, u32> = BTreeMap::new();
    for eni in state.vpc.enis() {
        if let Some(claim) = eni.tags.get(tag::CLAIM_UID) {
            *enis.entry(claim).or_default() += 1;
        }
    }
    match enis.iter().find(|(_, count)| **count > 1) {
        Some((claim, count)) => Err(format!("one-eni: {claim} has {count}")),
        None => Ok(()),
    }
}

/// No two claims name one ENI, and no ENI has two pods.
pub fn judge_claims(state: &State) -> Result<(), String> {
    let named = state.claims.iter().flatten();
    let named: Vec<_> = named
        .filter_map(|claim| claim.status.eni.as_ref())
        .collect();
    for (n, eni) in named.iter().enumerate() {
        if named[..n].iter().any(|other| other.id == eni.id) {
            return Err(format!("one-owner: {} is of two claims", eni.id));
        }
    }
    Ok(())
}
