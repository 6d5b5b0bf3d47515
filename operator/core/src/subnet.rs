//! Which subnet the next ENI of a class is made in.

use std::{collections::BTreeMap, net::Ipv4Addr};

use api::{
    Time,
    claim::{Address, AddressRole, Ipam},
    id::{SubnetId, VpcId, Zone},
    time::SECOND,
};

use crate::{
    cluster::Class,
    ec2::Subnet,
    reason::{Note, Reason},
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
        let free = self.subnet.as_ref().map_or(0, |s| s.free);
        free > self.promised
    }
}

/// The first subnet of the class, in its own order, that lies in this zone and is not known to be full.
pub fn choose<'a>(
    class: &Class,
    zone: &Zone,
    vpc: &VpcId,
    subnets: &'a Subnets,
    now: Time,
) -> Result<&'a Subnet, Note> {
    let known = |id: &SubnetId| subnets.get(id).and_then(|record| record.subnet.as_ref());
    let here: Vec<&Subnet> = class
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
    if let Some(free) = here.iter().find(has_room) {
        return Ok(free);
    }
    Err(why_none(class, zone, vpc, subnets, &here))
}

fn why_none(class: &Class, zone: &Zone, vpc: &VpcId, subnets: &Subnets, here: &[&Subnet]) -> Note {
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
    if class.subnets.iter().any(|id| !subnets.contains_key(id)) {
        return Note::new(
            Reason::Reading,
            format!("the subnets of class {name} are being read from EC2"),
        );
    }
    let missing = |id: &&SubnetId| {
        subnets
            .get(*id)
            .is_some_and(|record| record.subnet.is_none())
    };
    let missing: Vec<&SubnetId> = class.subnets.iter().filter(missing).collect();
    if missing.is_empty() {
        return Note::new(
            Reason::NoSubnetInZone,
            format!(
                "class {name} has no subnet in {zone} of {vpc}, where the pod's node is; add one to spec.subnets.ids of the class"
            ),
        );
    }
    Note::new(
        Reason::SubnetNotFound,
        format!(
            "class {name} names {}, which EC2 does not know in this region and account; correct spec.subnets.ids of the class",
            list(missing.into_iter())
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
