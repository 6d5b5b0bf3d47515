//! How many ENIs of ours an instance can hold.

use std::collections::BTreeSet;

use api::{id::Slot, node::Card};

use crate::ec2::TypeFacts;

/// The cards of an instance, given the slots that are not ours.
pub fn cards(facts: &TypeFacts, foreign: &BTreeSet<Slot>) -> Vec<Card> {
    let on = |card: u32| {
        u32::try_from(foreign.iter().filter(|s| s.card == card).count()).unwrap_or(u32::MAX)
    };
    facts
        .cards
        .iter()
        .map(|(index, limit)| Card {
            index: *index,
            limit: *limit,
            foreign: on(*index),
        })
        .collect()
}

/// What is published as the node's resource. Slots that are being detached count: they are free in seconds, and a number that
/// falls and rises with every pod makes kubelet reject pods. Never below what pods on the node already request, since
/// kubelet admits them again at its restart, and never above the slots that are there.
pub fn published(cards: &[Card], stuck: u32, requested: u32) -> u32 {
    let slots: u32 = cards.iter().map(|card| card.limit).sum();
    let foreign: u32 = cards.iter().map(|card| card.foreign).sum();
    let ours = slots.saturating_sub(foreign).saturating_sub(stuck);
    // The instance's own ENI takes one slot even where it is not listed.
    ours.max(requested.min(slots.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(limits: &[u32]) -> TypeFacts {
        TypeFacts {
            cards: (0..).zip(limits.iter().copied()).collect(),
        }
    }

    fn slots(pairs: &[(u32, u32)]) -> BTreeSet<Slot> {
        pairs
            .iter()
            .map(|(card, index)| Slot {
                card: *card,
                index: *index,
            })
            .collect()
    }

    #[test]
    fn capacity_is_what_others_leave_less_what_is_stuck() {
        let cards = cards(&facts(&[8, 8]), &slots(&[(0, 0), (0, 1)]));
        assert_eq!(published(&cards, 0, 0), 14);
        assert_eq!(published(&cards, 2, 0), 12);
    }

    #[test]
    fn what_pods_request_is_never_taken_back_and_never_more_than_there_is() {
        let full = cards(&facts(&[3]), &slots(&[(0, 0), (0, 1), (0, 2)]));
        assert_eq!(published(&full, 0, 2), 2);
        assert_eq!(published(&full, 0, 9), 2);
    }
}
