//! An IPv4 address range, and the part of it that EC2 hands out.

use std::{fmt, net::Ipv4Addr, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

/// A range of addresses such as `10.0.1.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cidr {
    base: u32,
    prefix: u8,
}

/// A text that is not an IPv4 range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPv4 range, for example 10.0.1.0/24")]
pub struct NotACidr(String);

impl Cidr {
    /// The range of `prefix` bits (at most 32) that holds `address`.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = if prefix > 32 { 32 } else { prefix };
        Self {
            base: address.to_bits() & mask(prefix),
            prefix,
        }
    }

    /// Whether `address` lies in the range.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.base
    }

    /// The subnet's router: base + 1.
    pub const fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | 1)
    }

    /// The resolver, of the range of a network: base + 2.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>
    pub const fn resolver(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | 2)
    }

    /// The last address, by which all are meant.
    pub const fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | !mask(self.prefix))
    }

    /// The leading bits that all addresses share, as an address: `255.255.255.0`.
    pub const fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix))
    }

    /// Number of leading bits that all addresses share.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// All of its addresses.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> + Clone {
        (self.base..=self.base | !mask(self.prefix)).map(Ipv4Addr::from_bits)
    }

    /// What EC2 hands out: all but the first four addresses and the last one.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
    pub fn usable(self) -> impl Iterator<Item = Ipv4Addr> {
        self.usable_bits().map(Ipv4Addr::from_bits)
    }

    /// Whether EC2 would hand `address` out.
    pub fn is_usable(self, address: Ipv4Addr) -> bool {
        self.usable_bits().contains(&address.to_bits())
    }

    fn usable_bits(self) -> RangeInclusive<u32> {
        let last = self.base | !mask(self.prefix);
        self.base.saturating_add(4)..=last.saturating_sub(1)
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 {
        0
    } else {
        u32::MAX << (32 - prefix)
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;
    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let (address, prefix) = (
                address.parse().ok()?,
                prefix.parse().ok().filter(|p| *p <= 32)?,
            );
            Some(Self::new(address, prefix))
        });
        parsed.ok_or_else(|| NotACidr(text.to_owned()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }
}
