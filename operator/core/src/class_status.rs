//! The status of a class: what it stands for in EC2, and whether pods can use it.

use api::{
    ClassStatus, Condition, ConditionStatus, Time, ToSmolStr,
    class::{ClassRollout, ClassSubnet, SHOWN},
    condition::kind,
    id::SubnetId,
};

use crate::{
    cluster::Class,
    ec2::Subnet,
    reason::{Note, Reason},
    resolve::{Resolved, State},
    subnet::Subnets,
};

/// The status that is due; none while EC2 is being read: that takes a second, and is no news.
pub fn status(
    class: &Class,
    resolved: &Resolved,
    subnets: &Subnets,
    rollout: Option<ClassRollout>,
    now: Time,
) -> Option<ClassStatus> {
    let states = [&resolved.subnets_state, &resolved.groups_state];
    if states.iter().any(|state| state.is_reading()) {
        return None;
    }
    let condition = |kind: &str, (status, note): (ConditionStatus, Note)| {
        Condition {
            kind: kind.into(),
            status,
            reason: note.reason.as_str().into(),
            message: note.message.chars().take(2_048).collect(),
            last_transition_time: now,
            observed_generation: Some(class.generation),
        }
        .since(&class.status.conditions, now)
    };
    let known = |id: &SubnetId| subnets.get(id)?.subnet.as_ref().map(shown);
    Some(ClassStatus {
        observed_generation: Some(class.generation),
        conditions: vec![
            condition(kind::READY, ready(resolved)),
            condition(kind::SUBNETS_READY, said(&resolved.subnets_state)),
            condition(kind::SECURITY_GROUPS_READY, said(&resolved.groups_state)),
        ],
        subnets: (resolved.subnets.iter())
            .filter_map(known)
            .take(SHOWN)
            .collect(),
        security_group_ids: resolved.groups.iter().take(SHOWN).cloned().collect(),
        rollout,
    })
}

/// What a class lacks, as its condition Ready says: what is wrong before what is not known.
pub fn lacks(resolved: &Resolved) -> Option<Note> {
    match ready(resolved) {
        (ConditionStatus::True, _) => None,
        (ConditionStatus::False | ConditionStatus::Unknown, note) => Some(note),
    }
}

fn ready(resolved: &Resolved) -> (ConditionStatus, Note) {
    let states = [&resolved.subnets_state, &resolved.groups_state];
    let wrong = states.iter().find(|s| matches!(s, State::Wrong(_)));
    if let Some(state) = wrong.or(states.iter().find(|state| !state.is_ready())) {
        return said(state);
    }
    let texts = states.map(|state| said(state).1.message);
    let note = Note::new(Reason::Resolved, texts.join("; "));
    (ConditionStatus::True, note)
}

fn said(state: &State) -> (ConditionStatus, Note) {
    match state {
        State::Ready(what) => (
            ConditionStatus::True,
            Note::new(Reason::Resolved, what.clone()),
        ),
        State::Wrong(note) => (ConditionStatus::False, note.clone()),
        State::Unknown(note) => (ConditionStatus::Unknown, note.clone()),
    }
}

fn shown(subnet: &Subnet) -> ClassSubnet {
    ClassSubnet {
        id: subnet.id.clone(),
        zone: subnet.zone.clone(),
        cidr: subnet.ipv4.map(|block| block.to_smolstr()),
        ipv6_cidr: subnet.ipv6.map(|block| block.to_smolstr()),
    }
}
