//! What the node needs beside the port, so that it and the pod reach each other at the addresses of the pod's ENIs.
//!
//! What the node itself sends to an ENI of a pod goes over the bridge; what it forwards goes by the VPC, where the ENI's security groups
//! decide about it. The kernel looks a packet of the node's own up as if it came by `lo`, so that one rule tells the two apart.

use std::net::IpAddr;

use super::{Port, PortAddress};
use crate::{
    layout::{NODE_PRIORITY, metric},
    picture::{Action, Family, Route, Rule, Selector, Way},
};

/// Routing table of the node for what it sends to pods over bridges. Below those of the ENIs.
pub const TABLE: u32 = 23_599;

/// Packets whose source becomes another address: that of the interface that they leave by, or the node's on the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masquerade {
    /// What the pod sends from this address of the bridge to other links than bridges: nobody beyond the node could answer.
    FromPod(IpAddr),
    /// What goes over the bridge to this address of an ENI: the pod answers the node's address on the bridge alone by the bridge.
    ToPod {
        /// The address of the ENI.
        eni: IpAddr,
        /// The node's address on the bridge. Of several of IPv6 the kernel would choose any.
        gateway: IpAddr,
    },
    /// What was sent to a port of the node and is forwarded to an ENI: the answer would go past the node.
    OfNode {
        /// The address of the ENI.
        eni: IpAddr,
        /// The address of the node.
        node: IpAddr,
    },
}

impl Masquerade {
    /// The family of its packets.
    pub fn family(self) -> Family {
        match self {
            Self::FromPod(ip) | Self::ToPod { eni: ip, .. } | Self::OfNode { eni: ip, .. } => {
                Family::of(ip)
            }
        }
    }
}

/// What is sent from other addresses, for a port.
pub fn masquerades(port: &Port) -> Vec<Masquerade> {
    let Some(pod) = &port.pod else {
        return Vec::new();
    };
    let mut all: Vec<_> = (port.addresses.iter())
        .map(|one| Masquerade::FromPod(one.address.addr()))
        .collect();
    for (eni, address) in reached(port) {
        let gateway = address.gateway;
        all.push(Masquerade::ToPod { eni, gateway });
        let of_family = pod.node.iter().filter(|ip| ip.is_ipv4() == eni.is_ipv4());
        all.extend(of_family.map(|node| Masquerade::OfNode { eni, node: *node }));
    }
    all
}

/// The routes by which the node reaches the ENIs of a port's pod.
pub fn routes(port: &Port) -> Vec<Route> {
    let routes = reached(port).map(|(eni, address)| Route {
        table: TABLE,
        to: eni.into(),
        way: Way::Gateway {
            via: address.address.addr(),
            source: Some(address.gateway),
        },
        metric: metric(Family::of(eni)),
    });
    routes.collect()
}

/// The rule that leads to them.
pub fn rule(family: Family) -> Rule {
    Rule {
        priority: NODE_PRIORITY,
        family,
        selector: Selector::LocallyGenerated,
        action: Action::Table(TABLE),
    }
}

/// The addresses of ENIs that the node reaches by the port, each with the port's address of its family.
fn reached(port: &Port) -> impl Iterator<Item = (IpAddr, &PortAddress)> {
    let enis = port.pod.iter().flat_map(|pod| &pod.enis);
    enis.filter_map(|eni| {
        let mut addresses = port.addresses.iter();
        let address = addresses.find(|one| one.address.addr().is_ipv4() == eni.is_ipv4())?;
        Some((*eni, address))
    })
}
