//! enim: the addresses of a pod's claim, for the plugin that moves its device.

use std::net::IpAddr;

use ipnet::IpNet;

use super::keys::{Keys, address};
use crate::{
    claim::{Address, Interface},
    facts::Pod,
    layout::default_routes,
    picture::Family,
};

/// What a configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressesAsked {
    /// Of which pod.
    pub pod: Pod,
    /// Whether the device is moved by who asks, after the answer.
    pub moves: bool,
    /// Routes instead of the usual ones, or beside them; without a router by that of the family.
    pub routes: Vec<(IpNet, Option<IpAddr>)>,
    /// Addresses that are wanted, and where that is said.
    pub ips: Vec<(&'static str, IpAddr)>,
    /// Of each set of ranges one address is wanted.
    pub ranges: Vec<Vec<(IpAddr, IpAddr)>>,
}

/// The plugin that asks before it moves the device by its index on the node.
const MOVES: &str = "exclusive-device";

pub(super) fn read(keys: &mut Keys, pod: Pod, ip: Option<&str>) -> Result<AddressesAsked, String> {
    let moves = keys.text("type")?.as_deref() == Some(MOVES);
    let mut ips = Vec::new();
    let mut want = |place, texts: Vec<String>| -> Result<(), String> {
        for text in texts {
            ips.push((place, address(place, &text)?.0));
        }
        Ok(())
    };
    want(
        "ip in CNI_ARGS",
        ip.map(str::to_owned).into_iter().collect(),
    )?;
    if let Some(mut args) = keys.section("args")?
        && let Some(mut cni) = args.section("cni")?
    {
        want("args.cni.ips", cni.texts("ips")?)?;
    }
    let mut ranges = Vec::new();
    if let Some(mut runtime) = keys.section("runtimeConfig")? {
        want("runtimeConfig.ips", runtime.texts("ips")?)?;
        for set in runtime.sets("ipRanges")? {
            let set: Result<Vec<_>, _> = set.into_iter().map(range).collect();
            ranges.push(set?);
        }
    }
    let mut ipam = keys.section("ipam")?.ok_or("ipam is missing")?;
    let mut routes = Vec::new();
    for (to, gateway) in ipam.routes("routes")? {
        let (ip, prefix) = address("routes", &to)?;
        // A destination without a prefix length is a host.
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let to = IpNet::new(ip, prefix.unwrap_or(longest));
        let to = to.map_err(|error| format!("routes: {ip}: {error}"))?;
        let gateway = match gateway {
            None => None,
            Some(text) => Some(address("routes: gw", &text)?.0),
        };
        routes.push((to.trunc(), gateway));
    }
    // Its own port for a debugger, and what it asks of Baidu's cloud.
    for key in ["type", "enable-debug", "eni"] {
        ipam.ignore(key);
    }
    *keys = ipam;
    Ok(AddressesAsked {
        pod,
        moves,
        routes,
        ips,
        ranges,
    })
}

/// A range as the IPAM plugin host-local has it.
fn range(mut keys: Keys) -> Result<(IpAddr, IpAddr), String> {
    let subnet = keys.text("subnet")?;
    let subnet = subnet.ok_or("runtimeConfig.ipRanges: a range has no subnet")?;
    let parsed = subnet.parse::<IpNet>();
    let net = parsed.map_err(|_| {
        format!(
            "runtimeConfig.ipRanges: subnet {subnet:?} is no subnet, for example \"10.0.1.0/24\""
        )
    })?;
    let mut end = |key, otherwise| match keys.text(key)? {
        None => Ok::<_, String>(otherwise),
        Some(text) => Ok(address(key, &text)?.0),
    };
    Ok((
        end("rangeStart", net.network())?,
        end("rangeEnd", net.broadcast())?,
    ))
}

impl AddressesAsked {
    /// What the interface is to have that is not as it is asked for, in one sentence.
    pub fn refuses(&self, interface: &Interface) -> Option<String> {
        let has: Vec<_> = interface
            .addresses
            .iter()
            .map(|address| address.ip)
            .collect();
        let listed: Vec<_> = has.iter().map(ToString::to_string).collect();
        let listed = listed.join(" and ");
        let missing = self.ips.iter().find(|(_, ip)| !has.contains(ip));
        if let Some((place, ip)) = missing {
            return Some(format!("{place} asks for {ip}, and its ENI has {listed}"));
        }
        let is_met = |set: &&Vec<(IpAddr, IpAddr)>| {
            set.iter()
                .any(|(first, last)| has.iter().any(|ip| (first..=last).contains(&ip)))
        };
        let is_unmet = self.ranges.iter().any(|set| !is_met(&set));
        is_unmet.then(|| format!("none of the addresses of its ENI, {listed}, is in a range that runtimeConfig.ipRanges asks for"))
    }

    /// The routes of the interface: those that are configured, and everything else by the router where they do not say so.
    pub fn routes(&self, interface: &Interface) -> Vec<(IpNet, IpAddr)> {
        let gateway_of = |family: Family| {
            let of_family = |address: &&Address| Family::of(address.ip) == family;
            interface.addresses.iter().find(of_family)?.gateway
        };
        let configured = self.routes.iter().filter_map(|(to, gateway)| {
            let usual = gateway_of(Family::of(to.addr()));
            // There is nothing of the family.
            usual?;
            Some((*to, gateway.or(usual)?))
        });
        let mut routes: Vec<_> = configured.collect();
        for (everything, gateway) in default_routes(interface) {
            if !routes.iter().any(|(to, _)| *to == everything) {
                routes.push((everything, gateway));
            }
        }
        routes
    }
}
