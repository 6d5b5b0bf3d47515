//! What must never be, and what should not be left.

use std::collections::{BTreeMap, BTreeSet};

use crate::{AttachmentId, Eni, EniId, InstanceId, InstanceState, Vpc};

/// A broken rule of the world itself, or a call that it cannot answer as EC2 would.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// Two interfaces share an address.
    #[error("{0} has an address that another interface has")]
    AddressTwice(EniId),
    /// An address that the subnet does not hand out.
    #[error("{0} has an address that its subnet does not hand out")]
    AddressOutside(EniId),
    /// Two interfaces share a slot.
    #[error("{0} is in a slot that another attachment has")]
    SlotTwice(AttachmentId),
    /// A card holds more than its limit, or does not exist.
    #[error("a network card of {0} holds more interfaces than it can")]
    CardOverfull(InstanceId),
    /// An attachment to an instance that is gone.
    #[error("{0} is attached to an instance that is gone")]
    NoInstance(EniId),
    /// An interface outside its zone or network.
    #[error("{0} is attached outside its zone or network")]
    OtherPlace(EniId),
    /// A call asked for something that this world does not play.
    #[error("a call was refused because of the simulator: {0}")]
    NotModelled(String),
}

impl Vpc {
    /// Interfaces that some caller made and that still exist: all but the primary ones.
    pub fn leaks(&self) -> impl Iterator<Item = &Eni> {
        self.enis().filter(|eni| !eni.is_primary())
    }

    /// The rules that are broken; always none.
    pub fn violations(&self) -> Vec<Violation> {
        let unmodelled = self.unmodelled.iter().cloned();
        let mut found: Vec<_> = unmodelled.map(Violation::NotModelled).collect();
        let mut addresses = BTreeSet::new();
        let mut slots = BTreeSet::new();
        let mut cards: BTreeMap<_, u32> = BTreeMap::new();
        for eni in self.enis() {
            if !addresses.insert((&eni.vpc, eni.address)) {
                found.push(Violation::AddressTwice(eni.id.clone()));
            }
            if !self
                .subnet(&eni.subnet)
                .is_some_and(|subnet| subnet.cidr.is_usable(eni.address))
            {
                found.push(Violation::AddressOutside(eni.id.clone()));
            }
            let Some(attachment) = eni.attachment() else {
                continue;
            };
            let slot = (&attachment.instance, attachment.card, attachment.device);
            if !slots.insert(slot) {
                found.push(Violation::SlotTwice(attachment.id.clone()));
            }
            *cards
                .entry((&attachment.instance, attachment.card))
                .or_default() += 1;
            found.extend(self.misplaced(eni, &attachment.instance));
        }
        found.extend(cards.into_iter().filter_map(|((id, card), count)| {
            let limit = *self
                .instance(id)?
                .kind
                .cards
                .get(usize::try_from(card).ok()?)
                .unwrap_or(&0);
            (count > limit).then(|| Violation::CardOverfull(id.clone()))
        }));
        found
    }

    fn misplaced(&self, eni: &Eni, instance: &InstanceId) -> Option<Violation> {
        let Some(instance) = self
            .instance(instance)
            .filter(|i| !matches!(i.state, InstanceState::Terminated { .. }))
        else {
            return Some(Violation::NoInstance(eni.id.clone()));
        };
        let home = self.subnet(&instance.subnet)?;
        ((&home.vpc, &home.zone) != (&eni.vpc, &eni.zone))
            .then(|| Violation::OtherPlace(eni.id.clone()))
    }
}
