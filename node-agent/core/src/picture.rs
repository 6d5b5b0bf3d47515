//! What of a pod's network namespace concerns its ENI: the same type for what is seen and for what is wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Protocol number of our routes and rules: nothing else in the namespace is ever touched.
pub const PROTOCOL: u8 = 236;

/// Position of an ENI among those of its pod. Every rule, route and chain belongs to one, so that the ENIs of a pod come and go
/// without touching each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodSlot(pub u8);

/// One pod's namespace, as far as one of its ENIs is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// The ENI, if it is in this namespace.
    pub link: Option<Link>,
    /// Addresses of the ENI, without those that the kernel makes for the link alone (`fe80::/10`).
    pub addresses: BTreeSet<IpNet>,
    /// Rules of ours: those of this ENI, and those that the pod's ENIs share.
    pub rules: BTreeSet<Rule>,
    /// Routes of this ENI.
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
    /// Its MTU in bytes.
    pub mtu: u32,
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

    /// All addresses of the family.
    pub fn everything(self) -> IpNet {
        match self {
            Self::V4 => Ipv4Net::default().into(),
            Self::V6 => Ipv6Net::default().into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
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

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {}: ", self.family, self.priority)?;
        match &self.selector {
            Selector::Everything => {}
            Selector::To(network) => write!(f, "to {network} ")?,
            Selector::From(network) => write!(f, "from {network} ")?,
            Selector::Out(name) => write!(f, "oif {name} ")?,
            Selector::LocallyGenerated => f.write_str("iif lo ")?,
        }
        match self.action {
            Action::Blackhole => f.write_str("blackhole"),
            Action::Table(table) => write!(f, "lookup {table}"),
            Action::Main { ignoring: None } => f.write_str("lookup main"),
            Action::Main {
                ignoring: Some(prefix),
            } => {
                write!(f, "lookup main suppress_prefixlength {prefix}")
            }
        }
    }
}

/// Which packets a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// All of them.
    Everything,
    /// To this destination.
    To(IpNet),
    /// From this source.
    From(IpNet),
    /// Of a socket that is bound to this interface.
    Out(String),
    /// What this host itself sends.
    LocallyGenerated,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Refuse at once: `connect` gives EINVAL.
    Blackhole,
    /// Look the route up in this table.
    Table(u32),
    /// Look the route up in table main.
    Main {
        /// Ignore what is found with a prefix of this length or a shorter one; with 0, the default route.
        ignoring: Option<u8>,
    },
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Its table.
    pub table: u32,
    /// Where to.
    pub to: IpNet,
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
        /// Preferred source address; none for an interface that has prefixes of the family and no address.
        source: Option<IpAddr>,
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

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            to,
            way,
            metric: _,
        } = self;
        match way {
            Way::OnLink { source } => write!(f, "route {to} from {source}")?,
            Way::Gateway { via, source: None } => write!(f, "route {to} via {via}")?,
            Way::Gateway {
                via,
                source: Some(source),
            } => write!(f, "route {to} via {via} from {source}")?,
            Way::Unreachable => write!(f, "unreachable route {to}")?,
        }
        write!(f, " in table {table}")
    }
}

/// A setting of the ENI's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sysctl {
    /// The family it belongs to.
    pub family: Family,
    /// Which of the interface's folders it is in.
    pub folder: Folder,
    /// Its name there.
    pub name: &'static str,
}

/// The folders of `/proc/sys/net/ipv4` and `ipv6` that have settings of each interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// Addresses, routes and packets.
    Conf,
    /// Neighbours.
    Neigh,
}

impl Sysctl {
    /// Reverse path filter, IPv4.
    pub const RP_FILTER: Self = Self::conf(Family::V4, "rp_filter");
    /// Whether router advertisements change addresses and routes, IPv6.
    pub const ACCEPT_RA: Self = Self::conf(Family::V6, "accept_ra");
    /// Duplicate address detection, IPv6.
    pub const ACCEPT_DAD: Self = Self::conf(Family::V6, "accept_dad");
    /// Those that every interface gets.
    pub const ALWAYS: [Self; 3] = [Self::RP_FILTER, Self::ACCEPT_RA, Self::ACCEPT_DAD];

    const fn conf(family: Family, name: &'static str) -> Self {
        Self {
            family,
            folder: Folder::Conf,
            name,
        }
    }

    /// Whether it is a setting of IPv6.
    pub fn is_ipv6(self) -> bool {
        self.family == Family::V6
    }

    /// Its path below `/proc/sys/net` for the interface `link`.
    pub fn path(self, link: &str) -> String {
        let family = match self.family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        let folder = match self.folder {
            Folder::Conf => "conf",
            Folder::Neigh => "neigh",
        };
        format!("{family}/{folder}/{link}/{}", self.name)
    }
}
