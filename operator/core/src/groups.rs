//! The security groups of an ENI in use: how they stand, what is to be done about it, and what people read of it.

use api::{
    ClaimStatus, ConditionStatus, DriftPolicy, SmolStr, Time, ToSmolStr,
    condition::GroupsReason,
    id::SecurityGroupId,
    security_groups::{GroupsSet, GroupsState, same_groups},
    time::SECOND,
};

use crate::{
    claim::Claim,
    ec2::EniView,
    error::ErrorClass,
    message,
    reason::{Note, Reason},
    seen::{Backoff, EniSeen, Seen, Steady},
};

/// A read within this time of our own change may still show the groups before it.
const SHOWS: i64 = 15 * SECOND;
/// What the condition says of nearly every claim: short enough to need no memory of its own.
const IN_SYNC: &str = "has those of its class";

/// What the class says of the groups, and what is known of setting them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupsSeen {
    /// The groups of the class; none while nobody can say.
    pub wanted: Option<Vec<SecurityGroupId>>,
    /// What happens when somebody else changes them.
    pub policy: DriftPolicy,
    /// Whether it is this ENI's turn.
    pub turn: Turn,
    /// Whether EC2 took the groups that the status says were requested.
    pub answer: Answer,
}

/// Whether an ENI may get the groups of its class now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Turn {
    /// It may.
    Now,
    /// Others first.
    Later,
    /// Nobody does, for this reason.
    Halted(String),
}

/// What is known of the call that sets the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Nothing.
    None,
    /// EC2 said that it is done.
    Done,
}

/// How the groups of an ENI stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing<'a> {
    /// Nobody can say: no class, or no read since we last changed the ENI.
    Unknown,
    /// It has those of its class.
    InSync,
    /// The tag `eniclaim.io/hold` freezes those it has.
    Held,
    /// It gets those of the class when its turn comes.
    Behind(Change, &'a Turn),
    /// They are requested, and a read since then showed what was expected: EC2 is to be called.
    Requested,
    /// What was requested is done.
    Done,
    /// They were requested, and meanwhile somebody else changed them.
    Overtaken,
    /// One read, or one soon after our own change, shows others than we set.
    Doubted,
    /// Somebody else changed them, and they are left so.
    Drifted,
}

/// Why groups are to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// The class says others than when they were set.
    Edited,
    /// Somebody else changed them.
    Drift,
}

/// How the groups of the claim's ENI stand.
pub fn standing<'a>(claim: &Claim, seen: &'a Seen, now: Time) -> Standing<'a> {
    let status = &claim.status;
    let groups = &seen.groups;
    let (Some(eni), Some(wanted)) = (&status.eni, &groups.wanted) else {
        return Standing::Unknown;
    };
    let (set, state) = last_set(status);
    if state == GroupsState::Requested && groups.answer == Answer::Done {
        return Standing::Done;
    }
    let EniSeen::Shown(view, steady) = &seen.eni else {
        return Standing::Unknown;
    };
    let is_ours = view.tags.claim.as_ref() == Some(&claim.uid)
        && view.tags.cluster.as_ref() == Some(&seen.cluster.id);
    if !is_ours {
        return Standing::Unknown;
    }
    let is_set = same_groups(&view.groups, set);
    let is_wanted = same_groups(set, wanted);
    if state == GroupsState::Set && is_set && is_wanted {
        return Standing::InSync;
    }
    if view.tags.hold {
        return Standing::Held;
    }
    match state {
        GroupsState::Requested => {
            let is_known = is_set || same_groups(&view.groups, &eni.security_group_ids);
            match (is_known, is_wanted) {
                (false, _) if groups.policy == DriftPolicy::Report => Standing::Overtaken,
                (_, true) => Standing::Requested,
                (_, false) if is_set => Standing::Done,
                (_, false) => Standing::Behind(Change::Edited, &groups.turn),
            }
        }
        GroupsState::Set if is_set => Standing::Behind(Change::Edited, &groups.turn),
        // What somebody else set is what the class has come to say.
        GroupsState::Set if !is_wanted && same_groups(&view.groups, wanted) => {
            Standing::Behind(Change::Edited, &groups.turn)
        }
        GroupsState::Set => {
            let is_young = status
                .security_groups
                .as_ref()
                .is_some_and(|set| is_young(set, now));
            match (steady, groups.policy) {
                _ if is_young => Standing::Doubted,
                (Steady::Once, _) => Standing::Doubted,
                (Steady::Yes, DriftPolicy::Report) => Standing::Drifted,
                (Steady::Yes, DriftPolicy::Correct) => {
                    Standing::Behind(Change::Drift, &groups.turn)
                }
            }
        }
    }
}

