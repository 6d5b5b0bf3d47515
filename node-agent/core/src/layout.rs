//! From a claim to the wanted picture of the pod's namespace.

mod default_route;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use crate::{
    claim::{Address, Interface, Metadata, Mtu},
    picture::{Action, Family, Link, Picture, PodSlot, Route, Rule, Selector, Sysctl, Way},
    port::NodeAccess,
};

pub(crate) use default_route::ALWAYS_KEPT;
pub use default_route::{MAIN, Surroundings, needs_surroundings, steer};

/// Routing table of a pod's first ENI; those of its others follow. Outside 10000–10999, which belong to ec2-net-utils.
const TABLE: u32 = 23_600;
/// Of the rules that refuse the instance metadata service: ahead of every table but `local`.
pub const METADATA_PRIORITY: u32 = 1;
/// Of the rules that lead to the node by its bridge, whatever address a packet is from; in the pod those of its other ENIs follow.
pub const NODE_PRIORITY: u32 = 256;
/// Of the rules that lead into the first ENI's table; those of the others follow. Below the 1024 and 1536 of the AWS VPC CNI.
const TABLE_PRIORITY: u32 = 512;
/// The MTU of a VPC, in bytes.
pub const VPC_MTU: u32 = 9001;
/// The least MTU of a link that can have IPv6 (RFC 8200, section 5).
pub const IPV6_MTU: u32 = 1280;
/// The instance metadata service, IPv4.
pub const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The VPC's router in every subnet, IPv6.
pub(crate) const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0xec2, 0, 0, 0, 0, 0, 1);
/// The instance metadata service, IPv6.
pub const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// What this node's kernel can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// nftables' egress hook of a device, Linux 5.16 and later.
    pub egress_hook: bool,
    /// Whether there is an IPv6 stack at all.
    pub ipv6: bool,
}

impl Features {
    /// The families of which the kernel has a stack.
    pub fn families(self) -> &'static [Family] {
        if self.ipv6 {
            &[Family::V4, Family::V6]
        } else {
            &[Family::V4]
        }
    }
}

/// What the ENI's device can do in the pod's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its least MTU in bytes.
    pub least_mtu: u32,
    /// Its greatest MTU in bytes.
    pub most_mtu: u32,
    /// The MTU that it has, in bytes.
    pub mtu: u32,
    /// Whether IPv6 is enabled there; a pod may switch it off by sysctl.
    pub ipv6: bool,
}

impl Limits {
    /// The MTU that an interface gets: the one it asks for, or that of its lease or the VPC's as far as the device can.
    pub fn mtu(self, interface: &Interface) -> u32 {
        match interface.mtu {
            Mtu::Bytes(mtu) => mtu,
            Mtu::AsFound => self.mtu,
            Mtu::Usual => {
                let usual = interface.leased_mtu.unwrap_or(VPC_MTU);
                usual.min(self.most_mtu).max(self.least_mtu)
            }
        }
    }
}

impl PodSlot {
    /// The routing table of the ENI.
    pub fn table(self) -> u32 {
        TABLE + u32::from(self.0)
    }

    /// Priority of the rules that lead to the node.
    pub fn node_priority(self) -> u32 {
        NODE_PRIORITY + u32::from(self.0)
    }

    /// Priority of the rules that lead into that table.
    pub fn priority(self) -> u32 {
        TABLE_PRIORITY + u32::from(self.0)
    }
}

impl Rule {
    /// Whether all ENIs of a pod share it.
    pub fn is_shared(&self) -> bool {
        self.priority == METADATA_PRIORITY
    }

    /// Whether it is a rule of the ENI at `slot`, alone or shared.
    pub fn is_of(&self, slot: PodSlot) -> bool {
        self.is_shared() || slot.priorities().any(|one| one == self.priority)
    }
}

/// The wanted picture of the namespace that the interface is plugged into, as the ENI at `slot`.
///
/// Without IPv6 in the pod the IPv6 addresses and prefixes are left out, but not the refusals: it may be enabled later.
pub fn layout(interface: &Interface, slot: PodSlot, features: Features, limits: Limits) -> Picture {
    let mtu = limits.mtu(interface);
    let link = Link {
        name: interface.name.clone(),
        up: interface.up,
        mtu,
    };
    if !interface.up {
        return Picture {
            link: Some(link),
            ..Picture::default()
        };
    }
    let families = features.families();
    let ipv6 = features.ipv6 && limits.ipv6 && mtu >= IPV6_MTU;
    let addresses: Vec<_> = interface
        .addresses
        .iter()
        .filter(|a| a.ip.is_ipv4() || ipv6)
        .collect();
    let mut picture = Picture {
        link: Some(link),
        // Hosts, without a route for the subnet's prefix: with one in table main, answers of the pod's first interface
        // to hosts of that subnet would leave by the ENI, and the VPC drops them for their source.
        addresses: addresses.iter().map(|a| IpNet::from(a.ip)).collect(),
        ..Picture::default()
    };
    if interface.metadata == Metadata::Blocked {
        picture
            .rules
            .extend(families.iter().map(|family| refuse_metadata(*family)));
        picture.egress_drop = features.egress_hook;
    }
    let gateways = interface.node_access.iter().flat_map(NodeAccess::gateways);
    for gateway in gateways.filter(|ip| families.contains(&Family::of(*ip))) {
        picture.rules.insert(Rule {
            priority: slot.node_priority(),
            family: Family::of(gateway),
            selector: Selector::To(gateway.into()),
            action: Action::Main { ignoring: None },
        });
    }
    for family in families {
        if *family == Family::V6 && !ipv6 {
            continue;
        }
        let of_family: Vec<_> = addresses
            .iter()
            .copied()
            .filter(|a| Family::of(a.ip) == *family)
            .collect();
        let prefixes = interface.prefixes.iter();
        let prefixes: Vec<_> = prefixes
            .copied()
            .filter(|prefix| Family::of(prefix.addr()) == *family)
            .collect();
        let name = &interface.name;
        lead_out(&mut picture, slot, name, *family, &of_family, &prefixes);
    }
    picture.sysctls = sysctls(interface);
    picture
        .sysctls
        .retain(|sysctl, _| ipv6 || !sysctl.is_ipv6());
    picture
}

