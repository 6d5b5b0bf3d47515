//! Which leases are to be kept, for whom and where.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    claim::{ClaimKey, DhcpMode, Interface},
    dhcp::{v4, v6},
    facts::{Facts, Netns, Plug, PlugKey},
    mac::Mac,
};

/// Option 12 holds a label of a host's name (RFC 1035 section 2.3.4).
const LONGEST_HOST_NAME: usize = 63;

/// What is known of the leases of a device that is in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// Its claim is not known, or cannot be read: what was kept is kept.
    AsBefore,
    /// These.
    These(Box<Wanted>),
}

/// The leases of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where they are for.
    pub place: LeasePlace,
    /// Of IPv4, if any.
    pub ipv4: Option<v4::Client>,
    /// Of IPv6, if any.
    pub ipv6: Option<v6::Client>,
}

/// Where a lease is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePlace {
    /// The pod's network namespace.
    pub netns: Netns,
    /// Name of the interface in it.
    pub interface: String,
    /// The claim, if it is one's, for the log.
    pub claim: Option<ClaimKey>,
    /// Namespace and name of the pod, likewise.
    pub pod: Option<String>,
    /// The ENI, likewise.
    pub eni: String,
}

/// The leases of every device that is in a pod; those of others are not kept any more.
pub fn leases(facts: &Facts) -> BTreeMap<Mac, Keep> {
    let plugs = facts.plugs.iter();
    let in_pods = plugs.filter(|(key, plug)| facts.is_in_pod(key, plug));
    in_pods
        .map(|(key, plug)| (key.mac, keep(facts, key, plug)))
        .collect()
}

fn keep(facts: &Facts, key: &PlugKey, plug: &Plug) -> Keep {
    let Some(asked_for) = facts.asked_for(&plug.origin) else {
        return Keep::AsBefore;
    };
    let claim = plug.origin.claim().and_then(|key| facts.claims.get(key));
    let interface = plug.interface(&key.sandbox, asked_for);
    let dhcp = interface.dhcp;
    let ipv4 = match dhcp.ipv4 {
        DhcpMode::Disabled => None,
        DhcpMode::Maintain => primary_ipv4(&interface).map(v4::Mode::Maintain),
        DhcpMode::Configure => Some(v4::Mode::Configure),
    };
    let ipv6 = match dhcp.ipv6 {
        DhcpMode::Disabled => None,
        DhcpMode::Maintain if plug.observed.without_ipv6 => None,
        DhcpMode::Maintain => ipv6(&interface).map(v6::Mode::Maintain),
        DhcpMode::Configure => Some(v6::Mode::Configure {
            prefixes: ipv6(&interface).is_some_and(|of_claim| !of_claim.prefixes.is_empty()),
        }),
    };
    let pod = claim.and_then(|claim| Some((&claim.key.namespace, claim.pod.as_ref()?)));
    let host_name = pod.map(|(_, pod)| pod.name.clone());
    let host_name = host_name.filter(|name| name.len() <= LONGEST_HOST_NAME && !name.contains('.'));
    Keep::These(Box::new(Wanted {
        place: LeasePlace {
            netns: plug.netns.clone(),
            interface: interface.name,
            pod: pod.map(|(namespace, pod)| format!("{namespace}/{}", pod.name)),
            claim: plug.origin.claim().cloned(),
            eni: plug.eni.clone(),
        },
        ipv4: ipv4.map(|mode| v4::Client {
            mac: key.mac,
            host_name,
            mode,
        }),
        ipv6: ipv6.map(|mode| v6::Client { mac: key.mac, mode }),
    }))
}

/// The primary address is the one that EC2 leases.
fn primary_ipv4(interface: &Interface) -> Option<Ipv4Addr> {
    let mut addresses = interface.addresses.iter();
    addresses.find_map(|address| match address.ip {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}

/// What of IPv6 the claim has.
fn ipv6(interface: &Interface) -> Option<v6::Resources> {
    let addresses = interface
        .addresses
        .iter()
        .filter_map(|address| match address.ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        });
    let prefixes = interface.prefixes.iter().filter_map(|prefix| match prefix {
        IpNet::V4(_) => None,
        IpNet::V6(prefix) => Some(*prefix),
    });
    let resources = v6::Resources {
        addresses: addresses.collect::<BTreeSet<_>>(),
        prefixes: prefixes.collect::<BTreeSet<_>>(),
    };
    (!resources.is_empty()).then_some(resources)
}
