//! Adds a port: the bridge as its ports need it, and a pair of interfaces, one end on it and one in the container.

use std::{collections::BTreeSet, fs, io, net::Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use node_agent_core::{
    facts::ports::Wanted,
    mac::Mac,
    picture::{Family, Route, Way},
    port::{Port, PortKey, layout},
};
use rustix::io::Errno;

use super::{check, delete, guard::filter, open};
use crate::{
    error::Error,
    kernel::{
        link::{
            Device,
            bridge::{NewPort, enslave, settle},
            set_up,
        },
        namespace::Namespace,
        netlink::{Netlink, Request, errno},
        nft::Commit,
        routing::{add_address, add_gateway, add_route, delete_address},
    },
    plug::Node,
};

/// A link that has no address of its own often leads to all link-local addresses (RFC 3927, section 2.6.2), by a shorter prefix than ours.
const ZEROCONF: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16));

/// The interface of kube-proxy in the mode ipvs. What it forwards the kernel takes for the node's own (`net/netfilter/ipvs/ip_vs_xmit.c`).
const IPVS: &str = "kube-ipvs0";

/// A port that is there.
#[derive(Debug)]
pub struct Made {
    /// The bridge.
    pub bridge: Device,
    /// The end on the node.
    pub here: Device,
    /// Its MTU, in bytes.
    pub mtu: u32,
    /// What may be closed when nobody waits any more.
    pub commits: Vec<Commit>,
}

/// A port that was not added.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: Error,
    /// What there is of it.
    pub left: Left,
}

/// What there is of a port after a failure.
#[derive(Debug)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// It is as it was: nothing was done.
    AsBefore,
    /// It is not known, and why it was not undone.
    Unknown(Error),
}

impl Left {
    /// Nothing, unless it could not be undone.
    pub fn after(undone: Option<Error>) -> Self {
        undone.map_or(Self::Nothing, Self::Unknown)
    }
}

/// Makes the port in the container, or finds it there as it should be. Addresses that the node cannot have are taken out of it.
pub fn add(
    node: &Node,
    pod: &Namespace,
    key: PortKey,
    port: &mut Port,
    wanted: &Wanted,
) -> Result<Made, Failed> {
    let end = key.host_end();
    let as_before = |error| Failed {
        error,
        left: Left::AsBefore,
    };
    let mut host = node.host.inside(open).flatten().map_err(as_before)?;
    let has_end = host.index(&end).map_err(Error::netlink("look for a link"));
    if has_end.map_err(as_before)?.is_some() {
        if check(node, pod, key, port, &wanted.name).is_ok() {
            let made = found(&mut host, &end, wanted);
            return made.map_err(as_before);
        }
        drop(delete(node, key, port).map_err(as_before)?);
    }
    let before = preflight(node, &mut host, pod, port, wanted).map_err(|error| Failed {
        error,
        left: Left::Nothing,
    })?;
    let is_new = before.is_none();
    make(node, &mut host, pod, (key, &end), port, wanted, before).map_err(|error| {
        let mut undo = delete(node, key, port).err();
        if is_new {
            let deleted = host.delete_named(&wanted.name);
            undo = undo.or(deleted.map_err(Error::netlink("delete the bridge")).err());
        }
        Failed {
            error,
            left: Left::after(undo),
        }
    })
}

/// Refuses what cannot be, before anything is made. The bridge, if there is one.
fn preflight(
    node: &Node,
    host: &mut Netlink,
    pod: &Namespace,
    port: &mut Port,
    wanted: &Wanted,
) -> Result<Option<Device>, Error> {
    let name = port.name();
    let mut netlink = pod.inside(open)??;
    let taken = netlink.has_link(name);
    if taken.map_err(Error::netlink("look for a link of the pod"))? {
        let name = name.to_owned();
        return Err(Error::NameTaken { name });
    }
    let named = host.named(&wanted.name);
    let named = named.map_err(Error::netlink("look for the bridge"))?;
    let bridge = named.as_ref().map(|named| named.device.index);
    surroundings(node, host, port, bridge)?;
    let Some(named) = named else {
        return Ok(None);
    };
    if !named.is_bridge {
        let name = wanted.name.clone();
        return Err(Error::NoBridge { name });
    }
    let seen = addresses(host, named.device.index)?;
    let is_foreign = |address: &&IpNet| {
        let of_family = |one: &IpNet| one.addr().is_ipv4() == address.addr().is_ipv4();
        !wanted.addresses.contains(*address)
            && !wanted.ours.contains(*address)
            && wanted.addresses.iter().any(of_family)
    };
    // The kernel takes an address of IPv6 once, whatever its prefix length.
    let is_twice = |address: &&IpNet| {
        let mut wanted = wanted.addresses.iter();
        wanted.any(|one| one.addr() == address.addr() && one != *address)
    };
    let foreign = seen.iter().find(is_foreign);
    if let Some(address) = foreign.or_else(|| wanted.addresses.iter().find(is_twice)) {
        return Err(Error::BridgeAddress {
            bridge: wanted.name.as_str().into(),
            address: Box::new(*address),
            wanted: wanted.addresses.iter().copied().collect(),
        });
    }
    Ok(Some(named.device))
}

