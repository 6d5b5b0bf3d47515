//! How many ENIs of ours an instance can hold, by card.

use std::collections::BTreeSet;

use crate::{claim::Slot, cloud::TypeFacts};

/// One network card and what is on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Card {
    /// Index of the card.
    pub index: u32,
    /// How many ENIs EC2 lets onto it.
    pub limit: u32,
    /// How many of them are not ours.
    pub foreign: u32,
    /// How many of them are ours, those on their way out included.
    pub ours: u32,
    /// How many of ours are on their way out: their pods are gone, their slots not yet free.
    pub leaving: u32,
}

impl Card {
    /// What pods of ours may use on this card: in use by them or free.
    pub fn capacity(self) -> u32 {
        self.limit
            .saturating_sub(self.foreign)
            .saturating_sub(self.leaving)
    }
}

/// The cards of an instance, given the slots of others, of ours, and of ours on their way out.
pub fn cards(
    facts: &TypeFacts,
    foreign: &BTreeSet<Slot>,
    ours: &BTreeSet<Slot>,
    leaving: &BTreeSet<Slot>,
) -> Vec<Card> {
    let on = |set: &BTreeSet<Slot>, card: u32| {
        u32::try_from(set.iter().filter(|s| s.card == card).count()).unwrap_or(u32::MAX)
    };
    facts
        .cards
        .iter()
        .map(|(index, limit)| Card {
            index: *index,
            limit: *limit,
            foreign: on(foreign, *index),
            ours: on(ours, *index),
            leaving: on(leaving, *index),
        })
        .collect()
}

/// What is published as the node's resource: never below what its pods use, since kubelet admits them again at its restart.
pub fn published(cards: &[Card], used_by_pods: u32) -> u32 {
    cards
        .iter()
        .map(|card| card.capacity())
        .sum::<u32>()
        .max(used_by_pods)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn capacity_is_limit_less_foreign_less_leaving_on_each_card() {
        let facts = TypeFacts {
            cards: vec![(0, 8), (1, 8)],
        };
        let cards = cards(
            &facts,
            &slots(&[(0, 0), (0, 1)]),
            &slots(&[(0, 7), (1, 7), (1, 6)]),
            &slots(&[(1, 6)]),
        );
        assert_eq!(
            cards.iter().map(|c| c.capacity()).collect::<Vec<_>>(),
            [6, 7]
        );
        assert_eq!(published(&cards, 0), 13);
    }

    #[test]
    fn what_pods_use_is_never_taken_back() {
        let full = cards(
            &TypeFacts {
                cards: vec![(0, 3)],
            },
            &slots(&[(0, 0), (0, 1), (0, 2)]),
            &slots(&[]),
            &slots(&[]),
        );
        assert_eq!(published(&full, 2), 2);
    }
}
