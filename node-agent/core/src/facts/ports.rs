//! What is known of ports, of the addresses that were given last, and of the bridges.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::Sandbox;
use crate::{
    port::{
        Bridge, Exhausted, PodPort, Pool, Port, PortAddress, PortAsked, PortKey, PortState, next,
    },
    replaced::Release,
};

/// All that is known of ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports {
    /// The journal.
    pub all: BTreeMap<PortKey, Port>,
    /// Of each subnet the address that was given or given back last.
    pub cursors: BTreeMap<IpNet, IpAddr>,
    /// The addresses that agents gave to bridges of the node.
    pub bridges: BTreeMap<String, BTreeSet<IpNet>>,
    /// Who has addresses on the bridges without an entry in the journal.
    pub surveys: BTreeMap<String, Survey>,
    /// Ports that steps are being done on.
    pub busy: BTreeSet<PortKey>,
}

/// A look at the addresses that are in use on a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survey {
    /// It is being done.
    Begun,
    /// It was done.
    Ended {
        /// When it was asked for, in milliseconds.
        at: u64,
        /// Addresses that are in use and in no journal; an error: it is not known.
        outcome: Result<BTreeSet<IpAddr>, String>,
    },
}

impl Ports {
    /// Takes in that a port is being added, or deleted.
    pub fn begin(&mut self, key: PortKey, port: Port) {
        self.moved_on(&port);
        self.busy.insert(key);
        self.all.insert(key, port);
    }

    /// Takes in that a port is gone, and its addresses with it.
    pub fn end(&mut self, key: PortKey) {
        if let Some(port) = self.all.remove(&key) {
            self.moved_on(&port);
        }
    }

    /// Takes in that the bridge of a port was made as `wanted`: what of `ours` that took off it may be somebody else's from now on.
    pub fn settled(&mut self, port: &Port, wanted: &Wanted) {
        let needed = self
            .bridge(port)
            .map(|now| now.addresses)
            .unwrap_or_default();
        if let Some(ours) = self.bridges.get_mut(&wanted.name) {
            let gone = wanted.ours.difference(&wanted.addresses);
            for address in gone.filter(|address| !needed.contains(*address)) {
                ours.remove(address);
            }
        }
    }

    fn moved_on(&mut self, port: &Port) {
        for address in &port.addresses {
            self.cursors.insert(address.subnet, address.address.addr());
        }
    }

    /// Those whose packets are filtered on the node, and that no step is being done on.
    pub fn guarded(&self) -> impl Iterator<Item = (PortKey, &Port)> {
        let is_added = |key: &PortKey, port: &Port| {
            port.state == PortState::Added && port.bridge.is_some() && !self.busy.contains(key)
        };
        let ports = self.all.iter();
        let ports = ports.filter(move |(key, port)| is_added(key, port));
        ports.map(|(key, port)| (*key, port))
    }

    /// Takes in which addresses are in use on a bridge.
    pub fn surveyed(&mut self, bridge: &str, at: u64, found: Result<BTreeSet<IpAddr>, String>) {
        let foreign = |mut found: BTreeSet<IpAddr>| {
            found.retain(|ip| {
                !self
                    .all
                    .values()
                    .any(|port| port.has(*ip) || port.leads_to(*ip))
            });
            found
        };
        let outcome = found.map(foreign);
        self.surveys
            .insert(bridge.to_owned(), Survey::Ended { at, outcome });
    }

