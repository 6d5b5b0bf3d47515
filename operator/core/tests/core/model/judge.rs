//! The operator's invariants (docs/architecture.md), at the moment at which EC2 gets a call.

use api::id::ClaimUid;
use operator_core::order::Effect;
use vpc::InstanceState;

use super::{
    cloud::Cloud,
    state::{CLAIMS, Cast, State, claim_uid},
};

pub fn judge(cast: &Cast, state: &State, k: usize, effect: &Effect) -> Result<(), String> {
    let Some((eni, there)) = effect.eni().and_then(|id| Some((id, state.cloud.eni(id)?))) else {
        return Ok(());
    };
    if there.tags.cluster.as_deref() != Some("c1") {
        return Err(format!("not-ours: {effect:?}"));
    }
    if there.tags.claim.as_ref().map(ClaimUid::as_str) != Some(claim_uid(k)) {
        return Err(format!("one-owner: {effect:?}"));
    }
    let claim = state.claims[k].as_ref();
    match effect {
        Effect::Detach { attachment, .. } => {
            let Some(on) = there.attachment.as_ref().filter(|on| on.id == *attachment) else {
                return Ok(());
            };
            let node = state.cloud.node_of(&on.instance);
            let lives = node.is_some_and(|node| state.cloud.hosts[node] == InstanceState::Running);
            let devices = &state.devices;
            let is_free =
                devices.released.contains(attachment) && !devices.plugged.contains_key(eni);
            if lives && !is_free {
                return Err(format!("no-pull: {effect:?}"));
            }
        }
        Effect::Delete { .. } => {
            // People alone delete such claims, or the invariant was broken before.
            if cast.is_kept(k) && claim.is_some_and(|claim| !claim.deleting) {
                return Err(format!("kept: {effect:?}"));
            }
        }
        Effect::SetDeleteOnTermination { .. } if cast.is_kept(k) => {
            return Err("kept: it would go with the instance".into());
        }
        Effect::Create(_)
        | Effect::Attach { .. }
        | Effect::SetSourceDestCheck { .. }
        | Effect::SetDeleteOnTermination { .. }
        | Effect::SetSecurityGroups { .. } => {}
    }
    Ok(())
}

/// What EC2 has attached: a late Attach that it refuses harms nobody.
pub fn judge_attached(state: &State, k: usize, effect: &Effect) -> Result<(), String> {
    let Effect::Attach { instance, .. } = effect else {
        return Ok(());
    };
    let claim = state.claims[k].as_ref();
    let bound = claim.and_then(|claim| claim.status.binding.as_ref());
    match bound {
        Some(bound) if bound.instance_id == *instance => Ok(()),
        _ => Err(format!("right-node: {effect:?} while bound to {bound:?}")),
    }
}

/// What must hold of EC2 after every change.
pub fn judge_cloud(cloud: &Cloud) -> Result<(), String> {
    match (0..CLAIMS).find(|k| cloud.tagged(*k).count() > 1) {
        Some(k) => Err(format!("one-eni: claim {k} has several")),
        None => Ok(()),
    }
}

/// No two claims name one ENI.
pub fn judge_claims(state: &State) -> Result<(), String> {
    let [one, other] = state.claims.each_ref().map(|claim| {
        let eni = claim.as_ref()?.status.eni.as_ref();
        eni.map(|eni| &eni.id)
    });
    match one {
        Some(eni) if other == one => Err(format!("one-owner: {eni} is of two claims")),
        _ => Ok(()),
    }
}
