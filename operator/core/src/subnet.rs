//! Which subnet the next ENI of a class is made in.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::{
    claim::Address,
    cloud::Subnet,
    cluster::Class,
    id::{SubnetId, VpcId, Zone},
    reason::{Note, Reason},
    time::Time,
};

/// What is known of subnets. An id that is a key without a value was asked for and does not exist.
pub type Subnets = BTreeMap<SubnetId, Option<Subnet>>;

/// The first subnet of the class, in its own order, that lies in this zone and is not known to be full.
pub fn choose<'a>(
    class: &Class,
    zone: &Zone,
    vpc: &VpcId,
    subnets: &'a Subnets,
    blocked: &BTreeMap<SubnetId, Time>,
    now: Time,
) -> Result<&'a Subnet, Note> {
    let here: Vec<&Subnet> = class
        .subnets
        .iter()
        .filter_map(|id| subnets.get(id)?.as_ref())
        .filter(|s| s.zone == *zone && s.vpc == *vpc)
        .collect();
    if let Some(free) = here
        .iter()
        .find(|s| blocked.get(&s.id).is_none_or(|until| *until <= now))
    {
        return Ok(free);
    }
    let name = &class.name;
    if !here.is_empty() {
        let ids = list(here.iter().map(|s| &s.id));
        return Err(Note::new(
            Reason::SubnetFull,
            format!(
                "no free address in {ids} of class {name} in {zone}; free some, or add a subnet of {zone} to the class"
            ),
        ));
    }
    if class.subnets.iter().any(|id| !subnets.contains_key(id)) {
        return Err(Note::new(
            Reason::Reading,
            format!("the subnets of class {name} are being read from EC2"),
        ));
    }
    let missing: Vec<&SubnetId> = class
        .subnets
        .iter()
        .filter(|id| matches!(subnets.get(*id), Some(None)))
        .collect();
    if missing.is_empty() {
        return Err(Note::new(
            Reason::NoSubnetInZone,
            format!(
                "class {name} has no subnet in {zone} of {vpc}, where the pod's node is; add one to spec.subnets.ids of the class"
            ),
        ));
    }
    Err(Note::new(
        Reason::SubnetNotFound,
        format!(
            "class {name} names {}, which EC2 does not know; correct spec.subnets.ids of the class",
            list(missing.into_iter())
        ),
    ))
}

/// The address with its subnet's prefix, and the subnet's router: base + 1, as the VPC has it everywhere.
pub fn primary_address(address: Ipv4Addr, subnet: &Subnet) -> Address {
    let gateway = Ipv4Addr::from(u32::from(subnet.base).saturating_add(1));
    Address {
        address: format!("{address}/{}", subnet.prefix),
        gateway: gateway.to_string(),
        primary: true,
    }
}

fn list<'a>(ids: impl Iterator<Item = &'a SubnetId>) -> String {
    ids.map(SubnetId::as_str).collect::<Vec<_>>().join(", ")
}
