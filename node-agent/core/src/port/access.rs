//! Node access: the port of a pod that has no interface but its ENIs.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::{Bridge, PodPort, Pool, PortAsked, PortRoute, first};
use crate::{claim::Interface, layout::ALWAYS_KEPT, picture::Family};

/// Name of the interface in the pod.
const NAME: &str = "node0";

/// The credentials of a task of Amazon ECS, which an agent on the node gives out.
const TASK_CREDENTIALS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));

/// Where agents of the node serve its pods.
pub(crate) fn on_node() -> impl Iterator<Item = IpAddr> {
    ALWAYS_KEPT.into_iter().chain([TASK_CREDENTIALS])
}

/// A bridge of the node, by which a pod and what lives on the node reach each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAccess {
    /// The bridge.
    pub bridge: Bridge,
    /// The subnets of the bridge, one of a family, IPv4 first.
    pub subnets: Vec<IpNet>,
    /// Networks that the pod reaches by way of the node.
    pub destinations: BTreeSet<IpNet>,
}

impl NodeAccess {
    /// The node's addresses on the bridge: the first of each subnet.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.subnets.iter().map(|subnet| first(*subnet))
    }

    /// The port of a pod with these ENIs.
    pub fn port<'a>(&self, enis: impl Iterator<Item = &'a Interface> + Clone) -> PortAsked {
        let pools = self.subnets.iter().map(|subnet| Pool {
            subnet: *subnet,
            gateway: first(*subnet),
            address: None,
        });
        let has_family = |family: Family| {
            let mut subnets = self.subnets.iter();
            subnets.any(|subnet| Family::of(subnet.addr()) == family)
        };
        let cluster = enis.clone().flat_map(|interface| &interface.cluster);
        let routes: BTreeSet<IpNet> = (on_node().map(IpNet::from))
            .chain(self.destinations.iter().copied())
            .chain(cluster.copied())
            .filter(|to| has_family(Family::of(to.addr())))
            .collect();
        let addresses = enis.flat_map(|interface| &interface.addresses);
        let addresses = addresses.map(|address| address.ip);
        PortAsked {
            id: None,
            bridge: Some(self.bridge.clone()),
            pools: pools.collect(),
            routes: (routes.into_iter())
                .map(|to| PortRoute { to, gateway: None })
                .collect(),
            pod: Some(PodPort {
                name: NAME.to_owned(),
                enis: addresses.filter(|ip| has_family(Family::of(*ip))).collect(),
                node: BTreeSet::new(),
            }),
        }
    }
}
