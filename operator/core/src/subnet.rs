//! Which subnet the next ENI of a class is made in.

use std::{collections::BTreeMap, net::Ipv4Addr};

use api::{
    Time,
    claim::{Address, AddressRole, Ipam},
    class::SubnetPolicy,
    id::{SubnetId, VpcId, Zone},
    time::SECOND,
};

use crate::{
    cluster::Class,
    ec2::Subnet,
    reason::{Note, Reason},
    resolve::Resolved,
};

/// A subnet that somebody waits for is read again so long after the last read.
pub const AGAIN: i64 = 10 * SECOND;

/// What is known of subnets.
pub type Subnets = BTreeMap<SubnetId, SubnetRecord>;

/// What is known of one subnet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubnetRecord {
    /// As the last read showed it; none: EC2 does not know it in this region and account.
    pub subnet: Option<Subnet>,
    /// When that read was asked for.
    pub read: Time,
    /// Addresses promised to Create requests that were on their way when that read was asked for, or were frozen since: the
    /// read may not have counted their ENIs.
    pub promised: u32,
    /// Set while EC2 refuses Creates for want of addresses.
    pub block: Option<Block>,
}

/// A subnet that EC2 says is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    /// Until then nobody tries; then one claim does.
    pub until: Time,
    /// Refusals in a row.
    pub attempts: u32,
}

impl SubnetRecord {
    /// Whether a Create there may succeed.
    pub fn has_room(&self, now: Time) -> bool {
        if self.block.is_some_and(|block| block.until > now) {
            return false;
        }
        self.free() > 0
    }

    /// Addresses that are free, as of the last read, and promised to nobody.
    pub fn free(&self) -> u32 {
        let free = self.subnet.as_ref().map_or(0, |s| s.free);
        free.saturating_sub(self.promised)
    }
}

/// The subnet of the class, by its policy, that lies in this zone and is not known to be full.
pub fn choose<'a>(
    class: &Class,
    resolved: &Resolved,
    zone: &Zone,
    vpc: &VpcId,
    subnets: &'a Subnets,
    now: Time,
) -> Result<&'a Subnet, Note> {
    let known = |id: &SubnetId| subnets.get(id).and_then(|record| record.subnet.as_ref());
    let here: Vec<&Subnet> = resolved
        .subnets
        .iter()
        .filter_map(known)
        .filter(|s| s.zone == *zone && s.vpc == *vpc)
        .collect();
    let has_room = |s: &&&Subnet| {
        subnets
            .get(&s.id)
            .is_some_and(|record| record.has_room(now))
    };
    let mut open = here.iter().filter(has_room);
    let chosen = match class.subnets.policy {
        SubnetPolicy::Ordered => open.next(),
        // Of two with the same number the last one is the greater: the first of the class.
        SubnetPolicy::MostFree => open
            .rev()
            .max_by_key(|s| subnets.get(&s.id).map_or(0, SubnetRecord::free)),
    };
    match chosen {
        Some(subnet) => Ok(subnet),
        None => Err(why_none(class, resolved, zone, vpc, &here)),
    }
}

fn why_none(
    class: &Class,
    resolved: &Resolved,
    zone: &Zone,
    vpc: &VpcId,
    here: &[&Subnet],
) -> Note {
    let name = &class.name;
    if !here.is_empty() {
        let ids = list(here.iter().map(|s| &s.id));
        return Note::new(
            Reason::SubnetFull,
            format!(
                "no free address in {ids} of class {name} in {zone}; free some, or add a subnet of {zone} to the class"
            ),
        );
    }
    if let Some(note) = resolved.subnets_state.trouble() {
        return note.clone();
    }
    Note::new(
        Reason::NoSubnetInZone,
        format!(
            "class {name} has no subnet in {zone} of {vpc}, where the pod's node is; add one to spec.subnets of the class"
        ),
    )
}

/// The addresses of an ENI with what its own subnet says; the router of a VPC's subnet is base + 1 everywhere.
pub fn ipam(addresses: &[Ipv4Addr], subnet: &Subnet) -> Ipam {
    let gateway = Ipv4Addr::from(u32::from(subnet.base).saturating_add(1));
    let address = |address: &Ipv4Addr| Address {
        address: (*address).into(),
        prefix_length: subnet.prefix,
        gateway: gateway.into(),
        role: AddressRole::Primary,
    };
    Ipam {
        addresses: addresses.iter().take(1).map(address).collect(),
    }
}

fn list<'a>(ids: impl Iterator<Item = &'a SubnetId>) -> String {
    ids.map(SubnetId::as_str).collect::<Vec<_>>().join(", ")
}
