//! What a lease says about the interface, without what no server can mean.

use std::{collections::BTreeSet, fmt, net::Ipv6Addr};

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::packet::Options;
use crate::dhcp::names::domain_names;

/// Servers of one sort; resolvers read three (`MAXNS` in resolv.h).
const MOST_SERVERS: usize = 8;
/// Addresses, or prefixes, of one interface.
pub(super) const MOST_ITEMS: usize = 64;
/// Nobody delegates more.
const SHORTEST_PREFIX: u8 = 16;
/// Bytes of a DUID, with its type (RFC 8415 section 11.1).
const LONGEST_DUID: usize = 130;

/// The identifier of a client or a server: bytes that mean nothing to anybody else (RFC 8415 section 11).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Duid(pub Vec<u8>);

impl fmt::Display for Duid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Duid {
    /// Whether it has a type and something beside, and is not too long.
    pub(super) fn is_possible(&self) -> bool {
        (3..=LONGEST_DUID).contains(&self.0.len())
    }
}

/// Addresses and prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resources {
    /// Addresses.
    pub addresses: BTreeSet<Ipv6Addr>,
    /// Prefixes that are delegated to the interface.
    pub prefixes: BTreeSet<Ipv6Net>,
}

impl Resources {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        let Self {
            addresses,
            prefixes,
        } = self;
        addresses.is_empty() && prefixes.is_empty()
    }
}

/// What a lease says about the interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parameters {
    /// What is leased; nothing where servers are asked for information only.
    pub resources: Resources,
    /// The server that said so.
    pub server: Duid,
    /// DNS servers, the best first.
    pub dns: Vec<Ipv6Addr>,
    /// Domains to search, the best first.
    pub search: Vec<String>,
    /// NTP servers, the best first.
    pub ntp: Vec<Ipv6Addr>,
}

impl Parameters {
    /// What the options of a message say, beside what they lease.
    pub(super) fn new(server: Duid, options: &Options) -> Self {
        Self {
            resources: Resources::default(),
            server,
            dns: servers(&options.dns),
            search: domain_names(&options.search),
            ntp: servers(&options.ntp),
        }
    }
}

/// Whether an interface can have the address.
pub(super) fn is_usable(address: Ipv6Addr) -> bool {
    is_host(address) && !address.is_unicast_link_local() && address.to_ipv4_mapped().is_none()
}

/// Whether a prefix can be delegated to an interface.
pub(super) fn is_delegable(prefix: Ipv6Net) -> bool {
    prefix.prefix_len() >= SHORTEST_PREFIX && is_usable(prefix.network())
}

fn is_host(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}

/// The hosts among the addresses, each once.
fn servers(addresses: &[Ipv6Addr]) -> Vec<Ipv6Addr> {
    let mut servers = Vec::new();
    for address in addresses {
        if is_host(*address) && !servers.contains(address) && servers.len() < MOST_SERVERS {
            servers.push(*address);
        }
    }
    servers
}
