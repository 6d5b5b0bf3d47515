//! Which addresses and prefixes a new interface gets.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use crate::{Cidr, Cidr6, Ec2Error, Eni, Subnet, Vpc};

/// Length of a delegated prefix. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-prefix-eni.html>
const PREFIX_V4: u8 = 28;
const PREFIX_V6: u8 = 80;
/// Where the IPv6 addresses that are handed out begin. (EC2 picks them at random.)
const FIRST_V6: u64 = 0x10;

/// How many addresses and prefixes a call asks for, beside the primary address; `None`: the parameter is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    /// `SecondaryPrivateIpAddressCount`.
    pub secondary: Option<u32>,
    /// `Ipv4PrefixCount`.
    pub ipv4_prefixes: Option<u32>,
    /// `Ipv6AddressCount`.
    pub ipv6: Option<u32>,
    /// `Ipv6PrefixCount`.
    pub ipv6_prefixes: Option<u32>,
}

/// What an interface has beside its primary address. None of it is anybody else's in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Others {
    /// Its secondary addresses.
    pub ipv4: Vec<Ipv4Addr>,
    /// Its /28 prefixes.
    pub ipv4_prefixes: Vec<Cidr>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its /80 prefixes.
    pub ipv6_prefixes: Vec<Cidr6>,
}

impl Counts {
    /// Of each family either addresses or prefixes: EC2 takes no count of both.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html>
    fn check(self, subnet: &Subnet) -> Result<(), Ec2Error> {
        let some = |count: Option<u32>| count.is_some_and(|count| count > 0);
        let (ipv4, ipv6) = (
            [some(self.secondary), some(self.ipv4_prefixes)],
            [some(self.ipv6), some(self.ipv6_prefixes)],
        );
        if ipv4 == [true, true] {
            return Err(Ec2Error::Ipv4AddressesAndPrefixes);
        }
        if ipv6 == [true, true] {
            return Err(Ec2Error::Ipv6AddressesAndPrefixes);
        }
        if ipv4 != [false, false] && subnet.cidr.is_none() {
            return Err(Ec2Error::NoIpv4(subnet.id.clone()));
        }
        if ipv6 != [false, false] && subnet.ipv6.is_none() {
            return Err(Ec2Error::NoIpv6(subnet.id.clone()));
        }
        Ok(())
    }
}

impl Eni {
    /// Its IPv4 addresses, the primary one first.
    pub fn ipv4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.address
            .into_iter()
            .chain(self.others.ipv4.iter().copied())
    }
}

impl Vpc {
    /// The addresses of `subnet` that no interface has, alone or in a prefix.
    pub(crate) fn free(&self, subnet: &Subnet) -> impl Iterator<Item = Ipv4Addr> {
        let here: Vec<&Eni> = self.of_subnet(subnet).collect();
        let taken: BTreeSet<_> = here.iter().flat_map(|eni| eni.ipv4()).collect();
        let prefixes = here.iter().flat_map(|eni| &eni.others.ipv4_prefixes);
        let prefixes: Vec<Cidr> = prefixes.copied().collect();
        let usable = subnet.cidr.into_iter().flat_map(Cidr::usable);
        usable.filter(move |address| {
            !taken.contains(address) && !prefixes.iter().any(|prefix| prefix.contains(*address))
        })
    }

    fn of_subnet(&self, subnet: &Subnet) -> impl Iterator<Item = &Eni> {
        self.enis.values().filter(|eni| eni.subnet == subnet.id)
    }

    /// The primary address, that of `wanted` or the lowest free one (EC2 picks by a rule it does not tell), and all else.
    pub(crate) fn assign(
        &self,
        subnet: &Subnet,
        wanted: Option<Ipv4Addr>,
        counts: Counts,
    ) -> Result<(Option<Ipv4Addr>, Others), Ec2Error> {
        counts.check(subnet)?;
        let mut free: BTreeSet<Ipv4Addr> = self.free(subnet).collect();
        let address = primary(subnet, wanted, &free)?;
        if let Some(address) = address {
            free.remove(&address);
        }
        let others = Others {
            ipv4: secondary(&free, counts.secondary.unwrap_or(0))?,
            ipv4_prefixes: blocks(subnet, &free, counts.ipv4_prefixes.unwrap_or(0))?,
            ipv6: self.ipv6(subnet, counts),
            ipv6_prefixes: self.ipv6_prefixes(subnet, counts.ipv6_prefixes.unwrap_or(0)),
        };
        Ok((address, others))
    }

