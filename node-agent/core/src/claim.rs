//! A claim as the agent needs it: what to plug, for whom, and what was said about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    dhcp::Leases,
    facts::Pod,
    mac::Mac,
    picture::{Family, Sysctl},
    port::NodeAccess,
};

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClaimKey {
    /// Namespace of the claim and of its pod.
    pub namespace: String,
    /// Name of the claim.
    pub name: String,
}

impl std::fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A claim of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Namespace and name.
    pub key: ClaimKey,
    /// The pod that may have it.
    pub pod: Option<BoundPod>,
    /// Which of the pod's interfaces it is; none where the pod asks for none by name.
    pub asked_as: Option<String>,
    /// The ENI, once EC2 made it.
    pub eni: Option<Eni>,
    /// The attachment, once EC2 gave it an id.
    pub attachment: Option<Attachment>,
    /// What the interface is to look like.
    pub interface: Interface,
    /// What the claim's status says about the device.
    pub reported: Option<Report>,
    /// The `MetadataBlocked` condition is stale and must be reported again.
    pub outdated: bool,
    /// What the claim waits for.
    pub waits_for: Wait,
}

/// A claim of this node that says something that this version of the agent does not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Namespace and name.
    pub key: ClaimKey,
    /// The pod that may have it, if at least that can be read.
    pub pod: Option<BoundPod>,
    /// What is wrong.
    pub error: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, pod: _, error } = self;
        write!(
            f,
            "EniClaim {key} cannot be read: {error}; correct it, or if a newer version wrote it, update the eniclaim-agent"
        )
    }
}

impl std::error::Error for Unreadable {}

/// The pod that a claim is bound to, in the claim's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundPod {
    /// Its name.
    pub name: String,
    /// Its UID, as the runtime has it.
    pub uid: String,
}

/// What a claim waits for before its device can be plugged, in the operator's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// What passes by itself within seconds.
    Progress(String),
    /// What does not pass, or not soon: a pod's start need not wait for it.
    Blocked(String),
}

/// The ENI of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eni {
    /// Its id, for people.
    pub id: String,
    /// Its MAC address, by which the device is found.
    pub mac: Mac,
}

/// The attachment of an ENI to this node's instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its id.
    pub id: String,
    /// The EC2 instance that it is an attachment to.
    pub instance: String,
    /// Once true, it is never plugged again.
    pub release: bool,
}

/// What the interface is to look like in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is set up. One that is not has nothing else: no address, no route, no refusal.
    pub up: bool,
    /// Its MTU.
    pub mtu: Mtu,
    /// The MTU of its lease in bytes, where leases configure it.
    pub leased_mtu: Option<u32>,
    /// Whether the instance metadata service may be reached through it.
    pub metadata: Metadata,
    /// Its addresses, the primary one of each family first.
    pub addresses: Vec<Address>,
    /// The prefixes that are delegated to it.
    pub prefixes: Vec<IpNet>,
    /// Whether what the pod starts leaves by it.
    pub default_route: DefaultRoute,
    /// Destinations that the pod reaches by it whatever its default route is.
    pub destinations: Vec<Destination>,
    /// Networks of the cluster, which the pod reaches by its first interface whatever else is said: those of Services above all.
    pub cluster: BTreeSet<IpNet>,
    /// Settings beside those that every interface gets, or in their place.
    pub sysctls: BTreeMap<Sysctl, String>,
    /// Whether leases are kept.
    pub dhcp: Dhcp,
    /// A way to the node beside.
    pub node_access: Option<NodeAccess>,
}

/// The MTU of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mtu {
    /// That of its lease, or 9001, the VPC's, as far as the device can.
    Usual,
    /// The one that the device has.
    AsFound,
    /// So many bytes.
    Bytes(u32),
}

/// Of which families leases are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dhcp {
    /// Of IPv4.
    pub ipv4: DhcpMode,
    /// Of IPv6.
    pub ipv6: DhcpMode,
}

