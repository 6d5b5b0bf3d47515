//! What the pod starts: which of it leaves by the ENI, and what stays with the interfaces that the pod had before.
//!
//! All of it is rules of ours: nothing of the pod's earlier interfaces is touched, and when the ENI's rules go, the pod routes as
//! before. In the order in which the kernel asks them:
//!
//! | priority | packets | way |
//! |---|---|---|
//! | 256 + k | to the node's address on the bridge, where the pod has node access | main |
//! | 512 + k | from an address of ENI k, or bound to it | table of ENI k |
//! | 768 + k | from an address of an earlier interface, or bound to it: answers to kubelet, Services and peers | main |
//! | 768 + k | to the cluster's networks, the node, node-local DNS and the credential addresses | main |
//! | 31232 + k, 31488 + k | to a destination of the class | main where it has a longer prefix, else table of ENI k |
//! | 31744 + k, 32000 + k | Primary: all else | main but for its default route, else table of ENI k |
//! | 32766 | | main |
//! | 32768 + k | Fallback: what has no route in main | table of ENI k |
//!
//! Each table of an ENI ends in an unreachable default: what shall leave by an ENI leaves by no other interface while its link is
//! down. Of two ENIs that are Primary, the first one is.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{metric, subnet};
use crate::{
    claim::{Address, DefaultRoute, Interface, Via},
    picture::{Action, Family, Picture, PodSlot, Route, Rule, Selector, Way},
};

/// The main routing table (`RT_TABLE_MAIN`).
pub const MAIN: u32 = 254;

/// What an earlier interface keeps. Below the 1024 and 1536 of the AWS VPC CNI, as all that is asked early.
const KEPT: u32 = 768;
/// Longer prefixes of table main than a destination of the class. All that leads what the pod starts to the ENI is asked late, so that
/// rules that the pod or a service mesh makes for marked packets go before.
const BEYOND_DESTINATIONS: u32 = 31_232;
/// Destinations of the class.
const DESTINATIONS: u32 = 31_488;
/// Table main without its default route.
const BEYOND_DEFAULT: u32 = 31_744;
/// All else, to a primary ENI.
const PRIMARY: u32 = 32_000;
/// Behind table main (32766) and the table that is called default (32767).
const FALLBACK: u32 = 32_768;

/// What stays with the pod's first interface on every EKS node and in every cluster with node-local DNS.
pub(crate) const ALWAYS_KEPT: [IpAddr; 3] = [
    // Credentials of EKS Pod Identity, IPv4 and IPv6.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // NodeLocal DNSCache; for IPv6 its documentation names no address.
    IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10)),
];

/// What is around the ENI when it is plugged in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Names of the interfaces that the pod has beside its ENIs.
    pub earlier: BTreeSet<String>,
    /// Their addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The node's own addresses.
    pub node: BTreeSet<IpAddr>,
}

impl PodSlot {
    /// The priorities of all rules that are an ENI's alone.
    pub fn priorities(self) -> impl Iterator<Item = u32> {
        let late = [
            KEPT,
            BEYOND_DESTINATIONS,
            DESTINATIONS,
            BEYOND_DEFAULT,
            PRIMARY,
            FALLBACK,
        ];
        let late = late.into_iter().map(move |band| self.in_band(band));
        [self.node_priority(), self.priority()]
            .into_iter()
            .chain(late)
    }

    fn in_band(self, band: u32) -> u32 {
        band + u32::from(self.0)
    }
}

/// Whether what an interface gets depends on its surroundings.
pub fn needs_surroundings(interface: &Interface) -> bool {
    interface.default_route != DefaultRoute::Never || !interface.destinations.is_empty()
}

/// Adds to the picture of a plugged ENI what leads to it what the pod starts. A family of which it has no address is left alone.
pub fn steer(
    picture: &mut Picture,
    interface: &Interface,
    slot: PodSlot,
    surroundings: &Surroundings,
) {
    for family in [Family::V4, Family::V6] {
        let mut addresses = interface
            .addresses
            .iter()
            .filter(|a| Family::of(a.ip) == family);
        let Some(primary) = addresses
            .next()
            .filter(|a| picture.addresses.contains(&a.ip.into()))
        else {
            continue;
        };
        let mut way = Steering {
            picture,
            slot,
            family,
            primary,
        };
        if keeps(interface, family) {
            way.keep(interface, surroundings);
        }
        for destination in &interface.destinations {
            if Family::of(destination.to.addr()) == family {
                way.lead(destination.to, destination.via);
            }
        }
        match interface.default_route {
            DefaultRoute::Never => {}
            DefaultRoute::Fallback | DefaultRoute::Primary if surroundings.earlier.is_empty() => {
                way.alone();
            }
            DefaultRoute::Fallback => way.rule(FALLBACK, Selector::Everything, way.table()),
            DefaultRoute::Primary => way.primary(),
        }
    }
}

