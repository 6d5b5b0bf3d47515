//! What can go wrong in the agent.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use node_agent_core::{diff::Step, mac::Mac};

/// What can go wrong in the agent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A network namespace cannot be opened or entered.
    #[error("cannot enter the network namespace {path}: {source}")]
    Namespace {
        /// Its path, or what it is.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The kernel did not answer.
    #[error("cannot {doing}: {source}")]
    Netlink {
        /// What we were doing.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused a step.
    #[error("cannot {step}: {source}")]
    Step {
        /// The step.
        step: Box<Step>,
        /// Why.
        source: io::Error,
    },
    /// A setting of the interface cannot be written.
    #[error("cannot {step}: {}: {source}{}", path.display(), needs_mount(unmounted.as_deref()))]
    Setting {
        /// The step.
        step: Box<Step>,
        /// The file of the setting.
        path: Box<Path>,
        /// Why.
        source: io::Error,
        /// Where the node's `/proc/sys/net` is not mounted, or not writable, if that is why.
        unmounted: Option<Box<Path>>,
    },
    /// The device is nowhere.
    #[error("no device has the MAC address {mac}, neither on the node nor in the pod")]
    NoDevice {
        /// Its MAC address.
        mac: Mac,
    },
    /// The device was found nowhere, and is not known to be gone.
    #[error("{}", hidden(*mac, "its pod"))]
    Hidden {
        /// Its MAC address.
        mac: Mac,
    },
    /// More than one device has the MAC address.
    #[error("{count} devices have the MAC address {mac}; remove those that are not the ENI")]
    Ambiguous {
        /// The MAC address.
        mac: Mac,
        /// How many.
        count: usize,
    },
    /// The name of the interface is taken in the pod.
    #[error(
        "the pod has an interface named {name} already; choose another name: interface.name of the EniClass, or CNI_IFNAME where the configuration of the network says all"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// What has the name of a bridge is none.
    #[error("the link {name} of this node is no bridge; choose another name for the bridge")]
    NoBridge {
        /// The name.
        name: String,
    },
    /// Somebody gave the bridge another address than its ports need.
    #[error(
        "the bridge {bridge} has the address {address}, and its containers need {}; remove that address, or choose another bridge",
        wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    )]
    BridgeAddress {
        /// The bridge.
        bridge: Box<str>,
        /// What it has.
        address: Box<IpNet>,
        /// What its ports need.
        wanted: Box<[IpNet]>,
    },
    /// A route of the node leads to addresses of a bridge.
    #[error(
        "the subnet {subnet} of nodeAccess overlaps {network}, to which a route of this node leads by {link}; choose another subnet in the class, or, if {link} is a bridge that no class names any more, delete it on the node: ip link del {link}"
    )]
    SubnetTaken {
        /// The subnet of the bridge.
        subnet: Box<IpNet>,
        /// Where the route leads.
        network: Box<IpNet>,
        /// By which link.
        link: Box<str>,
    },
    /// kube-proxy forwards by IPVS.
    #[error(
        "nodeAccess needs kube-proxy in another mode than ipvs, whose packets would reach the pod past the ENI's security groups; set the mode nftables or iptables, or take nodeAccess out of the class"
    )]
    Ipvs,
    /// IPv6 is disabled on the bridge, and the port has no IPv4 address.
    #[error(
        "IPv6 is disabled on the bridge {bridge} of this node, and the network has no IPv4 addresses; set net.ipv6.conf.{bridge}.disable_ipv6 to 0, or add a subnet of IPv4 (ipam.ipv4-subnet, or nodeAccess.subnet of the class)"
    )]
    NoIpv6OnBridge {
        /// The bridge.
        bridge: String,
    },
    /// The pod's interface is not as it was set.
    #[error("the pod's interface is not as it was set: {}", differences.join(", "))]
    NotAsWanted {
        /// What differs.
        differences: Vec<String>,
    },
    /// IPv6 is disabled where it is needed.
    #[error(
        "IPv6 is disabled in the pod or its MTU is below 1280, and the ENI has no IPv4 address; set the sysctl net.ipv6.conf.all.disable_ipv6 of the pod to 0, or add IPv4 to spec.ipFamilies of the class"
    )]
    NoIpv6,
    /// The kernel has no IPv6, and the interface no IPv4.
    #[error(
        "the kernel of this node has no IPv6, and the ENI has no IPv4 address; start the kernel without ipv6.disable=1, keep the pod on other nodes, or add IPv4 to spec.ipFamilies of the class"
    )]
    NoIpv6InKernel,
    /// The system gave no thread.
    #[error(
        "cannot start a thread: {0}; the node or the agent's container is at its limit of processes"
    )]
    Thread(io::Error),
    /// A fault of ours ended a piece of work; the log has its place.
    #[error("the agent made an error; its log says where")]
    Panicked,
    /// It is not known how far something went.
    #[error("it is not known what was done")]
    Unfinished,
    /// An attempt before may have left the device in the pod, whatever became of this one.
    #[error(
        "the pod may have had the device before this attempt: it is returned from wherever it is"
    )]
    PluggedBefore,
    /// A packet of DHCP cannot be sent, or its answer not be received.
    #[error("cannot {doing} for DHCP on the interface {interface}: {source}")]
    Dhcp {
        /// What we were doing.
        doing: &'static str,
        /// The name of the interface, in its pod.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// A process of the pod has the port of DHCP clients for itself.
    #[error(
        "UDP port {port}, which the DHCP lease of the interface {interface} needs, is in use by a process of the pod; stop the DHCP client in the pod, or set spec.interface.dhcp of the EniClass to Disabled"
    )]
    PortTaken {
        /// The name of the interface.
        interface: String,
        /// The port.
        port: u16,
    },
    /// A file of the agent cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another agent runs on this node.
    #[error("another agent holds {}; stop it first", path.display())]
    SecondAgent {
        /// The lock file.
        path: PathBuf,
    },
    /// The plugin said something that cannot be understood.
    #[error("the eniclaim agent refuses the request: {0}")]
    Request(String),
    /// A claim's status says something that cannot be understood.
    #[error("status of EniClaim {claim} is malformed: {why}")]
    Claim {
        /// Namespace and name.
        claim: String,
        /// What is wrong.
        why: String,
    },
    /// The plugin cannot be installed or removed.
    #[error("{0}")]
    Install(String),
    /// The API server refused or did not answer.
    #[error("API server: {}", telemetry::Failure::from(&**.0))]
    Api(#[from] Box<kube::Error>),
}

fn needs_mount(folder: Option<&Path>) -> String {
    folder.map_or_else(String::new, |folder| {
        format!(
            "; the pod of the eniclaim-agent needs the node's /proc/sys/net mounted writable at {}, as the chart does",
            folder.display()
        )
    })
}

/// Why a device is out of reach that `pod` had, and the way out.
pub fn hidden(mac: impl Display, pod: &str) -> String {
    format!(
        "the device {mac} is in no network namespace that the agent can enter, and not known to be gone: {pod} moved it into one of its own, a process outlived the pod, or the kernel has not ended its namespace yet, which takes up to two minutes; delete the pod, and when the last process in that namespace has ended the kernel returns the device to the node"
    )
}

impl Error {
    /// An error about the file `path`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// An error of the netlink exchange that does `doing`.
    pub fn netlink(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Netlink { doing, source }
    }
}
