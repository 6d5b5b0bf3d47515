//! What of a pod's network namespace concerns its ENI: the same type for what is seen and for what is wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

/// Protocol number of our routes and rules: nothing else in the namespace is ever touched.
pub const PROTOCOL: u8 = 236;

/// Position of an ENI among those of its pod. Every rule, route and chain belongs to one, so that the ENIs of a pod come and go
/// without touching each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodSlot(pub u8);

/// One pod's namespace, as far as its ENI is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// The ENI, if it is in this namespace.
    pub link: Option<Link>,
    /// Addresses of the ENI, without those that the kernel makes for the link alone (`fe80::/10`).
    pub addresses: BTreeSet<Network>,
    /// Rules with our protocol number.
    pub rules: BTreeSet<Rule>,
    /// Routes with our protocol number.
    pub routes: BTreeSet<Route>,
    /// Settings of the ENI's interface. Empty while there is no link: they come and go with it.
    pub sysctls: BTreeMap<Sysctl, String>,
    /// Whether our packet filter drops what goes out by the ENI to the instance metadata service.
    pub egress_drop: bool,
}

/// The ENI as an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name here.
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
}

/// An address and a length of its prefix; a host when the length is that of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The address.
    pub ip: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

impl Network {
    /// The host `ip`.
    pub fn host(ip: IpAddr) -> Self {
        Self {
            ip,
            prefix: if ip.is_ipv4() { 32 } else { 128 },
        }
    }

    /// All addresses of the family of `ip`.
    pub fn everything(family: Family) -> Self {
        Self {
            ip: family.unspecified(),
            prefix: 0,
        }
    }

    /// The network that `ip` lies in.
    pub fn containing(ip: IpAddr, prefix: u8) -> Self {
        let ip = match ip {
            IpAddr::V4(ip) => IpAddr::V4(
                (u32::from(ip)
                    & u32::MAX
                        .checked_shl(32_u32.saturating_sub(prefix.into()))
                        .unwrap_or(0))
                .into(),
            ),
            IpAddr::V6(ip) => IpAddr::V6(
                (u128::from(ip)
                    & u128::MAX
                        .checked_shl(128_u32.saturating_sub(prefix.into()))
                        .unwrap_or(0))
                .into(),
            ),
        };
        Self { ip, prefix }
    }

    /// The family of the address.
    pub fn family(self) -> Family {
        Family::of(self.ip)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `ip`.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// A policy routing rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Lower is asked first.
    pub priority: u32,
    /// The family it holds for.
    pub family: Family,
    /// Which packets.
    pub selector: Selector,
    /// What happens to them.
    pub action: Action,
}

/// Which packets a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// To this destination.
    To(Network),
    /// From this source.
    From(Network),
    /// Of a socket that is bound to this interface.
    Out(String),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Refuse at once: `connect` gives EINVAL.
    Blackhole,
    /// Look the route up in this table.
    Table(u32),
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Its table.
    pub table: u32,
    /// Where to.
    pub to: Network,
    /// Which way.
    pub way: Way,
    /// Higher is asked later.
    pub metric: u32,
}

/// Which way a route leads. All but the last go by the ENI and vanish with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Directly on the link, from this address.
    OnLink {
        /// Preferred source address.
        source: IpAddr,
    },
    /// By a router that is on the link even if no prefix says so.
    Gateway {
        /// The router.
        via: IpAddr,
        /// Preferred source address.
        source: IpAddr,
    },
    /// Nowhere: the sender is told.
    Unreachable,
}

impl Route {
    /// Whether the route needs the ENI, and goes when it goes.
    pub fn needs_link(&self) -> bool {
        match self.way {
            Way::OnLink { .. } | Way::Gateway { .. } => true,
            Way::Unreachable => false,
        }
    }
}

/// A setting of the ENI's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sysctl {
    /// Reverse path filter, IPv4.
    RpFilter,
    /// Whether router advertisements change addresses and routes, IPv6.
    AcceptRa,
    /// Duplicate address detection, IPv6.
    AcceptDad,
}

impl Sysctl {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RpFilter, Self::AcceptRa, Self::AcceptDad];

    /// Its path below `/proc/sys/net` for the interface `link`.
    pub fn path(self, link: &str) -> String {
        match self {
            Self::RpFilter => format!("ipv4/conf/{link}/rp_filter"),
            Self::AcceptRa => format!("ipv6/conf/{link}/accept_ra"),
            Self::AcceptDad => format!("ipv6/conf/{link}/accept_dad"),
        }
    }
}
