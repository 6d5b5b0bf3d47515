//! The wires from the VPC to its instances: what there should be, what there is, and the difference made good.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use futures::TryStreamExt;
use rtnetlink::{Handle, packet_route::link::LinkAttribute};
use vpc::{Cidr, Eni, EniId, Instance, InstanceId, InstanceState, Mac, SubnetId, Vpc};

use crate::{
    SimError,
    dhcp::Members,
    namespace::{WIRES, ip, nft, sysctl},
    proxies::Proxies,
    rules::ruleset,
};

/// One veth pair: an end in the VPC, and an end with the ENI's MAC that plays the ENI in the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) subnet: SubnetId,
    mac: Mac,
    /// None on a wire of IPv6 alone.
    gateway: Option<Ipv4Addr>,
    ipv4: Vec<Ipv4Addr>,
    pub(crate) ipv6: Vec<Ipv6Addr>,
    /// Ranges that the ENI gets beside its addresses: delegated prefixes and entries of the route table.
    routes: Vec<String>,
    netns: String,
    /// `eth0` for the primary ENI; for the others a pattern that the kernel completes in the instance's namespace.
    name: &'static str,
    /// That of the ENI's end. A VPC carries 9001 bytes; a device comes up with 1500, and its host sets what it wants: DHCP for
    /// the primary ENI at boot, which is over here, and nobody for one that is plugged in later.
    mtu: u16,
}

/// MTU of a VPC, and so of the router's ends.
const VPC_MTU: u16 = 9001;
/// MTU of a device before anybody sets it, `ether_setup` in the kernel.
const NEW_DEVICE_MTU: u16 = 1500;

/// The name of the VPC end of an ENI's wire.
pub(crate) fn vpc_end(eni: &EniId) -> String {
    format!(
        "eni{}",
        eni.as_str()
            .trim_start_matches("eni-")
            .trim_start_matches('0')
    )
}

/// One wire for each ENI that a running instance has at this moment, by the name of its VPC end.
pub(crate) fn wanted(
    vpc: &Vpc,
    namespaces: &BTreeMap<InstanceId, String>,
) -> BTreeMap<String, Wire> {
    let wire = |eni: &Eni| {
        let running = |instance: &&Instance| instance.state == InstanceState::Running;
        let instance = vpc.instance(eni.plugged_into()?).filter(running)?;
        let (name, mtu) = if eni.is_primary() {
            ("eth0", VPC_MTU)
        } else {
            ("eth%d", NEW_DEVICE_MTU)
        };
        let wire = Wire {
            subnet: eni.subnet.clone(),
            mac: eni.mac,
            gateway: vpc.subnet(&eni.subnet)?.cidr.map(Cidr::gateway),
            ipv4: eni.ipv4().collect(),
            ipv6: eni.others.ipv6.clone(),
            routes: routes(eni, instance),
            netns: namespaces.get(&instance.id)?.clone(),
            name,
            mtu,
        };
        Some((vpc_end(&eni.id), wire))
    };
    vpc.enis().filter_map(wire).collect()
}

fn routes(eni: &Eni, instance: &Instance) -> Vec<String> {
    let prefixes = eni.others.ipv4_prefixes.iter().map(ToString::to_string);
    let prefixes = prefixes.chain(eni.others.ipv6_prefixes.iter().map(ToString::to_string));
    let table = instance.routes.iter().filter(|_| eni.is_primary());
    prefixes.chain(table.map(ToString::to_string)).collect()
}

/// Next hop of the ranges of an ENI on its wire, whose neighbour is the ENI whatever addresses it has. On the link, as the
/// router's `fe80:ec2::1/10` says; hosts' own addresses lie in `fe80::/64`.
const ENI_V6: &str = "fe80:ec2::2";

impl Wire {
    /// What `ip -batch` makes of this wire, with the router's side set up before anything can come through.
    /// The neighbour is fixed because the VPC knows where each address is and asks nobody.
    /// The router's link-local address covers all of `fe80::/10`:
    /// hosts' own lie in `fe80::/64`, where it does not.
    /// The group, by which wires are known, comes last: what a killed run left half-made is no wire.
    fn script(&self, vpc_end: &str) -> String {
        let Self {
            subnet: _,
            mac,
            gateway,
            ipv4,
            ipv6,
            routes,
            netns,
            name,
            mtu,
        } = self;
        let line = |line: String| format!("{line} dev {vpc_end}\n");
        let gateway = gateway.map(|gateway| line(format!("addr add {gateway}/32")));
        let known = ipv4.iter().map(ToString::to_string);
        let known = known.chain(ipv6.iter().map(ToString::to_string));
        let known = known.chain([ENI_V6.to_owned()]);
        let neighbours = known.map(|address| {
            line(format!(
                "neigh replace {address} lladdr {mac} nud permanent"
            ))
        });
        let hosts = ipv4
            .iter()
            .map(|address| line(format!("route replace {address}/32")));
        let hosts6 = ipv6
            .iter()
            .map(|address| line(format!("route replace {address}/128")));
        let via = |to: &String| match (to.contains(':'), ipv4.first()) {
            (false, Some(primary)) => line(format!("route replace {to} via {primary}")),
            (false, None) => String::new(),
            (true, _) => line(format!("route replace {to} via {ENI_V6}")),
        };
        let ways: String = neighbours
            .chain(hosts)
            .chain(hosts6)
            .chain(routes.iter().map(via))
            .collect();
        format!(
            "link add {vpc_end} mtu {VPC_MTU} type veth peer name {name} address {mac} mtu {mtu} netns {netns}\n\
             link set {vpc_end} addrgenmode none\n\
             {}\
             addr add fe80:ec2::1/10 dev {vpc_end} nodad\n\
             link set {vpc_end} up\n\
             {ways}\
             link set {vpc_end} group {WIRES}\n",
            gateway.unwrap_or_default()
        )
    }
}