/// Finds out the node's own addresses for a pod, whose subnets may lead nowhere else: its class says them for all nodes.
fn surroundings(
    node: &Node,
    host: &mut Netlink,
    port: &mut Port,
    bridge: Option<u32>,
) -> Result<(), Error> {
    let Some(pod) = &mut port.pod else {
        return Ok(());
    };
    let ipvs = host.has_link(IPVS);
    if ipvs.map_err(Error::netlink("look for a link"))? {
        return Err(Error::Ipvs);
    }
    for address in &port.addresses {
        let (subnet, family) = (address.subnet, Family::of(address.gateway));
        if !node.inspector.features.families().contains(&family) {
            continue;
        }
        let own = host.own_addresses(family);
        (pod.node).extend(own.map_err(Error::netlink("look for the node's addresses"))?);
        let networks = host.networks(family);
        let networks = networks.map_err(Error::netlink("list the routes of the node"))?;
        let overlaps = |(to, link): &&(IpNet, Option<u32>)| {
            let by_bridge = bridge.is_some() && *link == bridge;
            !by_bridge && *to != ZEROCONF && (to.contains(&subnet) || subnet.contains(to))
        };
        if let Some((network, link)) = networks.iter().find(overlaps) {
            let named = link.map(|link| host.name_of(link)).transpose();
            let named = named.map_err(Error::netlink("look at a link"))?;
            return Err(Error::SubnetTaken {
                subnet: Box::new(subnet),
                network: Box::new(*network),
                link: named.flatten().unwrap_or_default().into(),
            });
        }
    }
    Ok(())
}

fn make(
    node: &Node,
    host: &mut Netlink,
    pod: &Namespace,
    (key, end): (PortKey, &str),
    port: &mut Port,
    wanted: &Wanted,
    before: Option<Device>,
) -> Result<Made, Error> {
    let mtu = port.bridge.as_ref().map_or(wanted.mtu, |bridge| bridge.mtu);
    let bridge = bridge(host, port, wanted, before)?;
    let mac = key.mac();
    let new = NewPort {
        here: end,
        there: port.name(),
        mac,
        mtu,
    };
    host.create_port(new, pod.as_fd())
        .map_err(Error::netlink("make a pair of interfaces"))?;
    let here = link(host, end)?;
    all(
        host,
        "make an interface a port of the bridge",
        enslave(here.index, bridge.index).into(),
    )?;
    let commit = filter(node, key, port)?;
    all(host, "set an interface up", vec![set_up(here.index, true)])?;
    pod.inside(|| in_pod(node, port, mtu))??;
    let beside = super::host::add(node, host, key, port, bridge.index)?;
    Ok(Made {
        bridge,
        here: link(host, end)?,
        mtu,
        commits: beside.into_iter().chain([commit]).collect(),
    })
}

