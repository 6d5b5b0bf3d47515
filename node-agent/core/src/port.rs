//! Ports: a container's addresses on a bridge of the node, by which it reaches what lives on the node.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use self::{
    access::NodeAccess,
    allocate::{Exhausted, Pool, next},
    layout::layout,
};
pub(crate) use self::{
    access::on_node,
    allocate::{first, is_given},
};
use crate::{
    facts::{Liveness, Netns, Retry, Sandbox},
    mac::Mac,
};

mod access;
mod allocate;
pub mod frames;
pub mod host;
mod layout;

/// Names a port: its first address, which nobody else on this node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortKey(pub IpAddr);

/// An entry of the journal: addresses that a container has, and the interface that they are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The container, its network, and the name of the interface there.
    pub sandbox: Sandbox,
    /// What the configuration calls the addresses: nobody else on this node has the same.
    pub id: Option<String>,
    /// The bridge; `None`: another plugin makes the interface.
    pub bridge: Option<Bridge>,
    /// One of a family, IPv4 first.
    pub addresses: Vec<PortAddress>,
    /// Where its packets go, beside to the gateways.
    pub routes: Vec<PortRoute>,
    /// What a pod with ENIs has beside; `None`: the configuration of its network is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPort>,
    /// The container's network namespace; `None`: another plugin knows it.
    pub netns: Option<Netns>,
    /// How far it is.
    pub state: PortState,
    /// What this agent has seen of it.
    #[serde(skip)]
    pub seen: PortSeen,
}

/// What the port of a pod has that has ENIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodPort {
    /// Name of the interface in the pod, where the first ENI has the one that the runtime names.
    pub name: String,
    /// Addresses of the ENIs, at which the node reaches the pod over the bridge.
    pub enis: BTreeSet<IpAddr>,
    /// The node's own addresses, which the pod reaches over the bridge.
    pub node: BTreeSet<IpAddr>,
}

/// A bridge of the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// MTU of this port, in bytes. That of the bridge is the largest of its ports.
    pub mtu: u32,
}

/// An address of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortAddress {
    /// With the length of the prefix that the interface shows.
    pub address: IpNet,
    /// The addresses of its neighbours, which it does not reach.
    pub subnet: IpNet,
    /// The address of the node on the bridge.
    pub gateway: IpAddr,
}

impl PortAddress {
    /// The gateway as the bridge has it.
    pub fn of_bridge(&self) -> Option<IpNet> {
        IpNet::new(self.gateway, self.address.prefix_len()).ok()
    }
}

/// A route of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRoute {
    /// Where to.
    pub to: IpNet,
    /// The router as the configuration says it; `None`: the gateway of its family.
    pub gateway: Option<IpAddr>,
}

/// How far a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortState {
    /// Steps were begun for an ADD that has no answer yet; without that ADD it goes.
    Adding,
    /// It is in the container, and the runtime was told so.
    Added,
    /// It must go.
    Deleting,
}

/// What an agent has seen of a port since it started. The journal does not keep it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortSeen {
    /// Failed attempts to delete it.
    pub retry: Retry,
    /// Whether the container's namespace still lives.
    pub liveness: Liveness,
    /// Whether somebody changed what the node has of it beside its interface: filters, rules, routes.
    pub unguarded: bool,
}

/// What a configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortAsked {
    /// What it calls the addresses.
    pub id: Option<String>,
    /// The bridge; `None`: another plugin makes the interface.
    pub bridge: Option<Bridge>,
    /// Where the addresses come from, one of a family, IPv4 first.
    pub pools: Vec<Pool>,
    /// The routes.
    pub routes: Vec<PortRoute>,
    /// What a pod with ENIs has beside, without the node's addresses, which are found out when the port is made.
    pub pod: Option<PodPort>,
}

impl PortAsked {
    /// Whether asking for it again can only mean the same port: the interface of a container on a bridge, or addresses that are named.
    pub fn says_which(&self) -> bool {
        self.bridge.is_some() || self.pools.iter().all(|pool| pool.address.is_some())
    }
}

impl Port {
    /// Its name; `None`: it has no address.
    pub fn key(&self) -> Option<PortKey> {
        let first = self.addresses.first()?;
        Some(PortKey(first.address.addr()))
    }

    /// The name of the interface in the container.
    pub fn name(&self) -> &str {
        let pod = self.pod.as_ref();
        pod.map_or(&self.sandbox.if_name, |pod| &pod.name)
    }

    /// Whether it has this address.
    pub fn has(&self, ip: IpAddr) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.any(|address| address.address.addr() == ip)
    }

    /// Whether this address is one of its gateways.
    pub fn leads_to(&self, ip: IpAddr) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.any(|address| address.gateway == ip)
    }

    /// The routes that its interface gets, each by the gateway.
    pub fn routes(&self) -> Vec<(IpNet, IpAddr)> {
        let by_gateway = |to: IpNet| {
            let mut addresses = self.addresses.iter().map(|address| address.gateway);
            let gateway = addresses.find(|gateway| gateway.is_ipv4() == to.addr().is_ipv4());
            gateway.map(|gateway| (to, gateway))
        };
        let node = self.pod.iter().flat_map(|pod| &pod.node);
        let mut routes: Vec<_> = (self.routes.iter().map(|route| route.to))
            .chain(node.map(|ip| IpNet::from(*ip)))
            .filter_map(by_gateway)
            .filter(|(to, gateway)| *to != IpNet::from(*gateway))
            .collect();
        routes.sort_unstable();
        routes.dedup();
        routes
    }
}

impl PortKey {
    /// The name of the interface's end on the node, in the form that other plugins give theirs, too.
    pub fn host_end(self) -> String {
        let [a, b, c, d] = self.folded();
        format!("veth{a:02x}{b:02x}{c:02x}{d:02x}")
    }

    /// The MAC address of the interface: whoever has the address has it, so that the node's neighbour entry stays right when the address
    /// goes to another container. The prefix is the one that the replaced plugins and the CNI project's gave.
    pub fn mac(self) -> Mac {
        let [a, b, c, d] = self.folded();
        Mac::from([0x0a, 0x58, a, b, c, d])
    }

    /// The MAC address of a bridge whose first gateway this is, so that it is the same whenever the bridge is made anew.
    pub fn bridge_mac(self) -> Mac {
        let [a, b, c, d] = self.folded();
        Mac::from([0x0a, 0xec, a, b, c, d])
    }

    /// Four bytes that stand for the address: those of IPv4 itself.
    fn folded(self) -> [u8; 4] {
        match self.0 {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(ip) => {
                let mut folded = [0; 4];
                for (at, octet) in ip.octets().into_iter().enumerate() {
                    if let Some(byte) = folded.get_mut(at % 4) {
                        *byte ^= octet;
                    }
                }
                folded
            }
        }
    }
}
