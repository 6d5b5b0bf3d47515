//! What must never be, and what should not be left.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{AttachmentId, Eni, EniId, InstanceId, InstanceState, Subnet, Vpc};

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
            let twice = every_address(eni).any(|address| !addresses.insert((&eni.vpc, address)));
            found.extend(twice.then(|| Violation::AddressTwice(eni.id.clone())));
            let outside = self.subnet(&eni.subnet).is_none_or(|s| is_outside(s, eni));
            found.extend(outside.then(|| Violation::AddressOutside(eni.id.clone())));
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

/// Each address of the interface, also of its IPv4 prefixes, and the first of each IPv6 prefix.
fn every_address(eni: &Eni) -> impl Iterator<Item = IpAddr> {
    let others = &eni.others;
    let in_prefixes = others.ipv4_prefixes.iter().flat_map(|p| p.addresses());
    let ipv4 = eni.ipv4().chain(in_prefixes).map(IpAddr::V4);
    let bases = others.ipv6_prefixes.iter().map(|prefix| prefix.base());
    ipv4.chain(others.ipv6.iter().copied().chain(bases).map(IpAddr::V6))
}

fn is_outside(subnet: &Subnet, eni: &Eni) -> bool {
    every_address(eni).any(|address| match address {
        IpAddr::V4(address) => !subnet.cidr.is_some_and(|cidr| cidr.is_usable(address)),
        IpAddr::V6(address) => !subnet.ipv6.is_some_and(|cidr| cidr.contains(address)),
    })
}
