//! From a claim to the wanted picture of the pod's namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    claim::{Interface, Metadata},
    picture::{Action, Family, Link, Network, Picture, Route, Rule, Selector, Sysctl, Way},
};

/// The ENI's own routing table. Outside 10000–10999, which belong to ec2-net-utils.
pub const TABLE: u32 = 23_600;
/// Of the rules that refuse the instance metadata service: ahead of every table but `local`.
pub const METADATA_PRIORITY: u32 = 1;
/// Of the rules that lead into the ENI's table: below the 1024 and 1536 of the AWS VPC CNI.
pub const TABLE_PRIORITY: u32 = 512;
/// The instance metadata service, IPv4.
pub const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
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

/// The wanted picture of the namespace that the interface is plugged into.
pub fn layout(interface: &Interface, features: Features) -> Picture {
    let families: &[Family] = if features.ipv6 {
        &[Family::V4, Family::V6]
    } else {
        &[Family::V4]
    };
    let addresses: Vec<_> = interface
        .addresses
        .iter()
        .filter(|a| families.contains(&Family::of(a.ip)))
        .collect();
    let mut picture = Picture {
        link: Some(Link {
            name: interface.name.clone(),
            up: true,
        }),
        // Hosts, without a route for the subnet's prefix: with one in table main, answers of the pod's first interface
        // to hosts of that subnet would leave by the ENI, and the VPC drops them for their source.
        addresses: addresses.iter().map(|a| Network::host(a.ip)).collect(),
        ..Picture::default()
    };
    if interface.metadata == Metadata::Blocked {
        picture
            .rules
            .extend(families.iter().map(|family| refuse_metadata(*family)));
        picture.egress_drop = features.egress_hook;
    }
    for family in families {
        let mut of_family = addresses
            .iter()
            .filter(|a| Family::of(a.ip) == *family)
            .peekable();
        // The first address of a family is the source of what is not bound to one.
        let Some(source) = of_family.peek().map(|primary| primary.ip) else {
            continue;
        };
        picture
            .rules
            .insert(into_table(Selector::Out(interface.name.clone()), *family));
        // A link that goes down takes its routes along; without this one the packets would then leave by another way.
        picture
            .routes
            .insert(to(Network::everything(*family), Way::Unreachable, u32::MAX));
        for address in of_family {
            let (subnet, via) = (
                Network::containing(address.ip, address.prefix),
                address.gateway,
            );
            picture.rules.insert(into_table(
                Selector::From(Network::host(address.ip)),
                *family,
            ));
            picture
                .routes
                .insert(to(subnet, Way::OnLink { source }, metric(*family)));
            picture.routes.insert(to(
                Network::everything(*family),
                Way::Gateway { via, source },
                metric(*family),
            ));
        }
    }
    picture.sysctls.insert(Sysctl::RpFilter, "2".to_owned());
    if features.ipv6 {
        picture.sysctls.insert(Sysctl::AcceptRa, "0".to_owned());
        picture.sysctls.insert(Sysctl::AcceptDad, "0".to_owned());
    }
    picture
}

fn refuse_metadata(family: Family) -> Rule {
    let service = match family {
        Family::V4 => IpAddr::V4(METADATA_V4),
        Family::V6 => IpAddr::V6(METADATA_V6),
    };
    Rule {
        priority: METADATA_PRIORITY,
        family,
        selector: Selector::To(Network::host(service)),
        action: Action::Blackhole,
    }
}

fn into_table(selector: Selector, family: Family) -> Rule {
    Rule {
        priority: TABLE_PRIORITY,
        family,
        selector,
        action: Action::Table(TABLE),
    }
}

fn to(to: Network, way: Way, metric: u32) -> Route {
    Route {
        table: TABLE,
        to,
        way,
        metric,
    }
}

/// Linux turns metric 0 of an IPv6 route into 1024 (`IP6_RT_PRIO_USER`).
fn metric(family: Family) -> u32 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1024,
    }
}