/// Whether anything of a family would leave by the ENI that has to stay with an earlier interface.
fn keeps(interface: &Interface, family: Family) -> bool {
    let of_family = |to: &IpNet| Family::of(to.addr()) == family;
    interface.default_route == DefaultRoute::Primary
        || (interface.destinations.iter()).any(|destination| of_family(&destination.to))
}

impl Picture {
    /// Where table main leads by the ENI, and by which router.
    pub fn main_routes(&self) -> Vec<(IpNet, IpAddr)> {
        let main = self.routes.iter().filter(|route| route.table == MAIN);
        let by_router = main.filter_map(|route| match route.way {
            Way::Gateway { via, .. } => Some((route.to, via)),
            Way::OnLink { .. } | Way::Unreachable => None,
        });
        by_router.collect()
    }
}

/// One family's part.
struct Steering<'a> {
    picture: &'a mut Picture,
    slot: PodSlot,
    family: Family,
    /// The first address of the family, the source of what is not bound to one.
    primary: &'a Address,
}

impl Steering<'_> {
    fn table(&self) -> Action {
        Action::Table(self.slot.table())
    }

    fn rule(&mut self, band: u32, selector: Selector, action: Action) {
        self.picture.rules.insert(Rule {
            priority: self.slot.in_band(band),
            family: self.family,
            selector,
            action,
        });
    }

    fn primary(&mut self) {
        let main = Action::Main { ignoring: Some(0) };
        self.rule(BEYOND_DEFAULT, Selector::Everything, main);
        self.rule(PRIMARY, Selector::Everything, self.table());
    }

    /// What answers, and what the earlier interfaces alone lead to, stays with them.
    fn keep(&mut self, interface: &Interface, surroundings: &Surroundings) {
        let main = Action::Main { ignoring: None };
        let Surroundings {
            earlier,
            addresses,
            node,
        } = surroundings;
        if earlier.is_empty() {
            return;
        }
        for name in earlier {
            self.rule(KEPT, Selector::Out(name.clone()), main);
        }
        let family = self.family;
        let of_family = move |ip: &&IpAddr| Family::of(**ip) == family;
        for ip in addresses.iter().filter(of_family) {
            self.rule(KEPT, Selector::From((*ip).into()), main);
        }
        for ip in ALWAYS_KEPT.iter().chain(node).filter(of_family) {
            self.rule(KEPT, Selector::To((*ip).into()), main);
        }
        for network in &interface.cluster {
            if Family::of(network.addr()) == family {
                self.rule(KEPT, Selector::To(*network), main);
            }
        }
    }

    /// A destination is reached by the ENI, as if table main had a route of its length.
    fn lead(&mut self, to: IpNet, via: Via) {
        let main = Action::Main {
            ignoring: Some(to.prefix_len()),
        };
        self.rule(BEYOND_DESTINATIONS, Selector::To(to), main);
        self.rule(DESTINATIONS, Selector::To(to), self.table());
        let source = self.primary.ip;
        let by = |via| Way::Gateway {
            via,
            source: Some(source),
        };
        let way = match via {
            Via::Router(via) => by(via),
            Via::Link => Way::OnLink { source },
            // Its table leads there.
            Via::Subnet if subnet(self.primary).contains(&to) => return,
            Via::Subnet => match self.primary.gateway {
                Some(via) => by(via),
                None => return,
            },
        };
        let route = Route {
            table: self.slot.table(),
            to,
            way,
            metric: metric(self.family),
        };
        // The route of the subnet may have the same destination.
        (self.picture.routes)
            .retain(|r| (r.table, r.to, r.metric) != (route.table, route.to, route.metric));
        self.picture.routes.insert(route);
    }

    /// Without an earlier interface table main is empty, and the ENI's routes stand where everybody looks for them.
    fn alone(&mut self) {
        let metric = metric(self.family) + u32::from(self.slot.0);
        let source = self.primary.ip;
        let on_link = (subnet(self.primary), Way::OnLink { source });
        let default = self.primary.gateway.map(|via| {
            let source = Some(source);
            (self.family.everything(), Way::Gateway { via, source })
        });
        for (to, way) in std::iter::once(on_link).chain(default) {
            self.picture.routes.insert(Route {
                table: MAIN,
                to,
                way,
                metric,
            });
        }
    }
}
