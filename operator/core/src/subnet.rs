//! Which subnet the next ENI of a class is made in.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use api::{
    IpFamily, Time,
    claim::{Address, AddressRole, Ipam, RequestedCounts},
    class::SubnetPolicy,
    id::{SubnetId, VpcId, Zone},
    time::SECOND,
};

use crate::{
    cluster::Class,
    ec2::{EniView, Subnet},
    reason::{Note, Reason},
    resolve::Resolved,
};

/// The router of every subnet, IPv6. <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0xec2, 0, 0, 0, 0, 0, 1);

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
    /// IPv4 addresses promised to Create requests that were on their way when that read was asked for, or were frozen since: the
    /// read may not have counted their ENIs.
    pub promised: u32,
    /// Set while EC2 refuses Creates for want of addresses.
    pub block: Option<Block>,
    /// Set while it refuses Creates with IPv4 prefixes: single addresses may be free when no block of 16 is.
    pub prefix_block: Option<Block>,
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
    /// How many IPv4 addresses may be free for another request; none while EC2 refuses.
    pub fn room(&self, now: Time) -> Option<u32> {
        let blocked = |block: Option<Block>| block.is_some_and(|block| block.until > now);
        (!blocked(self.block)).then(|| self.free())
    }

    /// IPv4 addresses that are free, as of the last read, and promised to nobody.
    pub fn free(&self) -> u32 {
        let free = self.subnet.as_ref().map_or(0, |s| s.free);
        free.saturating_sub(self.promised)
    }

    /// Whether a Create for the class may succeed there.
    pub fn has_room(&self, class: &Class, now: Time) -> bool {
        let fragmented = self.prefix_block.is_some_and(|block| block.until > now);
        let room = self.room(now);
        room.is_some_and(|room| room >= class.addresses.of_subnet())
            && !(fragmented && class.addresses.ipv4_prefixes > 0)
    }

    /// What a refusal of a request with these counts sets.
    pub(crate) fn block_of(&mut self, counts: RequestedCounts) -> &mut Option<Block> {
        match counts.ipv4_prefix_count {
            Some(_) => &mut self.prefix_block,
            None => &mut self.block,
        }
    }

    /// EC2 made an ENI there. Whether that ends a refusal.
    pub(crate) fn unblock(&mut self, has_prefix: bool) -> bool {
        let prefix_block = self.prefix_block.take_if(|_| has_prefix);
        self.block.take().or(prefix_block).is_some()
    }
}

/// The subnet of the class, by its policy, that lies in this zone, serves its families and is not known to be full.
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
    let fitting: Vec<&Subnet> = here
        .iter()
        .copied()
        .filter(|s| class.addresses.fit(s))
        .collect();
    let has_room = |s: &&Subnet| {
        subnets
            .get(&s.id)
            .is_some_and(|record| record.has_room(class, now))
    };
    let mut open = fitting.iter().copied().filter(has_room);
    let chosen = match class.subnets.policy {
        SubnetPolicy::Ordered => open.next(),
        // Of two with the same number the last one is the greater: the first of the class.
        SubnetPolicy::MostFree => open
            .rev()
            .max_by_key(|s| subnets.get(&s.id).map_or(0, SubnetRecord::free)),
    };
    chosen.ok_or_else(|| match (fitting.as_slice(), here.as_slice()) {
        ([], []) => why_none(class, resolved, zone, vpc),
        ([], here) => why_none_fits(class, zone, here),
        (fitting, _) => why_full(class, zone, fitting),
    })
}

fn why_full(class: &Class, zone: &Zone, fitting: &[&Subnet]) -> Note {
    let (name, ids) = (&class.name, list(fitting.iter().map(|s| &s.id)));
    let lacking = match (class.addresses.ipv4_prefixes, class.addresses.of_subnet()) {
        (0, 0 | 1) => format!("no free address in {ids} of class {name} in {zone}"),
        (0, need) => format!(
            "an ENI of class {name} takes {need} IPv4 addresses, and {ids} in {zone} has not as many free"
        ),
        (_, need) => format!(
            "an ENI of class {name} takes {need} IPv4 addresses, 16 in a row for each prefix, and {ids} in {zone} has not as many free"
        ),
    };
    Note::new(
        Reason::SubnetFull,
        format!("{lacking}; free some, or add a subnet of {zone} to the class"),
    )
}

fn why_none_fits(class: &Class, zone: &Zone, here: &[&Subnet]) -> Note {
    let (name, ids) = (&class.name, list(here.iter().map(|s| &s.id)));
    let wanted = &class.addresses;
    let why = match (wanted.has(IpFamily::IPv4), wanted.has(IpFamily::IPv6)) {
        (true, true) => format!(
            "class {name} lists IPv4 and IPv6, and none of {ids} in {zone} has a block of both; associate an IPv6 block with one that has IPv4, or take a family out of spec.ipFamilies of the class"
        ),
        (false, true) => format!(
            "class {name} lists IPv6 alone, which needs a subnet of IPv6 alone (Ipv6Native), and none of {ids} in {zone} is one; add one to the class, or IPv4 to its spec.ipFamilies"
        ),
        (_, false) => format!(
            "class {name} lists IPv4, and {ids} in {zone} is of IPv6 alone; add a subnet with IPv4 to the class, or change its spec.ipFamilies"
        ),
    };
    Note::new(Reason::SubnetLacksFamily, why)
}

fn why_none(class: &Class, resolved: &Resolved, zone: &Zone, vpc: &VpcId) -> Note {
    if let Some(note) = resolved.subnets_state.trouble() {
        return note.clone();
    }
    Note::new(
        Reason::NoSubnetInZone,
        format!(
            "class {} has no subnet in {zone} of {vpc}, where the pod's node is; add one to spec.subnets of the class",
            class.name
        ),
    )
}

/// The addresses of an ENI with what its own subnet says, those of the preferred family first; the router of a VPC's subnet is
/// base + 1 everywhere.
pub fn ipam(view: &EniView, subnet: &Subnet, preferred: IpFamily) -> Ipam {
    let (ipv4, ipv6): (Vec<_>, Vec<_>) = view.addresses.iter().partition(|ip| ip.is_ipv4());
    let gateway = subnet.ipv4.map_or(Ipv4Addr::UNSPECIFIED, |block| {
        Ipv4Addr::from(u32::from(block.network()).saturating_add(1))
    });
    let ipv4 = of_family(
        &ipv4,
        subnet.ipv4.map_or(32, |b| b.prefix_len()),
        gateway.into(),
    );
    let ipv6 = of_family(
        &ipv6,
        subnet.ipv6.map_or(128, |b| b.prefix_len()),
        GATEWAY_V6.into(),
    );
    let addresses = match preferred {
        IpFamily::IPv4 => ipv4.chain(ipv6).collect(),
        IpFamily::IPv6 => ipv6.chain(ipv4).collect(),
    };
    Ipam {
        addresses,
        prefixes: view.prefixes.clone(),
    }
}

fn of_family(
    addresses: &[&IpAddr],
    prefix_length: u8,
    gateway: IpAddr,
) -> impl Iterator<Item = Address> {
    let roles =
        std::iter::once(AddressRole::Primary).chain(std::iter::repeat(AddressRole::Secondary));
    addresses
        .iter()
        .zip(roles)
        .map(move |(address, role)| Address {
            address: **address,
            prefix_length,
            gateway,
            role,
        })
}

fn list<'a>(ids: impl Iterator<Item = &'a SubnetId>) -> String {
    ids.map(SubnetId::as_str).collect::<Vec<_>>().join(", ")
}
