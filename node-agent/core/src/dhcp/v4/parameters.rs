//! What a lease says about the interface, without what no server can mean.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::packet::Options;
use crate::dhcp::names::{domain_name, domain_names};

/// Servers of one sort; resolvers read three (`MAXNS` in resolv.h).
const MOST_SERVERS: usize = 8;
/// Routes; option 121 has no place for more than 51 in one option of 255 bytes.
const MOST_ROUTES: usize = 64;
/// No MTU below what every host of IPv4 must take (RFC 791 section 3.1): a smaller one is a mistake or an attack.
const LEAST_MTU: u16 = 576;

/// What a lease says about the interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parameters {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the prefix of its subnet; 32 where no valid mask came.
    pub prefix: u8,
    /// The server that gave it.
    pub server: Ipv4Addr,
    /// Routes, those of RFC 3442 in place of the routers where there are any.
    pub routes: Vec<Route>,
    /// DNS servers, the best first.
    pub dns: Vec<Ipv4Addr>,
    /// The domain.
    pub domain: Option<String>,
    /// Domains to search, the best first.
    pub search: Vec<String>,
    /// NTP servers, the best first.
    pub ntp: Vec<Ipv4Addr>,
    /// MTU in bytes.
    pub mtu: Option<u16>,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub to: Ipv4Net,
    /// The router; `None`: the destination is on the link (0.0.0.0 in RFC 3442).
    pub via: Option<Ipv4Addr>,
}

impl Parameters {
    /// What the options of a message say about an address.
    pub(super) fn new(address: Ipv4Addr, server: Ipv4Addr, options: &Options) -> Self {
        let prefix = options
            .subnet_mask
            .and_then(|mask| Ipv4Net::with_netmask(address, mask).ok())
            .map_or(32, |subnet| subnet.prefix_len());
        Self {
            address,
            prefix,
            server,
            routes: routes(options),
            dns: servers(&options.dns),
            domain: options.domain.as_deref().and_then(domain_name),
            search: domain_names(&options.search),
            ntp: servers(&options.ntp),
            mtu: options.mtu.filter(|mtu| *mtu >= LEAST_MTU),
        }
    }
}

/// Whether an interface can have the address. Of 169.254.0.0/16 the VPC hands out addresses where a subnet has no IPv4.
pub(super) fn is_usable(address: Ipv4Addr) -> bool {
    is_host(address) && !address.is_link_local()
}

/// Whether the address is that of one host that is not this one.
pub(super) fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && !address.is_loopback() && first < 224
}

/// RFC 3442: with option 121 the routers are ignored.
fn routes(options: &Options) -> Vec<Route> {
    let default = || {
        let routers = options.routers.iter().copied();
        // The first one that is none too good to be true; a second default route would be one of the same metric.
        let via = routers.filter(|router| is_host(*router)).take(1);
        via.map(|via| Route {
            to: Ipv4Net::default(),
            via: Some(via),
        })
        .collect()
    };
    let Some(classless) = &options.routes else {
        return default();
    };
    let mut routes: Vec<Route> = Vec::new();
    for Route { to, via } in classless {
        let (to, via) = (to.trunc(), via.filter(|via| !via.is_unspecified()));
        let possible = to.prefix_len() == 0 || is_host(to.network());
        let known = routes.iter().any(|route| route.to == to);
        if possible && via.is_none_or(is_host) && !known && routes.len() < MOST_ROUTES {
            routes.push(Route { to, via });
        }
    }
    routes
}

/// The hosts among the addresses, each once.
fn servers(addresses: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
    let mut servers = Vec::new();
    for address in addresses {
        if is_host(*address) && !servers.contains(address) && servers.len() < MOST_SERVERS {
            servers.push(*address);
        }
    }
    servers
}
