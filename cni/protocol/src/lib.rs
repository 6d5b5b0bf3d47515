//! What plugin and agent say to each other: one line of JSON each way, the network namespace beside it as a descriptor.

pub mod error;

use serde::{Deserialize, Serialize};

pub use crate::error::CniError;

/// Version of the envelope; it changes when an old reader would misunderstand a new writer.
pub const VERSION: u32 = 5;
/// No line is longer, newline included. The longest is that of GC: a thousand attachments have 110 KiB.
pub const LONGEST_LINE: usize = 256 * 1024;

/// The line from the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// What is asked.
    pub request: Request,
}

/// The part of an [`Envelope`] that every version can read.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct EnvelopeVersion {
    /// [`VERSION`] of the writer.
    pub version: u32,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Plug the pod's ENIs into the namespace whose descriptor comes with this line.
    Add(Add),
    /// Unplug whatever was plugged for this sandbox. The descriptor comes along if the namespace still exists.
    Del(Del),
    /// Compare what was plugged with what is in the namespace whose descriptor comes with this line.
    Check(Check),
    /// Unplug what was plugged for sandboxes that the runtime does not know any more.
    Gc(Gc),
    /// Say what the addresses of the pod's ENI are, and touch nothing (IPAM).
    Addresses(Addresses),
}

/// One attachment of a container to a network: the identity that the specification gives to ADD and DEL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// Name of the network.
    pub network: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`: the interface of the primary network, not that of the ENI.
    pub if_name: String,
}

/// The pod, as kubelet names it in `CNI_ARGS`, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its annotation `eniclaim.io/interfaces`, as it is written; none: it asks for one interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<String>,
}

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asked {
    /// The ENIs of this pod's claims.
    Pod(Pod),
    /// What a configuration says that was written for a plugin which eniclaim replaces.
    Configuration(Configuration),
}

impl Asked {
    /// The pod, if those of its claims are meant.
    pub fn pod(&self) -> Option<&Pod> {
        match self {
            Self::Pod(pod) => Some(pod),
            Self::Configuration(_) => None,
        }
    }
}

/// Such a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The plugin, as its `type` says.
    pub plugin: String,
    /// All of it, as it is on stdin.
    pub text: String,
    /// The pod, of a plugin that gives addresses of a pod's claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// `ip` in `CNI_ARGS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

/// Where in the pod's network the plugin stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Position {
    /// Behind other plugins, whose interface is the pod's first.
    #[default]
    Chained,
    /// Nothing is before it: the ENI is `CNI_IFNAME`, and the pod's default route.
    First,
}

/// Parameters of [`Request::Add`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// For which sandbox.
    pub sandbox: Sandbox,
    /// Path of the namespace, without symbolic links: by it the agent comes back later.
    pub netns: String,
    /// What is to be added.
    pub asked: Asked,
    /// Where the plugin stands.
    #[serde(default)]
    pub position: Position,
}

/// Parameters of [`Request::Del`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Del {
    /// For which sandbox.
    pub sandbox: Sandbox,
    /// The configuration, of a plugin that gives back what is named there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
}

impl From<Sandbox> for Del {
    fn from(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            configuration: None,
        }
    }
}

/// Parameters of [`Request::Check`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Which sandbox.
    pub sandbox: Sandbox,
    /// Path of the namespace, without symbolic links.
    pub netns: String,
    /// What is compared.
    pub asked: Asked,
}

/// Parameters of [`Request::Gc`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gc {
    /// The network whose attachments are listed; those of other networks are none of this request's business.
    pub network: String,
    /// Every attachment to it that still is one: `cni.dev/valid-attachments`.
    pub valid: Vec<Attachment>,
}

/// Parameters of [`Request::Addresses`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// For which sandbox: of a pod's several ENIs the one whose interface is `CNI_IFNAME` is meant.
    pub sandbox: Sandbox,
    /// Of which pod.
    pub pod: Pod,
}

/// One attachment of a network, as the runtime lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub if_name: String,
}

/// The line from the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// The interfaces are in the pod, in the order in which it asks for them.
    Added(Vec<Added>),
    /// There is nothing of that sandbox any more.
    Deleted,
    /// The pod has these interfaces, as they were plugged. The plugin compares them with the result that the runtime kept.
    Checked(Vec<Checked>),
    /// What no listed attachment uses is being unplugged.
    Collected,
    /// Addresses, the primary one first, and the routes that lead out by them.
    Addresses(Addressed),
    /// It cannot be done, or not now.
    Failed(CniError),
}

/// An interface that is as it was plugged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Its name in the pod.
    pub name: String,
    /// Its MAC address, lower case with colons.
    pub mac: String,
}

/// An interface that was plugged, or made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Its name.
    pub name: String,
    /// Whether it is on the node, and not in the pod.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_node: bool,
    /// Its MAC address, lower case with colons.
    pub mac: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// PCI address of the device, if it is on a PCI bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci_id: Option<String>,
    /// Its addresses.
    pub addresses: Vec<AddedAddress>,
    /// Its routes that packets of every source take; empty where only packets from its addresses go by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<AddedRoute>,
}

/// Addresses and routes, for whoever configures the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressed {
    /// The addresses.
    pub addresses: Vec<AddedAddress>,
    /// The routes.
    pub routes: Vec<AddedRoute>,
    /// The device that gets them, for a plugin that finds it on the node by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// A device on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its MAC address, lower case with colons.
    pub mac: String,
}

/// One route by the interface. Text, because the plugin only hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedRoute {
    /// Where to, for example 0.0.0.0/0.
    pub to: String,
    /// The router; `None`: the gateway of its family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// One address of the interface. Text, because the plugin only hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedAddress {
    /// The address with the length of its subnet's prefix, for example 10.0.1.50/24.
    pub address: String,
    /// The router of its subnet, for example 10.0.1.1.
    pub gateway: Option<String>,
}