/// The bridge as its ports need it.
fn bridge(
    host: &mut Netlink,
    port: &mut Port,
    wanted: &Wanted,
    before: Option<Device>,
) -> Result<Device, Error> {
    let before = if let Some(before) = before {
        before
    } else {
        let gateway = port.addresses.first().map(|address| address.gateway);
        let mac = gateway.map_or(Mac::from([0; 6]), |gateway| PortKey(gateway).bridge_mac());
        let made = host.create_bridge(&wanted.name, mac);
        made.map_err(Error::netlink("make the bridge"))?;
        link(host, &wanted.name)?
    };
    all(host, "set the bridge", settle(&before, wanted.mtu))?;
    let seen = addresses(host, before.index)?;
    for gateway in wanted.addresses.difference(&seen) {
        let outcome = host.request(add_gateway(before.index, *gateway));
        match outcome {
            Err(error) if gateway.addr().is_ipv6() && is_disabled(&error) => {
                leave_out_ipv6(port, &wanted.name)?;
            }
            outcome => outcome.map_err(Error::netlink("give the bridge its address"))?,
        }
    }
    // Those of a subnet that was there before go with the last of its ports.
    let old = wanted.ours.difference(&wanted.addresses);
    let old = old.filter(|address| seen.contains(*address));
    let old = old.map(|address| delete_address(before.index, *address));
    all(host, "take an old address off the bridge", old.collect())?;
    link(host, &wanted.name)
}

fn leave_out_ipv6(port: &mut Port, bridge: &str) -> Result<(), Error> {
    if port
        .addresses
        .iter()
        .any(|one| one.address.addr().is_ipv4())
    {
        port.addresses.retain(|one| one.address.addr().is_ipv4());
        tracing::warn!(
            container = port.sandbox.container_id,
            bridge,
            "IPv6 is disabled on the bridge: the container gets IPv4 addresses alone"
        );
        return Ok(());
    }
    Err(Error::NoIpv6OnBridge {
        bridge: bridge.to_owned(),
    })
}

/// `inet6_addr_add` in `net/ipv6/addrconf.c`; without IPv6 in the kernel nobody takes the message.
fn is_disabled(error: &io::Error) -> bool {
    let disabled = [Errno::ACCESS, Errno::OPNOTSUPP, Errno::AFNOSUPPORT];
    errno(error).is_some_and(|errno| disabled.contains(&errno))
}

/// The end in the container, whose namespace the thread is in.
fn in_pod(node: &Node, port: &Port, mtu: u32) -> Result<(), Error> {
    let name = port.name();
    let wanted = layout(port, mtu);
    if wanted.addresses.iter().any(|one| one.addr().is_ipv6()) {
        // A runtime that gives no IPv6 disables it.
        let setting = node.inspector.proc_sys_net.join("ipv6/conf").join(name);
        let setting = setting.join("disable_ipv6");
        fs::write(&setting, "0").map_err(Error::file(setting))?;
    }
    let mut netlink = open()?;
    let index = link(&mut netlink, name)?.index;
    let mut requests = vec![set_up(index, true)];
    requests.extend(wanted.addresses.iter().map(|one| add_address(index, *one)));
    all(&mut netlink, "set the interface of the container", requests)?;
    // What is on the link first: the routers are.
    let (direct, by_router): (Vec<&Route>, Vec<&Route>) =
        (wanted.routes.iter()).partition(|route| matches!(route.way, Way::OnLink { .. }));
    let routes = direct.into_iter().chain(by_router);
    all(
        &mut netlink,
        "give the container its routes, which no other interface of it may have",
        routes.map(|route| add_route(route, Some(index))).collect(),
    )
}

fn found(host: &mut Netlink, end: &str, wanted: &Wanted) -> Result<Made, Error> {
    let here = link(host, end)?;
    Ok(Made {
        bridge: link(host, &wanted.name)?,
        mtu: here.mtu,
        here,
        commits: Vec::new(),
    })
}

fn link(netlink: &mut Netlink, name: &str) -> Result<Device, Error> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, format!("{name} is gone"));
    let named = netlink.named(name).and_then(|named| named.ok_or_else(gone));
    let named = named.map_err(Error::netlink("look at a link"))?;
    Ok(named.device)
}

fn addresses(host: &mut Netlink, index: u32) -> Result<BTreeSet<IpNet>, Error> {
    let seen = host.addresses(index);
    Ok(seen
        .map_err(Error::netlink("list the addresses of the bridge"))?
        .all)
}

fn all(netlink: &mut Netlink, doing: &'static str, requests: Vec<Request>) -> Result<(), Error> {
    let outcomes = netlink.request_all(requests);
    let outcomes =
        outcomes.and_then(|outcomes| outcomes.into_iter().collect::<io::Result<Vec<_>>>());
    outcomes.map(drop).map_err(Error::netlink(doing))
}
