//! What the ENIs of each class are like, as the claims' statuses say, writes under way included.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    ClaimStatus, Condition, ConditionStatus,
    claim::Attachment,
    condition::kind,
    id::{ClassName, SecurityGroupId},
    security_groups::{GroupsSet, GroupsState},
    time::{MINUTE, SECOND},
};

use crate::{claim::Claim, cluster::Key, groups, reason::Reason};

/// A claim that is not Ready any more so soon after it got other groups may be so because of them.
const CAUSED: i64 = 5 * MINUTE;

/// Claims that have an ENI, by class, as their statuses say, writes under way included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct ByClass(BTreeMap<ClassName, OfClass>);

/// The claims of one class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct OfClass {
    claims: BTreeSet<Key>,
    /// How many ENIs have just these groups.
    have: Counts,
    /// How many ENIs are not on their way out.
    pub(super) staying: u32,
    /// How many of those were given just these groups by us, whatever somebody else did to them later.
    given: Counts,
    /// Claims whose groups are requested and not known to be set.
    pub(super) changing: BTreeSet<Key>,
    /// Claims whose groups were changed, and which are not Ready any more.
    pub(super) fallen: BTreeSet<Key>,
}

/// How many ENIs there are of each set of groups, in the order of the groups' ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Counts(BTreeMap<Vec<SecurityGroupId>, u32>);

impl Counts {
    fn add(&mut self, ids: &[SecurityGroupId]) {
        *self.0.entry(sorted(ids)).or_default() += 1;
    }

    fn remove(&mut self, ids: &[SecurityGroupId]) {
        let ids = sorted(ids);
        if let Some(count) = self.0.get_mut(&ids) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&ids);
            }
        }
    }

    fn of(&self, ids: &[SecurityGroupId]) -> u32 {
        self.0.get(&sorted(ids)).copied().unwrap_or(0)
    }
}

impl OfClass {
    /// How many ENIs have these groups.
    pub(super) fn having(&self, groups: &[SecurityGroupId]) -> u32 {
        self.have.of(groups)
    }

    /// How many of those that are not on their way out were given these groups.
    pub(super) fn given(&self, groups: &[SecurityGroupId]) -> u32 {
        self.given.of(groups)
    }
}

impl ByClass {
    pub(super) fn add(&mut self, claim: &Claim, status: &ClaimStatus) {
        let Some(eni) = &status.eni else { return };
        let of = self.0.entry(claim.class.clone()).or_default();
        of.claims.insert(claim.key.clone());
        of.have.add(&eni.security_group_ids);
        if stays(claim, status) {
            of.staying += 1;
            if let Some(ids) = given(status) {
                of.given.add(ids);
            }
        }
        let Some(set) = &status.security_groups else {
            return;
        };
        let ready = status.condition(kind::READY);
        if ready.is_some_and(|ready| ready.status == ConditionStatus::True) {
            if set.state == GroupsState::Requested {
                of.changing.insert(claim.key.clone());
            }
        } else if has_fallen(claim, status, ready, set) {
            of.fallen.insert(claim.key.clone());
        }
    }

    pub(super) fn remove(&mut self, claim: &Claim, status: &ClaimStatus) {
        let (Some(eni), Some(of)) = (&status.eni, self.0.get_mut(&claim.class)) else {
            return;
        };
        for set in [&mut of.claims, &mut of.changing, &mut of.fallen] {
            set.remove(&claim.key);
        }
        of.have.remove(&eni.security_group_ids);
        if stays(claim, status) {
            of.staying = of.staying.saturating_sub(1);
            if let Some(ids) = given(status) {
                of.given.remove(ids);
            }
        }
        if of.claims.is_empty() {
            self.0.remove(&claim.class);
        }
    }

    /// What is known of a class that has claims with ENIs.
    pub(super) fn of(&self, class: &ClassName) -> Option<&OfClass> {
        self.0.get(class)
    }

    /// Claims of a class that have an ENI.
    pub(super) fn claims(&self, class: &ClassName) -> impl Iterator<Item = &Key> {
        self.0.get(class).into_iter().flat_map(|of| &of.claims)
    }
}

fn sorted(ids: &[SecurityGroupId]) -> Vec<SecurityGroupId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

/// Whether the ENI is in a pod, or on its way into one.
fn stays(claim: &Claim, status: &ClaimStatus) -> bool {
    let released = status
        .attachment
        .as_ref()
        .is_some_and(Attachment::is_released);
    let waits = claim.is_kept() && status.binding.is_none();
    !claim.deleting && !released && !waits
}

/// The groups that the ENI was made with or that were set on it last; none while others are being set.
fn given(status: &ClaimStatus) -> Option<&[SecurityGroupId]> {
    let (ids, state) = groups::last_set(status);
    (state == GroupsState::Set).then_some(ids)
}

/// Whether the claim was Ready, and is not any more since it got other groups: one whose pod ends, or whose ENI is gone, is so for
/// another reason, and one that goes to another pod.
fn has_fallen(
    claim: &Claim,
    status: &ClaimStatus,
    ready: Option<&Condition>,
    set: &GroupsSet,
) -> bool {
    let others = [Reason::PodTerminating, Reason::EniLost].map(Reason::as_str);
    let attachment = status.attachment.as_ref();
    let is_used = attachment.is_some_and(|a| a.id.is_some() && !a.is_released());
    let is_of_then = status
        .binding
        .as_ref()
        .is_some_and(|b| b.since <= set.requested_at);
    let is_its_own = !claim.is_kept() || (is_used && is_of_then);
    !claim.deleting
        && is_its_own
        && ready.is_some_and(|ready| {
            let after = ready.last_transition_time.since(set.requested_at);
            (-SECOND..CAUSED).contains(&after) && !others.contains(&ready.reason.as_str())
        })
}
