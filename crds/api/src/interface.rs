//! What an ENI looks like inside a pod: the part of a class that the agent obeys.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{IpFamily, cidr, id::InterfaceName, sysctl::Sysctl};

/// What the ENI looks like inside the pod. A claim carries it as the class said when the device was last not in the pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Name of the interface in the pod.
    #[serde(default)]
    pub name: InterfaceName,
    /// MTU in bytes. Absent: 9001, that of a VPC, as far as the device can. Below 1280 the kernel has no IPv6 on it (RFC 8200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 576, max = 9001), extend("format" = "int32"))]
    pub mtu: Option<u32>,
    /// Which of what the pod starts leaves by the ENI, so that the ENI's security groups decide about it. What comes in by an interface
    /// is always answered by that interface. It holds for the IP families of which the ENI has an address. Of several ENIs of a pod
    /// that are Primary, the first is.
    #[serde(default)]
    pub default_route: DefaultRoute,
    /// Destinations that the pod reaches by the ENI whatever defaultRoute says, from the ENI's address, as if the pod's main routing
    /// table had a route of that length. What the cluster needs (clusterCidrs) stays with the pod's first interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["dst"]))]
    pub routes: Vec<Route>,
    /// Networks that the pod reaches by its first interface though defaultRoute is Primary or routes cover them, beside the node's own
    /// addresses, NodeLocal DNSCache at 169.254.20.10 and EKS Pod Identity at 169.254.170.23 and fd00:ec2::23. In a claim the operator adds
    /// the CIDRs of Services (API ServiceCIDR) and those of its value clusterCidrs.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "cidr::several"
    )]
    #[schemars(schema_with = "networks")]
    pub cluster_cidrs: Vec<IpNet>,
    /// Whether the pod may reach the instance metadata service, and so the node's credentials. Blocked holds for the whole pod,
    /// also through its other interfaces such as eth0.
    #[serde(default)]
    pub instance_metadata: InstanceMetadata,
    /// Kernel settings of the interface, each a key in which IFNAME stands for its name, with a value as the kernel writes it.
    /// net.ipv4.conf.IFNAME: arp_accept, arp_announce, arp_filter, arp_ignore, arp_notify, forwarding, log_martians, promote_secondaries,
    /// proxy_arp, rp_filter, send_redirects, src_valid_mark. net.ipv6.conf.IFNAME: accept_ra, forwarding, ndisc_notify, proxy_ndp.
    /// net.ipv4.neigh.IFNAME and net.ipv6.neigh.IFNAME: base_reachable_time_ms, delay_first_probe_time, gc_stale_time, mcast_solicit,
    /// ucast_solicit, unres_qlen_bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::sysctl::sysctls")]
    pub sysctls: BTreeMap<Sysctl, String>,
    /// Whether the agent keeps DHCP leases for the ENI: beside what EC2 gave it, or in place of that.
    #[serde(default)]
    pub dhcp: Dhcp,
    /// A second interface, node0, by which the pod reaches what lives on its node, and the node reaches it at the ENI's addresses: kubelet's
    /// probes, Services, NodeLocal DNSCache, credentials. For pods whose only interfaces are their ENIs, that is, where eniclaim is the
    /// first plugin of the network; elsewhere the pod's first interface does all that, and this has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NodeAccess")]
    pub node_access: Option<NodeAccess>,
}

/// A bridge of the node, by which pods and what lives on the node reach each other. From a pod nothing but the node itself, the Services
/// of the cluster, clusterCidrs and destinations is reached by it, and no other pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.subnet) || has(self.ipv6Subnet)",
        "message": "needs a subnet, for example 169.254.176.0/22, or an ipv6Subnet"
    },
    {
        "rule": "!has(self.subnet) || !self.subnet.contains(':')",
        "message": "subnet is of IPv4; ipv6Subnet is the field for IPv6"
    },
    {
        "rule": "!has(self.ipv6Subnet) || self.ipv6Subnet.contains(':')",
        "message": "ipv6Subnet is of IPv6; subnet is the field for IPv4"
    },
    {
        "rule": "!has(self.subnet) || int(self.subnet.split('/')[1]) <= 30",
        "message": "subnet needs room for the node and a pod; its prefix length is at most 30"
    },
    {
        "rule": "!has(self.ipv6Subnet) || int(self.ipv6Subnet.split('/')[1]) <= 126",
        "message": "ipv6Subnet needs room for the node and a pod; its prefix length is at most 126"
    },
    {
        "rule": "!has(self.destinations) || self.destinations.all(to, to.contains(':') ? has(self.ipv6Subnet) : has(self.subnet))",
        "message": "a destination needs the subnet of its IP family: subnet, or ipv6Subnet"
    }
]))]
pub struct NodeAccess {
    /// Name of the bridge, which is made where it is missing. Classes may share one.
    #[serde(default = "bridge")]
    pub bridge: InterfaceName,
    /// MTU in bytes.
    #[serde(default = "bridge_mtu")]
    #[schemars(range(min = 1280, max = 9001), extend("format" = "int32"))]
    pub mtu: u32,
    /// The addresses of the bridge, the same on every node: the first is the node's, the others are given to pods. They are of use within
    /// the node alone. 169.254.172.0/22 is often taken, by the AWS VPC CNI and by Amazon ECS.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "cidr::optional"
    )]
    #[schemars(schema_with = "cidr::schema")]
    pub subnet: Option<IpNet>,
    /// As subnet, for IPv6, for example fd00:eca::/112. Without one the node and the pod reach each other in IPv4 alone.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "cidr::optional"
    )]
    #[schemars(schema_with = "cidr::schema")]
    pub ipv6_subnet: Option<IpNet>,
    /// Networks that the pod reaches by way of the node, which masquerades what it sends there.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "cidr::several"
    )]
    #[schemars(schema_with = "networks")]
    pub destinations: Vec<IpNet>,
}

