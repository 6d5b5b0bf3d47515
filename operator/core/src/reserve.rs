//! How many ENIs of an instance are left to others: its own, those of the AWS VPC CNI, and the trunk of security groups for pods.

use std::collections::BTreeSet;

use api::{condition::CapacityReason, id::Slot};

use crate::{
    cluster::VpcCni,
    ec2::{AttachedEni, TypeFacts},
    place::PRIMARY,
};

/// What is left to others, as the chart's value `reserve` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reserve {
    /// What the AWS VPC CNI is set to take.
    #[default]
    Auto,
    /// So many ENIs of each instance, its own among them.
    Enis(u32),
}

/// What is left to others on one instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Left {
    /// ENIs on card 0, the instance's own among them.
    pub enis: u32,
    /// ENIs on each other card.
    pub on_others: u32,
    /// Whether one of them will be a trunk, which takes the highest index that it finds free.
    pub awaits_trunk: bool,
    /// Whether others can take slots that are not left to them, as a condition says it.
    pub fenced: (bool, CapacityReason, String),
}

/// Whom an instance is shared with.
#[derive(Debug, Clone, Copy)]
pub struct Neighbours<'a> {
    /// The AWS VPC CNI, where it runs.
    pub cni: Option<&'a VpcCni>,
    /// Whether the node's `CNINode` asks for a trunk.
    pub asks_trunk: bool,
}

impl Neighbours<'_> {
    /// What is left to them on an instance of this type, given what of others is attached to it.
    pub fn left(
        &self,
        reserve: Reserve,
        node: &str,
        facts: &TypeFacts,
        foreign: &[&AttachedEni],
    ) -> Left {
        let trunk = self.asks_trunk || self.cni.is_some_and(|cni| cni.trunk);
        let limit = facts.on_card(PRIMARY.card);
        let most = self.most(trunk, limit);
        let enis = match reserve {
            Reserve::Auto => most.unwrap_or_else(|| self.needs(trunk)),
            Reserve::Enis(enis) => enis,
        };
        let every_card = self.cni.is_some_and(|cni| cni.every_card);
        Left {
            enis: enis.max(1),
            on_others: if every_card { enis } else { 0 },
            awaits_trunk: trunk && !foreign.iter().any(|eni| eni.trunk),
            fenced: self.fenced(node, enis, most, limit),
        }
    }

    /// How many ENIs they take at most on card 0; none: as many as there are slots.
    fn most(&self, trunk: bool, limit: u32) -> Option<u32> {
        let least = 1 + u32::from(trunk);
        match self.cni {
            None => Some(least),
            // ipamd bounds it by what the type can hold: more is no bound (`getMaxENI`).
            Some(cni) => Some(cni.max_enis.filter(|max| *max < limit)?.max(least)),
        }
    }

    /// How many ENIs they take without being asked.
    fn needs(&self, trunk: bool) -> u32 {
        let spare = self.cni.map_or(0, |cni| cni.spare);
        spare.saturating_add(1 + u32::from(trunk))
    }

    fn fenced(
        &self,
        node: &str,
        enis: u32,
        most: Option<u32>,
        limit: u32,
    ) -> (bool, CapacityReason, String) {
        // No more than leaves a slot.
        let advised = enis.clamp(1, limit.saturating_sub(1).max(1));
        match (self.cni, most) {
            (None, Some(most)) if most <= enis => (
                true,
                CapacityReason::NoVpcCni,
                "no AWS VPC CNI runs on the nodes".to_owned(),
            ),
            (Some(_), Some(most)) if most <= enis => (
                true,
                CapacityReason::Fenced,
                format!(
                    "the AWS VPC CNI attaches at most {most} ENIs to {node}, those of eniclaim counted, and {enis} are left to it"
                ),
            ),
            (_, Some(most)) => (
                false,
                CapacityReason::ReserveTooSmall,
                format!(
                    "others may attach {most} ENIs to {node}, and only {enis} are left to them; set the value reserve of the chart to {most} or Auto"
                ),
            ),
            (_, None) => (
                false,
                CapacityReason::Unlimited,
                format!(
                    "the AWS VPC CNI may take every free slot of {node}; set MAX_ENI={advised}, for example, on the DaemonSet kube-system/aws-node"
                ),
            ),
        }
    }
}

