//! What EC2 shows of instances, and which of their network cards it calls full.

use std::collections::BTreeSet;

use api::{
    Time,
    id::{EniId, InstanceId},
    time::SECOND,
};

use super::cloud::Cloud;
use crate::ec2::{Instance, TypeFacts};

/// Two reads this far apart that say the same are taken for the truth.
const CONSISTENT: i64 = 5 * SECOND;

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct InstanceRecord {
    /// As the last read showed it; none: EC2 does not show it.
    pub(super) instance: Option<Instance>,
    /// When that read was asked for.
    pub(super) read: Time,
    /// When the first of the last reads in a row that did not show it was asked for.
    pub(super) absent: Option<Time>,
    /// An ENI that the read showed has gone with its claim since then, and would be taken for another's.
    pub(super) is_outdated: bool,
}

impl InstanceRecord {
    fn shows(&self, eni: &EniId) -> bool {
        let attached = self.instance.iter().flat_map(|i| &i.attached);
        attached.into_iter().any(|a| a.eni == *eni)
    }

    /// Whether EC2 forgot it: a single read may be behind the truth, as all answers of EC2 (API reference, Eventual consistency).
    pub(super) fn is_forgotten(&self) -> bool {
        self.absent
            .is_some_and(|first| self.read.since(first) >= CONSISTENT)
    }
}

/// Cards that EC2 says are full, until they are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Full {
    until: Time,
    cards: BTreeSet<u32>,
}

impl Cloud {
    /// Takes in what is known of an instance, or that nobody asks about it any more; says whether the cluster is in other VPCs
    /// than before.
    pub(super) fn set_instance(&mut self, id: &InstanceId, record: Option<InstanceRecord>) -> bool {
        let vpc = |record: &InstanceRecord| record.instance.as_ref()?.vpc.clone();
        let now = record.as_ref().and_then(vpc);
        let before = match record {
            Some(record) => self.instances.insert(id.clone(), record),
            None => self.instances.remove(id),
        };
        let before = before.as_ref().and_then(vpc);
        if before == now {
            return false;
        }
        let vpcs = &mut self.catalogue.vpcs;
        let known = vpcs.len();
        let mut is_other = false;
        if let Some(vpc) = now {
            *vpcs.entry(vpc).or_default() += 1;
            is_other |= vpcs.len() > known;
        }
        if let Some(vpc) = before
            && let Some(count) = vpcs.get_mut(&vpc)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                vpcs.remove(&vpc);
                is_other = true;
            }
        }
        is_other
    }

    /// An ENI has gone that the last read of an instance may show; says whether it does.
    pub(super) fn outdate(&mut self, id: &InstanceId, eni: &EniId) -> bool {
        let record = self.instances.get_mut(id);
        let Some(record) = record.filter(|record| record.shows(eni)) else {
            return false;
        };
        record.is_outdated = true;
        true
    }

    /// Instances whose last read shows an ENI that has gone.
    pub(super) fn outdated(&self) -> impl Iterator<Item = &InstanceId> {
        let outdated = self.instances.iter().filter(|(_, r)| r.is_outdated);
        outdated.map(|(id, _)| id)
    }

    /// EC2 says that a card of the instance is full.
    pub(super) fn fill(&mut self, id: &InstanceId, card: u32, until: Time) {
        let none = || Full {
            until,
            cards: BTreeSet::new(),
        };
        let full = self.full.entry(id.clone()).or_insert_with(none);
        full.until = until;
        full.cards.insert(card);
    }

    /// When cards that EC2 says are full are tried again.
    pub(super) fn tried_again(&self, id: &InstanceId, now: Time) -> Option<Time> {
        let full = self.full.get(id).filter(|full| full.until > now);
        full.map(|full| full.until)
    }

    /// Cards that are left alone because EC2 says that they are full.
    pub(super) fn full_cards(&self, id: &InstanceId, now: Time) -> impl Iterator<Item = u32> {
        let full = self.full.get(id).filter(|full| full.until > now);
        full.into_iter().flat_map(|full| full.cards.iter().copied())
    }

    /// Whether the whole instance is left alone: all its cards are full, or two of them, since EC2 may have meant the instance.
    pub(super) fn is_full(&self, id: &InstanceId, facts: &TypeFacts, now: Time) -> bool {
        let count = self.full_cards(id, now).count();
        count >= facts.cards.len().clamp(1, 2)
    }
}