/// The groups that were set or requested last, and which of the two.
pub(crate) fn last_set(status: &ClaimStatus) -> (&[SecurityGroupId], GroupsState) {
    match (&status.security_groups, &status.creation, &status.eni) {
        (Some(set), ..) => (&set.ids, set.state),
        (None, Some(creation), _) => (&creation.request.security_group_ids, GroupsState::Set),
        (None, None, Some(eni)) => (&eni.security_group_ids, GroupsState::Set),
        (None, None, None) => (&[], GroupsState::Set),
    }
}

fn is_young(set: &GroupsSet, now: Time) -> bool {
    now.since(set.requested_at) < SHOWS
}

/// When a read that shows other groups than were set is to be believed; none while it is not in doubt.
pub fn doubted_until(claim: &Claim, standing: Standing<'_>, now: Time) -> Option<Time> {
    let set = claim.status.security_groups.as_ref();
    (standing == Standing::Doubted).then(|| set.map_or(now, |set| set.requested_at.after(SHOWS)))
}

/// The groups as the status says them after a look at an ENI in use.
pub fn follow(next: &mut ClaimStatus, seen: &Seen, standing: Standing<'_>) {
    let (Some(eni), set) = (&mut next.eni, &mut next.security_groups) else {
        return;
    };
    match standing {
        Standing::Unknown | Standing::Doubted | Standing::Requested => {}
        Standing::Done => {
            if let Some(set) = set {
                set.state = GroupsState::Set;
                eni.security_group_ids.clone_from(&set.ids);
            }
        }
        Standing::Overtaken => {
            if let Some(set) = set {
                set.state = GroupsState::Set;
                set.ids.clone_from(&eni.security_group_ids);
            }
        }
        Standing::InSync | Standing::Held | Standing::Behind(..) | Standing::Drifted => {
            if let EniSeen::Shown(view, steady) = &seen.eni
                && (*steady == Steady::Yes || standing == Standing::InSync)
                && !same_groups(&view.groups, &eni.security_group_ids)
            {
                eni.security_group_ids.clone_from(&view.groups);
            }
        }
    }
}

/// Writes down that these groups are to be set in place of those that EC2 shows.
pub fn request(next: &mut ClaimStatus, seen: &Seen, ids: &[SecurityGroupId], now: Time) {
    if let (Some(eni), Some(view)) = (&mut next.eni, seen.eni.view())
        && !same_groups(&view.groups, &eni.security_group_ids)
    {
        eni.security_group_ids.clone_from(&view.groups);
    }
    next.security_groups = Some(Box::new(GroupsSet {
        ids: ids.to_vec(),
        state: GroupsState::Requested,
        requested_at: now,
    }));
}

/// The condition `SecurityGroupsInSync`; none: it stays as it is.
pub fn condition(
    claim: &Claim,
    seen: &Seen,
    standing: Standing<'_>,
    refused: Option<&Backoff>,
) -> Option<(ConditionStatus, GroupsReason, SmolStr)> {
    let (reason, message) = match standing {
        Standing::Unknown | Standing::Doubted => return None,
        Standing::InSync => (GroupsReason::InSync, IN_SYNC.into()),
        Standing::Done if is_last_request(claim, seen) => (GroupsReason::InSync, IN_SYNC.into()),
        Standing::Requested if refused.is_some() => {
            let said = refused.map(|backoff| message::refused(claim, backoff).message);
            (GroupsReason::Refused, said.unwrap_or_default().into())
        }
        Standing::Requested | Standing::Done | Standing::Behind(_, Turn::Now) => {
            let what = format!("{} are being set", of_class(claim, seen));
            (GroupsReason::Setting, what.into())
        }
        Standing::Behind(_, Turn::Later) => {
            let what = format!(
                "other ENIs of the class get {} first",
                of_class(claim, seen)
            );
            (GroupsReason::Waiting, what.into())
        }
        Standing::Behind(_, Turn::Halted(why)) => (GroupsReason::Halted, why.to_smolstr()),
        Standing::Overtaken | Standing::Drifted => {
            (GroupsReason::Drifted, drift(claim, seen).message.into())
        }
        Standing::Held => {
            let what = format!(
                "the ENI carries the tag {} and keeps {}; without it, it gets {}",
                api::tag::HOLD,
                shown(seen),
                of_class(claim, seen)
            );
            (GroupsReason::Held, what.into())
        }
    };
    let holds = reason == GroupsReason::InSync;
    Some((ConditionStatus::of(holds), reason, message))
}

