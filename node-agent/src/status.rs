//! The devices of this node as `eniclaim-agent status` shows them: whose each one is, and what the kernel has of it in its pod; and
//! who has addresses on bridges of the node.

mod ask;
mod in_pod;
mod lease;
mod table;

use std::net::IpAddr;

use crds::node::NodeAccess;
use node_agent_core::{
    claim::Claim,
    facts::{Facts, Plug, PlugState},
    mac::Mac,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::ask::StatusEnvelope;
use self::in_pod::InPod;
pub use self::{ask::run, lease::Lease, table::table};
use crate::{dhcp, kernel::view::Inspector};

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
    /// Who has addresses on bridges of the node.
    pub node_access: Vec<NodeAccess>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its MAC address.
    pub device: String,
    /// The ENI.
    pub eni: String,
    /// Namespace and name of the claim, if it is one's.
    pub claim: Option<String>,
    /// Namespace and name of the pod that the claim is bound to.
    pub pod: Option<String>,
    /// Name of the interface in the pod; before the device comes there, the one that it is to have.
    pub interface: Option<String>,
    /// Its addresses in the pod, the ENI's primary one first; before the device comes there, those that it is to have.
    pub addresses: Vec<IpAddr>,
    /// Its routing table in the pod.
    pub table: Option<u32>,
    /// Its routing rules in the pod, and those that all ENIs of the pod share.
    pub rules: Vec<String>,
    /// How the instance metadata service is blocked in the pod.
    pub metadata: Option<Block>,
    /// Its DHCP leases, or how far it is from them.
    pub leases: Vec<Lease>,
    /// Why the kernel could not be asked what the pod has.
    pub error: Option<String>,
    /// Where it is.
    pub state: State,
}

/// How the instance metadata service is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Block {
    /// By routing rules and a packet filter.
    Blocked,
    /// By routing rules alone: the kernel has no egress hook, or the pod removed the filter.
    RulesOnly,
    /// By a packet filter alone: the pod removed the rules.
    FilterOnly,
    /// Not at all: the class allows it, or the pod removed both.
    NotBlocked,
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

/// What the agent knows of all devices, and the pods in which the kernel has more to say.
pub(crate) struct Known {
    instance: Option<String>,
    claims_listed: bool,
    devices: Vec<(Device, Option<InPod>)>,
    node_access: Vec<NodeAccess>,
}

impl Known {
    /// Of all devices that claims or the journal name.
    pub(crate) fn of(facts: &Facts, node_access: Vec<NodeAccess>) -> Self {
        let devices = facts.macs().into_iter();
        Self {
            instance: facts.instance.clone(),
            claims_listed: facts.listed,
            devices: devices.filter_map(|mac| device(facts, mac)).collect(),
            node_access,
        }
    }

    /// Asks the kernel and the keeper of leases. It enters the namespaces of pods, so it is for a thread that may block.
    pub(crate) fn ask(self, inspector: &Inspector, leases: &dhcp::Handle) -> Status {
        let kept = leases.show();
        let devices = self.devices.into_iter().map(|(mut device, in_pod)| {
            let shown = in_pod.map_or(Ok(()), |in_pod| in_pod.show(&mut device, inspector));
            device.error = shown.err().map(|error| error.to_string());
            device
        });
        let mut devices: Vec<Device> = devices.collect();
        lease::show(&kept, &mut devices);
        Status {
            instance: self.instance,
            claims_listed: self.claims_listed,
            devices,
            node_access: self.node_access,
        }
    }
}

fn device(facts: &Facts, mac: Mac) -> Option<(Device, Option<InPod>)> {
    let held = facts.holder(mac);
    let plug = held.map(|(_, plug)| plug);
    let mut claims = facts.claims.values();
    let claim = claims.find(|claim| claim.eni.as_ref().is_some_and(|eni| eni.mac == mac));
    let key = claim
        .map(|claim| &claim.key)
        .or_else(|| plug.and_then(|plug| plug.origin.claim()));
    let eni = claim
        .and_then(|claim| claim.eni.as_ref())
        .map(|eni| &eni.id);
    // With what its leases bring.
    let of_plug = held.and_then(|(key, plug)| {
        let asked_for = facts.asked_for(&plug.origin)?;
        Some(facts.interface(key, plug, asked_for))
    });
    let interface = of_plug.or_else(|| claim.map(|claim| claim.interface.unconfigured()));
    let addresses = interface.iter().flat_map(|interface| &interface.addresses);
    let device = Device {
        device: mac.to_string(),
        eni: eni.or_else(|| plug.map(|plug| &plug.eni))?.clone(),
        claim: key.map(ToString::to_string),
        pod: claim.and_then(pod),
        addresses: addresses.map(|address| address.ip).collect(),
        interface: interface.map(|interface| interface.name),
        table: None,
        rules: Vec::new(),
        metadata: None,
        leases: Vec::new(),
        error: None,
        state: State::of(facts, mac, plug),
    };
    Some((device, plug.map(|plug| InPod::of(mac, plug))))
}

fn pod(claim: &Claim) -> Option<String> {
    let pod = claim.pod.as_ref()?;
    Some(format!("{}/{}", claim.key.namespace, pod.name))
}
