//! What filters a port's packets on the node, where somebody removed it: `nft flush ruleset` removes the rules of everybody.

use std::collections::BTreeSet;

use node_agent_core::port::{Port, PortKey, frames};

use super::{host, open};
use crate::{
    error::Error,
    kernel::{
        netlink::Netlink,
        nft::{self, Commit},
    },
    plug::Node,
};

/// Those of these ports whose interface is there and whose filters are not; of each whether it is a pod's.
pub fn unguarded(node: &Node, ports: &[(PortKey, bool)]) -> Result<BTreeSet<PortKey>, Error> {
    let looking = || Error::netlink("look for the filters of ports");
    let mut netlink = node.host.inside(open)??;
    let filters = node.host.inside(Netlink::netfilter)?;
    let mut filters = filters.map_err(looking())?;
    let mut found = BTreeSet::new();
    for (key, is_of_pod) in ports {
        let end = key.host_end();
        let is_there = nft::port::has_chains(&mut filters, &end, *is_of_pod);
        // Before Linux 6.16 the chain goes with the interface.
        if !is_there.map_err(looking())? && netlink.index(&end).map_err(looking())?.is_some() {
            found.insert(*key);
        }
    }
    Ok(found)
}

/// Makes them again. A port whose interface has gone meanwhile needs none.
pub fn guard(node: &Node, key: PortKey, port: &Port) -> Result<Vec<Commit>, Error> {
    let (end, mac) = (key.host_end(), key.mac());
    let looking = || Error::netlink("look at a link");
    let mut netlink = node.host.inside(open)??;
    let bridge = port.bridge.as_ref().map(|bridge| &*bridge.name);
    let bridge = netlink.named(bridge.unwrap_or_default());
    let (Some(bridge), Some(_)) = (
        bridge.map_err(looking())?,
        netlink.index(&end).map_err(looking())?,
    ) else {
        return Ok(Vec::new());
    };
    let rules = frames::rules(port, mac);
    let commit = node.host.inside(|| nft::port::guard(&end, mac, &rules))?;
    let commit = commit.map_err(Error::netlink(
        "filter what the container sends by the bridge",
    ))?;
    let beside = host::add(node, &mut netlink, key, port, bridge.device.index)?;
    Ok(beside.into_iter().chain([commit]).collect())
}