/// The settings of the interface: what the class says goes before what every interface gets.
fn sysctls(interface: &Interface) -> BTreeMap<Sysctl, String> {
    let always = [
        (Sysctl::RP_FILTER, "2"),
        (Sysctl::ACCEPT_RA, "0"),
        (Sysctl::ACCEPT_DAD, "0"),
    ];
    let mut all: BTreeMap<_, _> = always
        .map(|(sysctl, value)| (sysctl, value.to_owned()))
        .into();
    all.extend(interface.sysctls.clone());
    // Servers answer to an interface without addresses from where no route leads.
    let configured = interface.dhcp.configured();
    let has_ipv4 = interface.addresses.iter().any(|it| it.ip.is_ipv4());
    if configured.into_iter().any(|it| it == Family::V4) && !has_ipv4 {
        all.insert(Sysctl::RP_FILTER, "0".to_owned());
    }
    all
}

/// Rules and routes for the addresses and prefixes of one family.
fn lead_out(
    picture: &mut Picture,
    slot: PodSlot,
    name: &str,
    family: Family,
    addresses: &[&Address],
    prefixes: &[IpNet],
) {
    if addresses.is_empty() && prefixes.is_empty() {
        return;
    }
    let rule = |selector| Rule {
        priority: slot.priority(),
        family,
        selector,
        action: Action::Table(slot.table()),
    };
    let route = |to, way, metric| Route {
        table: slot.table(),
        to,
        way,
        metric,
    };
    let everything = family.everything();
    picture.rules.insert(rule(Selector::Out(name.to_owned())));
    // A link that goes down takes its routes along; without this one the packets would then leave by another way.
    picture
        .routes
        .insert(route(everything, Way::Unreachable, u32::MAX));
    for prefix in prefixes {
        picture.rules.insert(rule(Selector::From(prefix.trunc())));
        // What of it the pod does not use is nowhere: the VPC would send it back to the pod.
        let nowhere = route(prefix.trunc(), Way::Unreachable, u32::MAX);
        picture.routes.insert(nowhere);
    }
    // The first address of a family is the source of what is not bound to one.
    let Some(source) = addresses.first().map(|primary| primary.ip) else {
        if family == Family::V6 {
            let (via, source) = (ROUTER_V6.into(), None);
            let way = Way::Gateway { via, source };
            picture
                .routes
                .insert(route(everything, way, metric(family)));
        }
        return;
    };
    for address in addresses {
        picture
            .rules
            .insert(rule(Selector::From(address.ip.into())));
        picture.routes.insert(route(
            subnet(address),
            Way::OnLink { source },
            metric(family),
        ));
        let way = address.gateway.map(|via| Way::Gateway {
            via,
            source: Some(source),
        });
        let default = way.map(|way| route(everything, way, metric(family)));
        picture.routes.extend(default);
    }
}

/// A way out of each family of the interface, by the router of its first address.
pub fn default_routes(interface: &Interface) -> Vec<(IpNet, IpAddr)> {
    let first = |family: Family| {
        let mut addresses = interface.addresses.iter();
        let address = addresses.find(|address| Family::of(address.ip) == family)?;
        Some((family.everything(), address.gateway?))
    };
    [Family::V4, Family::V6]
        .into_iter()
        .filter_map(first)
        .collect()
}

/// The subnet of an address; the address alone if its prefix is longer than its family allows.
pub(crate) fn subnet(address: &Address) -> IpNet {
    IpNet::new(address.ip, address.prefix).map_or(address.ip.into(), |subnet| subnet.trunc())
}

/// Whether the rules of a pod refuse the instance metadata service.
pub fn refuses_metadata(rules: &BTreeSet<Rule>, features: Features) -> bool {
    let mut families = features.families().iter();
    families.all(|family| rules.contains(&refuse_metadata(*family)))
}

fn refuse_metadata(family: Family) -> Rule {
    let service = match family {
        Family::V4 => IpAddr::V4(METADATA_V4),
        Family::V6 => IpAddr::V6(METADATA_V6),
    };
    Rule {
        priority: METADATA_PRIORITY,
        family,
        selector: Selector::To(service.into()),
        action: Action::Blackhole,
    }
}

/// Linux turns metric 0 of an IPv6 route into 1024 (`IP6_RT_PRIO_USER`).
pub(crate) fn metric(family: Family) -> u32 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1024,
    }
}