    /// The ports that the DEL of a container's interface is about.
    pub fn of<'a>(&'a self, sandbox: &'a Sandbox) -> impl Iterator<Item = (&'a PortKey, &'a Port)> {
        let all = self.all.iter();
        all.filter(move |(_, port)| port.sandbox == *sandbox && port.bridge.is_some())
    }

    /// The port by which a pod with ENIs reaches its node.
    pub fn of_pod(&self, sandbox: &Sandbox) -> Option<(PortKey, &Port)> {
        let mut all = self.all.iter();
        let found = all.find(|(_, port)| port.sandbox == *sandbox && port.pod.is_some());
        found.map(|(key, port)| (*key, port))
    }

    /// The addresses that are given back: those that are named, or those of the id, or those of the container.
    pub fn released<'a>(
        &'a self,
        sandbox: &'a Sandbox,
        release: &'a Release,
    ) -> impl Iterator<Item = (&'a PortKey, &'a Port)> {
        let is_meant = move |port: &Port| match release {
            Release { addresses, .. } if !addresses.is_empty() => {
                addresses.iter().any(|ip| port.has(*ip))
            }
            Release { id: Some(id), .. } => port.id.as_ref() == Some(id),
            Release { id: None, .. } => port.sandbox == *sandbox,
        };
        let all = self.all.iter();
        all.filter(move |(_, port)| port.bridge.is_none() && is_meant(port))
    }

    /// Takes in that nobody waits for these to go: they go all the same.
    pub(super) fn go(&mut self, keys: &[PortKey]) {
        for key in keys {
            if !self.busy.contains(key)
                && let Some(port) = self.all.get_mut(key)
            {
                port.state = PortState::Deleting;
            }
        }
    }

    /// The bridge as the ports of the node need it, this one included.
    pub fn bridge(&self, port: &Port) -> Option<Wanted> {
        let Bridge { name, mtu } = port.bridge.as_ref()?;
        let is_there = |other: &&Port| {
            let bridge = other.bridge.as_ref();
            other.state != PortState::Deleting && bridge.is_some_and(|bridge| bridge.name == *name)
        };
        let others: Vec<_> = self.all.values().filter(is_there).collect();
        let mtus = others
            .iter()
            .filter_map(|port| Some(port.bridge.as_ref()?.mtu));
        let addresses = others.iter().flat_map(|port| &port.addresses);
        let addresses = addresses.chain(&port.addresses);
        Some(Wanted {
            name: name.clone(),
            mtu: mtus.max().unwrap_or_default().max(*mtu),
            addresses: addresses.filter_map(PortAddress::of_bridge).collect(),
            ours: self.bridges.get(name).cloned().unwrap_or_default(),
        })
    }
}

/// What a bridge is to look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// The largest MTU of its ports, in bytes.
    pub mtu: u32,
    /// Its addresses: the gateways of its ports.
    pub addresses: BTreeSet<IpNet>,
    /// Addresses that agents gave it before.
    pub ours: BTreeSet<IpNet>,
}

/// The port that a container has already for what it asks, among those that are `known`; an error: it cannot have what it asks for.
pub(crate) fn same<'a>(
    known: &[&'a Port],
    sandbox: &Sandbox,
    asked: &PortAsked,
) -> Result<Option<&'a Port>, String> {
    let find = |is: &dyn Fn(&Port) -> bool| known.iter().copied().find(|port| is(port));
    let is_ours = |port: &Port| port.bridge.is_some() && port.sandbox == *sandbox;
    let by_bridge = asked.bridge.as_ref().and_then(|_| find(&is_ours));
    let by_id = (asked.id.as_ref()).and_then(|id| find(&|port| port.id.as_ref() == Some(id)));
    if let Some(port) = by_bridge.or(by_id) {
        return if port.sandbox == *sandbox && is_as_asked(port, asked) {
            Ok(Some(port))
        } else {
            Err(conflict(port, asked))
        };
    }
    let wanted = asked
        .pools
        .iter()
        .filter_map(|pool| Some(pool.address?.addr()));
    for ip in wanted {
        match find(&|port| port.has(ip)) {
            // An interface of another plugin, asked for again.
            Some(port) if port.sandbox == *sandbox && is_as_asked(port, asked) => {
                return Ok(Some(port));
            }
            Some(port) => return Err(taken(ip, port)),
            None if find(&|port| port.leads_to(ip)).is_some() => {
                return Err(format!(
                    "{ip} is the node's own address on a bridge; choose another address"
                ));
            }
            None => {}
        }
    }
    for pool in &asked.pools {
        if let Some(port) = find(&|port| port.has(pool.gateway)) {
            return Err(format!(
                "it cannot be the gateway: {}",
                taken(pool.gateway, port)
            ));
        }
    }
    Ok(None)
}