/// The wires as they are in the kernel.
pub(crate) struct Wires {
    netlink: Handle,
    rules: String,
    proxies: Proxies,
    members: Members,
}

impl Wires {
    pub(crate) fn new(netlink: Handle, members: Members) -> Self {
        Self {
            netlink,
            rules: String::new(),
            proxies: Proxies::default(),
            members,
        }
    }

    /// Makes rules and wires what they should be. All is tried; the first failure is told.
    /// The rules come first, so that no wire lets through what its groups do not.
    pub(crate) async fn settle(
        &mut self,
        vpc_rules: String,
        wanted: &BTreeMap<String, Wire>,
    ) -> Result<(), SimError> {
        if vpc_rules != self.rules {
            nft(&vpc_rules)?;
            self.rules = vpc_rules;
        }
        let seen = self.seen().await?;
        let mut outcome = Ok(());
        for vpc_end in seen.iter().filter(|vpc_end| !wanted.contains_key(*vpc_end)) {
            outcome = outcome.and(unplug(vpc_end));
        }
        for (vpc_end, wire) in wanted
            .iter()
            .filter(|(vpc_end, _)| !seen.contains(*vpc_end))
        {
            self.proxies.forget(vpc_end);
            outcome = outcome.and(plug(vpc_end, wire));
        }
        outcome = outcome.and(self.members.settle(wanted.keys()));
        outcome.and(self.proxies.settle(wanted))
    }

    /// Takes those of `links` away that exist.
    pub(crate) async fn unplug(&self, links: &[String]) -> Result<(), SimError> {
        let seen = self.seen().await?;
        links
            .iter()
            .filter(|vpc_end| seen.contains(*vpc_end))
            .try_for_each(|vpc_end| unplug(vpc_end))
    }

    /// The VPC ends that exist. A veth pair dies as a whole, so a missing VPC end means that the ENI is gone too:
    /// unlike a real one it does not return from a dead namespace by itself.
    pub(crate) async fn seen(&self) -> Result<BTreeSet<String>, SimError> {
        let mut links = self.netlink.link().get().execute();
        let mut names = BTreeSet::new();
        while let Some(link) = links.try_next().await? {
            let ours = link
                .attributes
                .iter()
                .any(|a| matches!(a, LinkAttribute::Group(group) if *group == WIRES));
            let name = link
                .attributes
                .into_iter()
                .find_map(|attribute| match attribute {
                    LinkAttribute::IfName(name) => Some(name),
                    _ => None,
                });
            names.extend(name.filter(|_| ours));
        }
        Ok(names)
    }
}

/// A half-made wire is taken away again, also one of a killed run; it is made at the next try.
fn plug(vpc_end: &str, wire: &Wire) -> Result<(), SimError> {
    // Answers to ARP for others would wait for up to 0.8 s (arp(7)); the default of this cannot be set in a namespace.
    let quick = || {
        ["ipv4", "ipv6"]
            .iter()
            .try_for_each(|family| sysctl(&format!("{family}/neigh/{vpc_end}/proxy_delay"), "0"))
    };
    ip(&wire.script(vpc_end))
        .and_then(|()| quick())
        .inspect_err(|_| drop(unplug(vpc_end)))?;
    tracing::info!(vpc_end, mac = %wire.mac, netns = wire.netns, "link is there");
    Ok(())
}

/// Removes both ends, wherever the ENI's end has been moved to.
fn unplug(vpc_end: &str) -> Result<(), SimError> {
    ip(&format!("link del {vpc_end}"))?;
    tracing::info!(vpc_end, "link is gone");
    Ok(())
}

/// What [`Wires::settle`] needs to know, taken at one moment.
pub(crate) fn picture(
    vpc: &Vpc,
    namespaces: &BTreeMap<InstanceId, String>,
) -> (String, BTreeMap<String, Wire>) {
    (ruleset(vpc), wanted(vpc, namespaces))
}
