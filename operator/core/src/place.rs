//! Which slot of an instance an ENI takes.

use std::collections::BTreeSet;

use api::id::Slot;

use crate::ec2::TypeFacts;

/// The slot to attach at: the highest free index, since the AWS VPC CNI takes the lowest, of the card with the most room.
/// `taken` is every slot in use or promised, ours and others'. None: the instance is full.
pub fn place(facts: &TypeFacts, taken: &BTreeSet<Slot>) -> Option<Slot> {
    let room = |card: u32, limit: u32| {
        let used = taken.iter().filter(|slot| slot.card == card).count();
        usize::try_from(limit).unwrap_or(0).saturating_sub(used)
    };
    // `rev`, since max_by_key takes the last of equals: the lowest card wins.
    let (card, limit) = facts
        .cards
        .iter()
        .copied()
        .rev()
        .max_by_key(|(card, limit)| room(*card, *limit))?;
    if room(card, limit) == 0 {
        return None;
    }
    (0..limit)
        .rev()
        .map(|index| Slot { card, index })
        .find(|slot| !taken.contains(slot) && *slot != PRIMARY)
}

/// Whether an instance of this type has that slot at all.
pub fn exists(facts: &TypeFacts, slot: Slot) -> bool {
    facts
        .cards
        .iter()
        .any(|(card, limit)| *card == slot.card && slot.index < *limit)
}

/// The instance's own ENI is always here, listed or not.
pub const PRIMARY: Slot = Slot { card: 0, index: 0 };

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn slots_are_taken_from_the_top() {
        let m5 = TypeFacts {
            cards: vec![(0, 3)],
        };
        assert_eq!(
            place(&m5, &slots(&[(0, 0)])),
            Some(Slot { card: 0, index: 2 })
        );
        assert_eq!(
            place(&m5, &slots(&[(0, 0), (0, 2)])),
            Some(Slot { card: 0, index: 1 })
        );
        assert_eq!(place(&m5, &slots(&[(0, 0), (0, 1), (0, 2)])), None);
    }

    #[test]
    fn the_emptier_card_goes_first_and_a_full_one_never() {
        let two = TypeFacts {
            cards: vec![(0, 2), (1, 2)],
        };
        assert_eq!(
            place(&two, &slots(&[(0, 0)])),
            Some(Slot { card: 1, index: 1 })
        );
        assert_eq!(
            place(&two, &slots(&[(0, 0), (1, 1), (1, 0)])),
            Some(Slot { card: 0, index: 1 })
        );
        // A card may be full by count although indexes within its limit are free: others may use higher ones.
        assert_eq!(
            place(
                &TypeFacts {
                    cards: vec![(0, 2)]
                },
                &slots(&[(0, 0), (0, 9)])
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn filling_an_instance_gives_each_slot_once(limits in proptest::collection::vec(1_u32..9, 1..5)) {
            let facts = TypeFacts { cards: limits.iter().enumerate().map(|(card, limit)| (u32::try_from(card).unwrap(), *limit)).collect() };
            let mut taken = slots(&[(0, 0)]);
            while let Some(slot) = place(&facts, &taken) {
                prop_assert!(exists(&facts, slot));
                prop_assert!(taken.insert(slot));
            }
            prop_assert_eq!(taken.len(), usize::try_from(limits.iter().sum::<u32>()).unwrap());
        }
    }
}