impl Dhcp {
    /// Of none.
    pub const OFF: Self = Self {
        ipv4: DhcpMode::Disabled,
        ipv6: DhcpMode::Disabled,
    };

    /// The families whose addresses come from leases.
    pub fn configured(self) -> impl Iterator<Item = Family> {
        let modes = [(Family::V4, self.ipv4), (Family::V6, self.ipv6)];
        modes
            .into_iter()
            .filter(|(_, mode)| *mode == DhcpMode::Configure)
            .map(|(family, _)| family)
    }

    /// Whether a lease configures anything.
    pub fn configures(self) -> bool {
        self.configured().next().is_some()
    }
}

/// What is asked of the servers of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DhcpMode {
    /// Nothing.
    Disabled,
    /// A lease for what the claim has, beside.
    Maintain,
    /// Addresses, routes and MTU, in place of the claim's.
    Configure,
}

impl Interface {
    /// Whether it has addresses or prefixes of IPv6.
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|address| address.ip.is_ipv6())
            || self.prefixes.iter().any(|prefix| prefix.addr().is_ipv6())
    }
}

/// Whether what the pod starts leaves by the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultRoute {
    /// Only what its addresses send.
    Never,
    /// What no route of the pod's other interfaces leads anywhere.
    Fallback,
    /// All but what has to stay with the pod's first interface.
    Primary,
}

/// A network that is reached by the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// The network.
    pub to: IpNet,
    /// Which way.
    pub via: Via,
}

/// Which way a destination is reached by the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Via {
    /// By the router of its subnet, or directly what is in that.
    Subnet,
    /// By this router.
    Router(IpAddr),
    /// Directly.
    Link,
}

/// Whether the instance metadata service may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metadata {
    /// It is refused.
    Blocked,
    /// It may.
    Allowed,
}

/// An address of the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Length of the prefix of its subnet.
    pub prefix: u8,
    /// The router of its subnet; `None`: its lease names none.
    pub gateway: Option<IpAddr>,
}

/// What the agent says about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The attachment that this is about.
    pub attachment: String,
    /// Where the device is.
    pub place: Place,
    /// How it stands with DHCP there.
    pub leases: Leases,
    /// Addresses by which the pod reaches its node over a bridge, IPv4 first.
    pub node_access: Vec<IpNet>,
}

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On the node, not in a pod yet.
    Seen,
    /// In a pod.
    Plugged {
        /// UID of the pod.
        pod_uid: String,
        /// Id of its sandbox.
        container_id: String,
    },
    /// In a namespace that cannot be entered, of the pod or left by it.
    Hidden {
        /// UID of the pod.
        pod_uid: String,
        /// Id of its sandbox.
        container_id: String,
    },
    /// Back on the node.
    Home,
    /// On the node or gone, and never to be plugged again for this attachment.
    Released,
}

impl Claim {
    /// How far the claim is on its way; while this changes, a waiting pod waits on.
    pub fn progress(&self) -> impl PartialEq + use<> {
        (self.eni.clone(), self.attachment.clone(), self.pod.clone())
    }

    /// Whether this is a claim of the pod.
    pub fn serves(&self, pod: &Pod) -> bool {
        self.pod
            .as_ref()
            .is_some_and(|bound| bound.is(&self.key, pod))
    }
}

impl Unreadable {
    /// Whether this is a claim of the pod.
    pub fn serves(&self, pod: &Pod) -> bool {
        self.pod
            .as_ref()
            .is_some_and(|bound| bound.is(&self.key, pod))
    }

    /// Whether this may be a claim of the pod, because nobody can tell whose it is.
    pub fn may_serve(&self, pod: &Pod) -> bool {
        self.pod.is_none() && self.key.namespace == pod.namespace
    }
}

impl BoundPod {
    /// Whether a claim of this name that is bound to it is the pod's.
    fn is(&self, claim: &ClaimKey, pod: &Pod) -> bool {
        self.name == pod.name && self.uid == pod.uid && claim.namespace == pod.namespace
    }
}
