//! The allocator: which address of a subnet is given next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The subnet, without host bits. It has room for a gateway and an address: IPv4 up to /30, IPv6 up to /126.
    pub subnet: IpNet,
    /// The address of the node in it.
    pub gateway: IpAddr,
    /// The address that is wanted, with the prefix length that the interface is to show; `None`: the next that is free.
    pub address: Option<IpNet>,
}

/// All addresses of a subnet are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "all addresses of the subnet {subnet} are in use; delete containers, or give the network, or nodeAccess of the class, a larger subnet"
)]
pub struct Exhausted {
    /// The subnet.
    pub subnet: IpNet,
}

/// The first address behind `cursor`, in the circle of the subnet's addresses, that is not taken. `cursor` is the one that was
/// given or given back last, so that one that was given back comes round last: neighbours remember it for a while.
///
/// The address of the network is never given, nor that of IPv4's broadcast (RFC 919), nor IPv6's anycast address of the
/// subnet's routers (RFC 4291, section 2.6.1), which is the network's.
pub fn next(
    pool: &Pool,
    cursor: Option<IpAddr>,
    is_taken: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Exhausted> {
    let subnet = pool.subnet;
    let (first, last) = ends(subnet);
    let before = cursor.filter(|ip| subnet.contains(ip)).map_or(0, number);
    let start = if (first..last).contains(&before) {
        before + 1
    } else {
        first
    };
    let free = (start..=last)
        .chain(first..start)
        .map(|number| address(subnet, number))
        .find(|ip| *ip != pool.gateway && !is_taken(*ip));
    free.ok_or(Exhausted { subnet })
}

/// The first address that can be given.
pub(crate) fn first(subnet: IpNet) -> IpAddr {
    address(subnet, ends(subnet).0)
}

/// Whether an address of the subnet is one that can be given at all.
pub(crate) fn is_given(subnet: IpNet, ip: IpAddr) -> bool {
    let (first, last) = ends(subnet);
    subnet.contains(&ip) && (first..=last).contains(&number(ip))
}

/// The first address that can be given, and the last.
fn ends(subnet: IpNet) -> (u128, u128) {
    let (network, broadcast) = (number(subnet.network()), number(subnet.broadcast()));
    match subnet {
        IpNet::V4(_) => (network + 1, broadcast.saturating_sub(1)),
        IpNet::V6(_) => (network.saturating_add(1), broadcast),
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(subnet: IpNet, number: u128) -> IpAddr {
    match subnet {
        // It is between two addresses of the family.
        IpNet::V4(_) => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpNet::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}