impl Left {
    /// How many ENIs are left to others on a card.
    pub fn on(&self, card: u32) -> u32 {
        if card == PRIMARY.card {
            self.enis
        } else {
            self.on_others
        }
    }

    /// The free slots that are left to others: the VPC CNI takes the lowest, a trunk the highest.
    pub fn slots(
        &self,
        facts: &TypeFacts,
        foreign: &BTreeSet<Slot>,
        taken: &BTreeSet<Slot>,
    ) -> BTreeSet<Slot> {
        let of_card = |(card, limit): &(u32, u32)| {
            let card = *card;
            let there = foreign.iter().filter(|slot| slot.card == card).count();
            let missing = usize::try_from(self.on(card)).unwrap_or(usize::MAX);
            let missing = missing.saturating_sub(there);
            let free = (0..*limit).map(move |index| Slot { card, index });
            let free: Vec<Slot> = free.filter(|slot| !taken.contains(slot)).collect();
            let trunk = self.awaits_trunk && card == PRIMARY.card && missing > 0;
            let highest = free.last().copied().filter(|_| trunk);
            let lowest = free.into_iter().take(missing - usize::from(trunk));
            lowest.chain(highest).collect::<Vec<_>>()
        };
        facts.cards.iter().flat_map(of_card).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_set, vec},
        prelude::*,
    };

    use super::*;
    use crate::place::{exists, place};

    fn facts(limits: &[u32]) -> TypeFacts {
        TypeFacts {
            cards: (0..).zip(limits.iter().copied()).collect(),
        }
    }

    fn left(enis: u32, on_others: u32, awaits_trunk: bool) -> Left {
        Left {
            enis,
            on_others,
            awaits_trunk,
            fenced: (true, CapacityReason::Fenced, String::new()),
        }
    }

    #[test]
    fn the_lowest_slots_are_left_and_the_highest_to_a_trunk() {
        let slots = |left: Left, taken: &[u32]| {
            let taken = taken.iter().map(|index| Slot {
                card: 0,
                index: *index,
            });
            let taken: BTreeSet<Slot> = taken.collect();
            let foreign = [PRIMARY].into();
            let slots = left.slots(&facts(&[5, 5]), &foreign, &taken);
            let places = slots.iter().map(|slot| (slot.card, slot.index));
            places.collect::<Vec<_>>()
        };
        assert_eq!(slots(left(1, 0, false), &[0]), []);
        assert_eq!(slots(left(3, 0, false), &[0]), [(0, 1), (0, 2)]);
        assert_eq!(slots(left(3, 0, true), &[0]), [(0, 1), (0, 4)]);
        assert_eq!(slots(left(2, 0, true), &[0, 4]), [(0, 3)]);
        assert_eq!(slots(left(1, 0, true), &[0]), [], "it is counted");
        let on_both = [(0, 1), (1, 0), (1, 1)];
        assert_eq!(slots(left(2, 2, false), &[0]), on_both);
    }

    proptest! {
        /// Whatever others have, ours get what is not theirs of each card, and no more.
        #[test]
        fn ours_leave_to_others_what_is_left_to_them(
            limits in vec(1_u32..9, 1..4),
            others in btree_set((0..4_u32, 0..9_u32), 0..12),
            (enis, on_others, awaits_trunk) in (1..7_u32, 0..4_u32, any::<bool>()),
        ) {
            let (facts, left) = (facts(&limits), left(enis, on_others, awaits_trunk));
            let others = others.into_iter().map(|(card, index)| Slot { card, index });
            let mut foreign: BTreeSet<Slot> = others.filter(|slot| exists(&facts, *slot)).collect();
            foreign.insert(PRIMARY);
            let mut taken = foreign.clone();
            loop {
                let kept = left.slots(&facts, &foreign, &taken);
                let Some(slot) = place(&facts, &taken.union(&kept).copied().collect()) else { break };
                prop_assert!(!kept.contains(&slot));
                taken.insert(slot);
            }
            let on = |slots: &BTreeSet<Slot>, card: u32| u32::try_from(slots.iter().filter(|s| s.card == card).count()).unwrap();
            for (card, limit) in &facts.cards {
                let theirs = on(&foreign, *card).max(left.on(*card)).min(*limit);
                prop_assert_eq!(on(&taken, *card) - on(&foreign, *card), limit - theirs);
            }
        }
    }
}
