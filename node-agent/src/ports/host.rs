//! What the node has of a pod's port beside the bridge: the rules and routes to the pod's ENIs, and the source NAT of what passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use node_agent_core::{
    picture::{Family, Route},
    port::{Port, PortKey, host},
};
use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::{
        netlink::{Netlink, errno},
        nft::{self, Commit},
        routing::{add_rule, delete_route, delete_rule, replace_route},
    },
    plug::Node,
};

/// Adds the rule, the routes and the source NAT for the ENIs of the port's pod, over this bridge.
pub(super) fn add(
    node: &Node,
    netlink: &mut Netlink,
    key: PortKey,
    port: &Port,
    bridge: u32,
) -> Result<Option<Commit>, Error> {
    if port.pod.is_none() {
        return Ok(None);
    }
    let masquerades = host::masquerades(port);
    let commit =
        (node.host).inside(|| nft::masquerade::masquerade(&key.host_end(), &masquerades))?;
    let commit = commit.map_err(Error::netlink("masquerade what passes by the bridge"))?;
    for route in host::routes(port) {
        let rule = host::rule(Family::of(route.to.addr()));
        let outcome = netlink.request(add_rule(&rule));
        unless(Errno::EXIST, outcome).map_err(Error::netlink("add the rule that leads to pods"))?;
        let outcome = netlink.request(replace_route(&route, bridge));
        outcome.map_err(Error::netlink("add the route to a pod"))?;
    }
    Ok(Some(commit))
}

/// Undoes that. Without the last route the rule is gone as well.
pub(super) fn delete(
    node: &Node,
    netlink: &mut Netlink,
    key: PortKey,
    port: &Port,
) -> Result<Option<Commit>, Error> {
    if port.pod.is_none() {
        return Ok(None);
    }
    for route in host::routes(port) {
        // One that leads to a newer port of the pod stays.
        let outcome = netlink.request(delete_route(&route));
        unless(Errno::SRCH, outcome).map_err(Error::netlink("delete the route to a pod"))?;
    }
    for (family, (has_rule, routes)) in to_pods(node, netlink)? {
        if has_rule && routes.is_empty() {
            let outcome = netlink.request(delete_rule(&host::rule(family)));
            unless(Errno::NOENT, outcome)
                .map_err(Error::netlink("delete the rule that leads to pods"))?;
        }
    }
    let commit = (node.host).inside(|| nft::masquerade::unmasquerade(&key.host_end()))?;
    let commit = commit.map_err(Error::netlink("end the masquerade of a port"))?;
    Ok(Some(commit))
}

/// Of each family whether the rule is there that leads to pods, and the routes that it leads to.
pub(super) type ToPods = BTreeMap<Family, (bool, BTreeSet<Route>)>;

pub(super) fn to_pods(node: &Node, netlink: &mut Netlink) -> Result<ToPods, Error> {
    let families = node.inspector.features.families().iter();
    let seen = families.map(|family| Ok((*family, netlink.to_pods(*family)?)));
    let seen: io::Result<_> = seen.collect();
    seen.map_err(Error::netlink("list the routes to pods"))
}

/// What differs.
pub(super) fn differences(
    to_pods: &ToPods,
    node: &Node,
    key: PortKey,
    port: &Port,
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    if port.pod.is_none() {
        return Ok(found);
    }
    for (family, (has_rule, routes)) in to_pods {
        let wanted = host::routes(port).into_iter();
        let wanted: Vec<_> = wanted
            .filter(|route| Family::of(route.to.addr()) == *family)
            .collect();
        if !has_rule && !wanted.is_empty() {
            found.push(format!("the node lacks the {}", host::rule(*family)));
        }
        let lacks = wanted.iter().filter(|route| !routes.contains(*route));
        found.extend(lacks.map(|route| format!("the node lacks the {route}")));
    }
    let masquerades = host::masquerades(port);
    let is_so =
        (node.host).inside(|| nft::masquerade::masquerades(&key.host_end(), &masquerades))?;
    if !is_so.map_err(Error::netlink("look at the masquerade of a port"))? {
        found.push("what passes by the bridge is not masqueraded as it should be".to_owned());
    }
    Ok(found)
}

fn unless(expected: Errno, outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if errno(&error) == Some(expected) => Ok(()),
        outcome => outcome,
    }
}
