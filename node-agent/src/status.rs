//! What the agent knows of the devices of this node, as `eniclaim-agent status` shows it.

mod ask;
mod table;

use std::{collections::BTreeSet, net::IpAddr};

use node_agent_core::{
    claim::{Claim, Interface, Metadata},
    facts::{Facts, Plug, PlugState},
    layout::{Features, Limits, layout},
    mac::Mac,
    picture::PodSlot,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::ask::StatusEnvelope;
pub use self::{ask::run, table::table};

/// All devices that this node's claims or the journal name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The EC2 instance that this node is, once the operator said so.
    pub instance: Option<String>,
    /// Whether the claims of this node are known; until then only the journal is.
    pub claims_listed: bool,
    /// The devices, by their MAC addresses.
    pub devices: Vec<Device>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its MAC address.
    pub device: String,
    /// The ENI.
    pub eni: String,
    /// Namespace and name of the claim.
    pub claim: String,
    /// Namespace and name of the pod that the claim is bound to.
    pub pod: Option<String>,
    /// Name of the interface in the pod.
    pub interface: Option<String>,
    /// Its addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Its routing table in the pod, once it has one.
    pub table: Option<u32>,
    /// The routing rules that belong to it, once they do.
    pub rules: Vec<String>,
    /// How the instance metadata service is blocked.
    pub metadata: Option<Block>,
    /// Where it is.
    pub state: State,
}

/// How the instance metadata service is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Block {
    /// By routing rules and a packet filter.
    Blocked,
    /// By routing rules alone: the kernel has no egress hook.
    RulesOnly,
    /// Not at all: the class allows it.
    Allowed,
}

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not on this node yet.
    Awaited,
    /// On the host, and in no pod.
    OnHost,
    /// On its way into a pod.
    Plugging,
    /// In a pod.
    Plugged,
    /// On its way back to the host.
    Returning,
    /// Neither on the host nor in a namespace that can be entered.
    Hidden,
}

impl Block {
    fn of(interface: &Interface, features: Features) -> Self {
        match interface.metadata {
            Metadata::Allowed => Self::Allowed,
            Metadata::Blocked if features.egress_hook => Self::Blocked,
            Metadata::Blocked => Self::RulesOnly,
        }
    }
}

impl State {
    fn of(facts: &Facts, mac: Mac, plug: Option<&Plug>) -> Self {
        match plug {
            Some(plug) if plug.observed.hidden.is_some() => Self::Hidden,
            Some(plug) => match plug.state {
                PlugState::Plugging => Self::Plugging,
                PlugState::Plugged => Self::Plugged,
                PlugState::Unplugging | PlugState::Restored => Self::Returning,
            },
            None if facts.devices.contains_key(&mac) => Self::OnHost,
            None => Self::Awaited,
        }
    }
}

/// The present state of all devices.
pub fn status(facts: &Facts, features: Features) -> Status {
    let of_claims = facts.claims.values();
    let of_claims = of_claims.filter_map(|claim| Some(claim.eni.as_ref()?.mac));
    let of_plugs = facts.plugs.keys().map(|key| key.mac);
    let macs: BTreeSet<Mac> = of_claims.chain(of_plugs).collect();
    let devices = macs
        .into_iter()
        .filter_map(|mac| device(facts, mac, features));
    Status {
        instance: facts.instance.clone(),
        claims_listed: facts.listed,
        devices: devices.collect(),
    }
}

fn device(facts: &Facts, mac: Mac, features: Features) -> Option<Device> {
    let held = facts.holder(mac);
    let plug = held.map(|(_, plug)| plug);
    let mut claims = facts.claims.values();
    let claim = claims.find(|claim| claim.eni.as_ref().is_some_and(|eni| eni.mac == mac));
    let key = claim
        .map(|claim| &claim.key)
        .or_else(|| plug.map(|plug| plug.origin.claim()))?;
    let eni = claim
        .and_then(|claim| claim.eni.as_ref())
        .map(|eni| &eni.id);
    let interface = claim.map(|claim| match held {
        Some((key, plug)) => plug.interface(&key.sandbox, &claim.interface),
        None => claim.interface.clone(),
    });
    let interface = interface.as_ref();
    let slot = plug.map(|plug| plug.slot);
    Some(Device {
        device: mac.to_string(),
        eni: eni.or_else(|| plug.map(|plug| &plug.eni))?.clone(),
        claim: key.to_string(),
        pod: claim.and_then(pod),
        interface: interface.map(|interface| interface.name.clone()),
        addresses: interface.map_or_else(Vec::new, |interface| {
            interface
                .addresses
                .iter()
                .map(|address| address.ip)
                .collect()
        }),
        table: slot.map(PodSlot::table),
        rules: match (interface, slot) {
            (Some(interface), Some(slot)) => rules(interface, slot, features),
            _ => Vec::new(),
        },
        metadata: interface.map(|interface| Block::of(interface, features)),
        state: State::of(facts, mac, plug),
    })
}

fn pod(claim: &Claim) -> Option<String> {
    let pod = claim.pod.as_ref()?;
    Some(format!("{}/{}", claim.key.namespace, pod.name))
}

/// As the layout has them, where the pod has IPv6.
fn rules(interface: &Interface, slot: PodSlot, features: Features) -> Vec<String> {
    let limits = Limits {
        least_mtu: 0,
        most_mtu: u32::MAX,
        ipv6: features.ipv6,
    };
    let picture = layout(interface, slot, features, limits);
    picture.rules.iter().map(ToString::to_string).collect()
}
