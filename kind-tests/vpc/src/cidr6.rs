//! An IPv6 address range.

use std::{fmt, net::Ipv6Addr};

use serde::{Deserialize, Serialize};

/// A range of addresses such as `2001:db8::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cidr6 {
    base: u128,
    prefix: u8,
}

impl Cidr6 {
    /// The range of `prefix` bits (at most 128) that holds `address`.
    pub const fn new(address: Ipv6Addr, prefix: u8) -> Self {
        let prefix = if prefix > 128 { 128 } else { prefix };
        Self {
            base: address.to_bits() & mask(prefix),
            prefix,
        }
    }

    /// Whether `address` lies in the range.
    pub const fn contains(self, address: Ipv6Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.base
    }

    /// Number of leading bits that all addresses share.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The first address.
    pub const fn base(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.base)
    }

    /// The n-th address.
    pub(crate) const fn nth(self, n: u64) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.base | n as u128)
    }

    /// The n-th range of `prefix` bits in this one.
    pub(crate) const fn block(self, n: u64, prefix: u8) -> Self {
        Self::new(
            Ipv6Addr::from_bits(self.base | (n as u128) << (128 - prefix)),
            prefix,
        )
    }
}

const fn mask(prefix: u8) -> u128 {
    if prefix == 0 {
        0
    } else {
        u128::MAX << (128 - prefix)
    }
}

impl fmt::Display for Cidr6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.prefix)
    }
}
