//! What the node has of a port beside its interface, where somebody removed it: `nft flush ruleset` and `ip rule flush` spare nobody.

use std::collections::BTreeSet;

use node_agent_core::{
    facts::Ports,
    port::{Port, PortKey, frames},
};

use super::{host, open};
use crate::{
    error::Error,
    kernel::nft::{self, Commit},
    plug::Node,
};

/// Those of these ports whose interface is there, and whose filters, rules or routes are not as they should be.
pub fn unguarded(node: &Node, ports: &Ports) -> Result<BTreeSet<PortKey>, Error> {
    let mut found = BTreeSet::new();
    let mut ports = ports.guarded().peekable();
    if ports.peek().is_none() {
        return Ok(found);
    }
    let looking = || Error::netlink("look for the filters of ports");
    let mut netlink = node.host.inside(open)??;
    let separates = node.host.inside(nft::port::separates)?;
    let separates = separates.map_err(looking())?;
    let seen = host::Seen::read(node, &mut netlink)?;
    for (key, port) in ports {
        let (end, mac) = (key.host_end(), key.mac());
        let rules = frames::rules(port, mac);
        let guards = (node.host).inside(|| nft::port::guards(&end, mac, &rules))?;
        let is_so = separates
            && guards.map_err(looking())?
            && seen.differences(node, key, port)?.is_empty();
        // Before Linux 6.16 the chain goes with the interface.
        if !is_so && netlink.index(&end).map_err(looking())?.is_some() {
            found.insert(key);
        }
    }
    Ok(found)
}

/// Makes them again. Nothing where bridge or interface have gone meanwhile: such a port needs none.
pub fn guard(node: &Node, key: PortKey, port: &Port) -> Result<Option<Vec<Commit>>, Error> {
    let (end, mac) = (key.host_end(), key.mac());
    let looking = || Error::netlink("look at a link");
    let mut netlink = node.host.inside(open)??;
    let bridge = port.bridge.as_ref().map(|bridge| &*bridge.name);
    let bridge = netlink.named(bridge.unwrap_or_default());
    let (Some(bridge), Some(_)) = (
        bridge.map_err(looking())?,
        netlink.index(&end).map_err(looking())?,
    ) else {
        return Ok(None);
    };
    let rules = frames::rules(port, mac);
    let commit = node.host.inside(|| nft::port::guard(&end, mac, &rules))?;
    let commit = commit.map_err(Error::netlink(
        "filter what the container sends by the bridge",
    ))?;
    let beside = host::add(node, &mut netlink, key, port, bridge.device.index)?;
    Ok(Some(beside.into_iter().chain([commit]).collect()))
}
