//! Neighbour solicitations that the router answers: on each wire those for the other IPv6 addresses of the wire's subnet.
//!
//! For ARP one setting of the kernel answers for everything that is routed. For IPv6 each address has to be named, so that an
//! address out of a delegated prefix answers nobody in its own subnet; it is reached through the router.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv6Addr,
};

use crate::{SimError, namespace::ip, wires::Wire};

/// What was asked of the kernel so far.
#[derive(Default)]
pub(crate) struct Proxies(BTreeSet<(String, Ipv6Addr)>);

impl Proxies {
    /// Makes them what these wires need. They go with their wire by themselves.
    pub(crate) fn settle(&mut self, wires: &BTreeMap<String, Wire>) -> Result<(), SimError> {
        let wanted = wanted(wires);
        let stale = self.0.difference(&wanted);
        let stale = stale.filter(|(vpc_end, _)| wires.contains_key(vpc_end));
        let stale = stale.map(|(end, address)| format!("neigh del proxy {address} dev {end}\n"));
        let new = wanted.difference(&self.0);
        let new = new.map(|(end, address)| format!("neigh replace proxy {address} dev {end}\n"));
        let script: String = stale.chain(new).collect();
        if !script.is_empty() {
            // A wire that could not be made has none; it is tried again with the wire.
            self.0.clear();
            ip(&script)?;
        }
        self.0 = wanted;
        Ok(())
    }

    /// A wire was made anew, and has none.
    pub(crate) fn forget(&mut self, vpc_end: &str) {
        self.0.retain(|(end, _)| end != vpc_end);
    }
}

fn wanted(wires: &BTreeMap<String, Wire>) -> BTreeSet<(String, Ipv6Addr)> {
    let mut all = BTreeSet::new();
    for (vpc_end, wire) in wires {
        let others = wires
            .iter()
            .filter(|(end, other)| *end != vpc_end && other.subnet == wire.subnet);
        let addresses = others.flat_map(|(_, other)| &other.ipv6);
        all.extend(addresses.map(|address| (vpc_end.clone(), *address)));
    }
    all
}