/// What is worth an Event: drift, and a refusal.
pub fn alert(
    claim: &Claim,
    seen: &Seen,
    standing: Standing<'_>,
    refused: Option<&Backoff>,
) -> Option<Note> {
    match standing {
        Standing::Drifted | Standing::Behind(Change::Drift, _) => Some(drift(claim, seen)),
        Standing::Requested => refused.map(|backoff| message::refused(claim, backoff)),
        Standing::Unknown
        | Standing::InSync
        | Standing::Held
        | Standing::Behind(Change::Edited, _)
        | Standing::Done
        | Standing::Overtaken
        | Standing::Doubted => None,
    }
}

fn is_last_request(claim: &Claim, seen: &Seen) -> bool {
    let wanted = seen.groups.wanted.as_ref();
    wanted.is_some_and(|wanted| same_groups(last_set(&claim.status).0, wanted))
}

fn drift(claim: &Claim, seen: &Seen) -> Note {
    let eni = claim.status.eni.as_ref();
    // While others are requested, those that it had are the last that EC2 showed.
    let before = match (last_set(&claim.status), eni) {
        ((_, GroupsState::Requested), Some(eni)) => eni.security_group_ids.as_slice(),
        ((set, _), _) => set,
    };
    let what = format!(
        "somebody else changed the security groups of {} from {} to {}",
        eni.map_or("the ENI", |eni| eni.id.as_str()),
        list(before),
        shown(seen)
    );
    let then = match seen.groups.policy {
        DriftPolicy::Report => format!(
            "driftPolicy Report of class {} leaves them so; set them back in EC2, or set driftPolicy Correct",
            claim.class
        ),
        DriftPolicy::Correct => format!("{} are set again", of_class(claim, seen)),
    };
    Note::new(Reason::DriftFound, format!("{what}; {then}"))
}

fn of_class(claim: &Claim, seen: &Seen) -> String {
    let wanted = seen.groups.wanted.as_deref().unwrap_or_default();
    format!("{} of class {}", list(wanted), claim.class)
}

fn shown(seen: &Seen) -> String {
    list(seen.eni.view().map_or(&[], |view: &EniView| &view.groups))
}

/// The condition of an ENI that was just made.
pub fn when_made(
    claim: &Claim,
    seen: &Seen,
    view: &EniView,
) -> Option<(ConditionStatus, GroupsReason, SmolStr)> {
    let wanted = seen.groups.wanted.as_ref()?;
    Some(if same_groups(&view.groups, wanted) {
        (ConditionStatus::True, GroupsReason::InSync, IN_SYNC.into())
    } else {
        let what = format!("gets {} once the pod has it", of_class(claim, seen));
        (ConditionStatus::False, GroupsReason::Waiting, what.into())
    })
}

/// Whether a refusal of the groups stays, so that other ENIs would meet it, too.
pub fn halts(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Terminal
        | ErrorClass::Unlisted
        | ErrorClass::Denied
        | ErrorClass::Credentials
        | ErrorClass::QuotaFull => true,
        ErrorClass::Throttled
        | ErrorClass::Transient
        | ErrorClass::NotYet
        | ErrorClass::State
        | ErrorClass::TokenReused
        | ErrorClass::NodeFull
        | ErrorClass::SubnetFull => false,
    }
}

/// Groups as people read them.
pub fn list(ids: &[SecurityGroupId]) -> String {
    let ids: Vec<&str> = ids.iter().map(SecurityGroupId::as_str).collect();
    ids.join(", ")
}