    /// Those asked for. Where nothing is said of IPv6, the subnet's attribute gives one.
    fn ipv6(&self, subnet: &Subnet, counts: Counts) -> Vec<Ipv6Addr> {
        let Some(cidr) = subnet.ipv6 else {
            return Vec::new();
        };
        // Whether an interface that asks for a prefix gets an address by the attribute, too, is unverified.
        let by_itself = u32::from(subnet.assigns_ipv6 && counts.ipv6_prefixes.is_none());
        let count = counts.ipv6.unwrap_or(by_itself) as usize;
        let taken: BTreeSet<_> = self
            .of_subnet(subnet)
            .flat_map(|eni| eni.others.ipv6.iter().copied())
            .collect();
        (FIRST_V6..)
            .map(|n| cidr.nth(n))
            .filter(|address| !taken.contains(address))
            .take(count)
            .collect()
    }

    /// Behind the addresses, which are all in the first prefix.
    fn ipv6_prefixes(&self, subnet: &Subnet, count: u32) -> Vec<Cidr6> {
        let Some(cidr) = subnet.ipv6 else {
            return Vec::new();
        };
        let taken: BTreeSet<_> = self
            .of_subnet(subnet)
            .flat_map(|eni| eni.others.ipv6_prefixes.iter().copied())
            .collect();
        (1..)
            .map(|n| cidr.block(n, PREFIX_V6))
            .filter(|block| !taken.contains(block))
            .take(count as usize)
            .collect()
    }
}

fn primary(
    subnet: &Subnet,
    wanted: Option<Ipv4Addr>,
    free: &BTreeSet<Ipv4Addr>,
) -> Result<Option<Ipv4Addr>, Ec2Error> {
    let Some(cidr) = subnet.cidr else {
        return match wanted {
            Some(_) => Err(Ec2Error::NoIpv4(subnet.id.clone())),
            None => Ok(None),
        };
    };
    let Some(wanted) = wanted else {
        let lowest = free.first().copied();
        return lowest.map(Some).ok_or(Ec2Error::SubnetFull);
    };
    if !cidr.is_usable(wanted) {
        return Err(Ec2Error::AddressOutside(wanted));
    }
    if !free.contains(&wanted) {
        return Err(Ec2Error::AddressInUse);
    }
    Ok(Some(wanted))
}

fn secondary(free: &BTreeSet<Ipv4Addr>, count: u32) -> Result<Vec<Ipv4Addr>, Ec2Error> {
    let found: Vec<_> = free.iter().copied().take(count as usize).collect();
    if found.len() < count as usize {
        return Err(Ec2Error::SubnetFull);
    }
    Ok(found)
}

/// Free blocks of 16 addresses in a row. Which of the two errors EC2 gives when: <https://github.com/cilium/cilium/pull/31016>
fn blocks(subnet: &Subnet, free: &BTreeSet<Ipv4Addr>, count: u32) -> Result<Vec<Cidr>, Ec2Error> {
    let size = 1_usize << (32 - PREFIX_V4);
    let count = count as usize;
    if free.len() < count.saturating_mul(size) {
        return Err(Ec2Error::NoFreeAddressesOrPrefixes);
    }
    let starts = free.iter().map(|address| Cidr::new(*address, PREFIX_V4));
    let starts: BTreeSet<Cidr> = starts.collect();
    let inside = |block: &Cidr| {
        let addresses = block.addresses();
        subnet.cidr.is_some() && addresses.clone().count() == size && {
            let mut addresses = addresses;
            addresses.all(|address| free.contains(&address))
        }
    };
    let found: Vec<Cidr> = starts.into_iter().filter(inside).take(count).collect();
    if found.len() < count {
        return Err(Ec2Error::NoFreeBlock);
    }
    Ok(found)
}
