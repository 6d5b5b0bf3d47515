//! What the node has of a port beside its interface, where somebody removed it: `nft flush ruleset` and `ip rule flush` spare nobody.

use std::collections::BTreeSet;

use node_agent_core::{
    facts::Ports,
    port::{Port, PortKey, frames},
};

use super::{
    host::{self, ToPods},
    open,
};
use crate::{
    error::Error,
    kernel::{
        netlink::Netlink,
        nft::{self, Commit},
    },
    plug::Node,
};

/// What of the node is common to all ports.
pub(super) struct Around {
    separates: bool,
    to_pods: ToPods,
}

impl Around {
    pub fn read(node: &Node, netlink: &mut Netlink) -> Result<Self, Error> {
        let separates = node.host.inside(nft::port::separates)?;
        Ok(Self {
            separates: separates.map_err(Error::netlink("look at the filter between bridges"))?,
            to_pods: host::to_pods(node, netlink)?,
        })
    }

    /// What differs of what the node has of a port beside its interface.
    pub fn differences(
        &self,
        node: &Node,
        key: PortKey,
        port: &Port,
    ) -> Result<Vec<String>, Error> {
        let (end, mac) = (key.host_end(), key.mac());
        let mut found = host::differences(&self.to_pods, node, key, port)?;
        if !self.separates {
            found.push("what goes between bridges is not filtered as it should be".to_owned());
        }
        let rules = frames::rules(port, mac);
        let guards = (node.host).inside(|| nft::port::guards(&end, mac, &rules))?;
        if !guards.map_err(Error::netlink("look at the filter of the port"))? {
            found.push(format!(
                "what comes by {end} is not filtered as it should be"
            ));
        }
        Ok(found)
    }
}

/// Those of these ports whose interface is there, and whose filters, rules or routes are not as they should be.
pub fn unguarded(node: &Node, ports: &Ports) -> Result<BTreeSet<PortKey>, Error> {
    let mut found = BTreeSet::new();
    let mut ports = ports.guarded().peekable();
    if ports.peek().is_none() {
        return Ok(found);
    }
    let mut netlink = node.host.inside(open)??;
    let around = Around::read(node, &mut netlink)?;
    for (key, port) in ports {
        // Before Linux 6.16 the chain goes with the interface.
        if !around.differences(node, key, port)?.is_empty() && has_end(&mut netlink, key)? {
            found.insert(key);
        }
    }
    Ok(found)
}

fn has_end(netlink: &mut Netlink, key: PortKey) -> Result<bool, Error> {
    let has_end = netlink.has_link(&key.host_end());
    has_end.map_err(Error::netlink("look at a link"))
}

/// Filters what comes by a port.
pub(super) fn filter(node: &Node, key: PortKey, port: &Port) -> Result<Commit, Error> {
    let mac = key.mac();
    let rules = frames::rules(port, mac);
    let commit = (node.host).inside(|| nft::port::guard(&key.host_end(), mac, &rules))?;
    commit.map_err(Error::netlink(
        "filter what the container sends by the bridge",
    ))
}

/// Makes them again. Nothing where bridge or interface have gone meanwhile: such a port needs none.
pub fn guard(node: &Node, key: PortKey, port: &Port) -> Result<Option<Vec<Commit>>, Error> {
    let mut netlink = node.host.inside(open)??;
    let bridge = port.bridge.as_ref().map(|bridge| &*bridge.name);
    let bridge = netlink.named(bridge.unwrap_or_default());
    let Some(bridge) = bridge.map_err(Error::netlink("look at a link"))? else {
        return Ok(None);
    };
    if !has_end(&mut netlink, key)? {
        return Ok(None);
    }
    let commit = filter(node, key, port)?;
    let beside = host::add(node, &mut netlink, key, port, bridge.device.index)?;
    Ok(Some(beside.into_iter().chain([commit]).collect()))
}