fn bridge() -> InterfaceName {
    InterfaceName::from_static("eniclaim0")
}

fn bridge_mtu() -> u32 {
    1500
}

/// Of which IP families DHCP leases are kept, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Dhcp {
    /// DHCPv4, Maintain where nothing is said: a VPC leases for an hour, so that it is asked twice an hour.
    #[serde(default = "maintain")]
    pub ipv4: DhcpMode,
    /// DHCPv6, Disabled where nothing is said: a VPC leases for 140 seconds, so that it is asked each 70.
    #[serde(default)]
    pub ipv6: DhcpMode,
}

impl Default for Dhcp {
    fn default() -> Self {
        Self {
            ipv4: maintain(),
            ipv6: DhcpMode::default(),
        }
    }
}

impl Dhcp {
    /// What is asked the servers of a family for.
    pub fn of(self, family: IpFamily) -> DhcpMode {
        match family {
            IpFamily::IPv4 => self.ipv4,
            IpFamily::IPv6 => self.ipv6,
        }
    }
}

fn maintain() -> DhcpMode {
    DhcpMode::Maintain
}

/// What the agent asks DHCP servers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum DhcpMode {
    /// Nothing.
    #[default]
    Disabled,
    /// A lease for what EC2 gave the ENI, in the background: no pod waits for it, and none loses an address with it. What it says beside,
    /// as DNS servers, is recorded in the claim; where a server offers another address, the claim's condition Leased says so, and nothing
    /// changes in the pod.
    Maintain,
    /// A lease from which the interface has its addresses, its routes and, where the class says none, its MTU, in place of what EC2 gave the
    /// ENI. The pod's start waits for it. An address is used when no other host answers for it. When the lease ends, the interface has no
    /// addresses until there is another one. For networks other than a VPC's, whose source/destination check drops other addresses than
    /// EC2's.
    Configure,
}

/// A destination that is reached by the ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!self.dst.endsWith('/0')",
        "message": "a route for all destinations is what defaultRoute is for"
    },
    {
        "rule": "!has(self.via) || self.via.contains(':') == self.dst.contains(':')",
        "message": "via is an address of the same IP family as dst"
    }
]))]
pub struct Route {
    /// The destination, for example 10.8.0.0/16.
    #[serde(deserialize_with = "cidr::one")]
    #[schemars(schema_with = "cidr::schema")]
    pub dst: IpNet,
    /// The router: an address of the ENI's subnet. Absent: the subnet's own router, and none within the subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "cidr::ip")]
    pub via: Option<IpAddr>,
}

/// Which of what a pod starts leaves by the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum DefaultRoute {
    /// Nothing: only what a program sends from the ENI's own addresses, or answers there, leaves by the ENI.
    #[default]
    Never,
    /// What the pod's other interfaces have no route for.
    Fallback,
    /// All but what the pod's main routing table has a route for other than its default route, and clusterCidrs. The pod's first
    /// interface keeps kubelet's probes, Services, DNS, the node and the answers to whoever asks it. A program that binds itself to the
    /// first interface or its address leaves by it.
    Primary,
}

/// Whether the pod may reach the instance metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum InstanceMetadata {
    /// Refused: by routing rules for every interface of the pod, and by a packet filter on the ENI that raw sockets cannot pass.
    /// A container with NET_ADMIN can undo both; the claim's condition MetadataBlocked is then False.
    #[default]
    Blocked,
    /// As the node and the VPC have it.
    Allowed,
}

fn networks(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic",
        "items": cidr::schema(generator)
    })
}
