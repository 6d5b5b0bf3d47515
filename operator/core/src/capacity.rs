//! How many ENIs of ours an instance can hold.

use std::collections::BTreeSet;

use api::{id::Slot, node::Card};

use crate::{ec2::TypeFacts, reserve::Left};

/// The cards of an instance, given the slots that are not ours and what is left to others: of a card they count for the
/// greater of the two.
pub fn cards(facts: &TypeFacts, foreign: &BTreeSet<Slot>, left: &Left) -> Vec<Card> {
    let on = |card: u32| {
        u32::try_from(foreign.iter().filter(|s| s.card == card).count()).unwrap_or(u32::MAX)
    };
    facts
        .cards
        .iter()
        .map(|(index, limit)| {
            let foreign = on(*index);
            let left = left.on(*index).min(*limit);
            Card {
                index: *index,
                limit: *limit,
                foreign,
                reserved: left.saturating_sub(foreign),
            }
        })
        .collect()
}

/// What is published as the node's resource. Slots that are being detached count: they are free in seconds, and a number that
/// falls and rises with every pod makes kubelet reject pods. Never below what pods on the node already request, since
/// kubelet admits them again at its restart, and never above the slots that are there.
pub fn published(cards: &[Card], stuck: u32, requested: u32) -> u32 {
    let slots: u32 = cards.iter().map(|card| card.limit).sum();
    let others = |card: &Card| card.foreign.saturating_add(card.reserved);
    let foreign: u32 = cards.iter().map(others).sum();
    let ours = slots.saturating_sub(foreign).saturating_sub(stuck);
    // The instance's own ENI takes one slot even where it is not listed.
    ours.max(requested.min(slots.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use api::condition::CapacityReason;

    use super::*;

    fn facts(limits: &[u32]) -> TypeFacts {
        TypeFacts {
            cards: (0..).zip(limits.iter().copied()).collect(),
        }
    }

    fn left(enis: u32, on_others: u32) -> Left {
        Left {
            enis,
            on_others,
            awaits_trunk: false,
            fenced: (true, CapacityReason::Fenced, String::new()),
        }
    }

    #[test]
    fn what_is_left_to_others_counts_where_they_have_less() {
        let reserved = |foreign: &[(u32, u32)], left: &Left| {
            let cards = cards(&facts(&[4, 4]), &slots(foreign), left);
            let reserved: Vec<u32> = cards.iter().map(|card| card.reserved).collect();
            (reserved, published(&cards, 0, 0))
        };
        assert_eq!(reserved(&[(0, 0)], &left(1, 0)), (vec![0, 0], 7));
        assert_eq!(reserved(&[(0, 0)], &left(3, 0)), (vec![2, 0], 5));
        let more = [(0, 0), (0, 1), (0, 2)];
        assert_eq!(reserved(&more, &left(2, 0)), (vec![0, 0], 5));
        assert_eq!(reserved(&[(0, 0)], &left(9, 2)), (vec![3, 2], 2));
        let cards = cards(&facts(&[4]), &slots(&[(0, 0)]), &left(4, 0));
        assert_eq!(published(&cards, 0, 2), 2, "what pods use stays");
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
        let cards = cards(&facts(&[8, 8]), &slots(&[(0, 0), (0, 1)]), &left(1, 0));
        assert_eq!(published(&cards, 0, 0), 14);
        assert_eq!(published(&cards, 2, 0), 12);
    }

    #[test]
    fn what_pods_request_is_never_taken_back_and_never_more_than_there_is() {
        let full = cards(&facts(&[3]), &slots(&[(0, 0), (0, 1), (0, 2)]), &left(1, 0));
        assert_eq!(published(&full, 0, 2), 2);
        assert_eq!(published(&full, 0, 9), 2);
    }
}