/// Whether this is what it asks for.
pub(crate) fn is_as_asked(port: &Port, asked: &PortAsked) -> bool {
    let PortAsked {
        id,
        bridge,
        pools,
        routes,
        pod,
    } = asked;
    let of_pod =
        |pod: &Option<PodPort>| pod.as_ref().map(|pod| (pod.name.clone(), pod.enis.clone()));
    let pool_is = |address: &PortAddress, pool: &Pool| {
        (address.subnet, address.gateway) == (pool.subnet, pool.gateway)
            && pool.address.is_none_or(|wanted| wanted == address.address)
    };
    port.id == *id
        && port.bridge == *bridge
        && port.routes == *routes
        && of_pod(&port.pod) == of_pod(pod)
        // A family that the node cannot have was left out.
        && (port.addresses.iter()).all(|address| pools.iter().any(|pool| pool_is(address, pool)))
}

pub(crate) fn conflict(port: &Port, asked: &PortAsked) -> String {
    let (name, container_id) = (port.name(), &port.sandbox.container_id);
    let addresses: Vec<_> = port
        .addresses
        .iter()
        .map(|one| one.address.addr().to_string())
        .collect();
    let addresses = addresses.join(" and ");
    match &asked.id {
        _ if port.pod.is_some() => format!(
            "{name} of container {container_id} has {addresses} by what nodeAccess of its class said before; delete the pod, its successor has what it says now"
        ),
        Some(id) if port.id.as_ref() == Some(id) => format!(
            "ipam.id {id:?} is that of {addresses}, which {name} of container {container_id} has; delete that first, or choose another id"
        ),
        Some(_) | None => format!(
            "{name} of container {container_id} has {addresses} by another configuration; delete that first"
        ),
    }
}

fn taken(ip: IpAddr, port: &Port) -> String {
    let (name, container_id) = (port.name(), &port.sandbox.container_id);
    format!(
        "{ip} is the address of {name} of container {container_id}; delete that first, or choose another address"
    )
}

/// Why there are no addresses.
pub(crate) enum Unallocated {
    /// All are in use.
    Exhausted(Exhausted),
    /// It is in use on the bridge, by whoever the journal does not know.
    InUse(IpAddr),
}

/// Addresses for what a container asks for: all of them, or none. `known` are the ports that there are, `given` those of them that
/// the cursors do not know yet.
pub(crate) fn allocate<'a>(
    facts: &Ports,
    known: impl Iterator<Item = &'a Port>,
    given: impl Iterator<Item = &'a Port>,
    asked: &PortAsked,
) -> Result<Vec<PortAddress>, Unallocated> {
    let mut cursors = facts.cursors.clone();
    for address in given.flat_map(|port| &port.addresses) {
        cursors.insert(address.subnet, address.address.addr());
    }
    let foreign: BTreeSet<IpAddr> = (facts.surveys.values())
        .filter_map(|survey| match survey {
            Survey::Ended { outcome, .. } => outcome.as_ref().ok(),
            Survey::Begun => None,
        })
        .flatten()
        .copied()
        .collect();
    let known = known.flat_map(|port| &port.addresses);
    let taken: BTreeSet<IpAddr> = known
        .flat_map(|address| [address.address.addr(), address.gateway])
        .chain(foreign.iter().copied())
        .collect();
    let address = |pool: &Pool| {
        let address = match pool.address {
            Some(address) if foreign.contains(&address.addr()) => {
                return Err(Unallocated::InUse(address.addr()));
            }
            Some(address) => address,
            None => {
                let cursor = cursors.get(&pool.subnet).copied();
                let ip =
                    next(pool, cursor, |ip| taken.contains(&ip)).map_err(Unallocated::Exhausted)?;
                // The prefix is that of a subnet of the same family.
                IpNet::new(ip, pool.subnet.prefix_len()).unwrap_or_else(|_| ip.into())
            }
        };
        Ok(PortAddress {
            address,
            subnet: pool.subnet,
            gateway: pool.gateway,
        })
    };
    asked.pools.iter().map(address).collect()
}
