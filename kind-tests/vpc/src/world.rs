//! The whole value, and the world it is at the start.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Cidr, Cidr6, Delays, Eni, EniId, GroupId, Ingress, Instance, InstanceId, Protocol,
    SecurityGroup, Settings, Source, Subnet, SubnetId, Tags, VpcId,
    create::Granted,
    history::History,
    throttle::{Bucket, Key, pairs},
};

/// The region of this world.
pub const REGION: &str = "us-east-1";
/// The account that owns everything.
pub const ACCOUNT: &str = "000000000000";
/// The network, `10.0.0.0/16` and `2001:db8:ec2::/56`.
pub const VPC: &str = "vpc-00000000000000001";
/// A second network, `10.9.0.0/16`, so that something can lie in the wrong one.
pub const OTHER_VPC: &str = "vpc-00000000000000002";
/// `10.0.0.0/24` and `2001:db8:ec2:a0::/64` in zone a: control plane and peers.
pub const SUBNET_CONTROL: &str = "subnet-000000000000000a0";
/// `10.0.1.0/24` and `2001:db8:ec2:a1::/64` in zone a: nodes and pods' interfaces.
pub const SUBNET_NODES: &str = "subnet-000000000000000a1";
/// `10.0.2.0/28` in zone a: runs out after 11 addresses.
pub const SUBNET_SMALL: &str = "subnet-000000000000000a2";
/// `2001:db8:ec2:a6::/64` in zone a: IPv6 alone.
pub const SUBNET_IPV6: &str = "subnet-000000000000000a6";
/// `10.0.3.0/24` and `2001:db8:ec2:b1::/64` in zone b: each interface gets an IPv6 address unless the call says otherwise.
pub const SUBNET_ZONE_B: &str = "subnet-000000000000000b1";
/// `10.9.0.0/24` of the other network, in zone a.
pub const SUBNET_OTHER: &str = "subnet-000000000000000c1";
/// What an interface gets that asks for no group: lets in its own members.
pub const GROUP_DEFAULT: &str = "sg-000000000000000a0";
/// The same in the other network.
pub const GROUP_OTHER_DEFAULT: &str = "sg-000000000000000c0";
/// Nodes: let in everything from the network and from pods.
pub const GROUP_NODES: &str = "sg-000000000000000a1";
/// Pods' interfaces: let in everything from nodes.
pub const GROUP_APP: &str = "sg-000000000000000a2";
/// A peer that lets in only TCP 8080, ICMP and `ICMPv6`, and only from [`GROUP_APP`].
pub const GROUP_PEER: &str = "sg-000000000000000a3";

/// The IPv4 range of a network.
pub fn network(vpc: &VpcId) -> Option<Cidr> {
    match vpc.as_str() {
        VPC => Some(cidr([10, 0, 0, 0], 16)),
        OTHER_VPC => Some(cidr([10, 9, 0, 0], 16)),
        _ => None,
    }
}

/// The name of the group that each network is born with.
pub(crate) const DEFAULT: &str = "default";

/// A region of EC2. Equal histories give equal values. Its form in JSON is for programs of the same version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vpc {
    /// How long EC2 takes. What is under way already keeps its time.
    pub delays: Delays,
    /// How the region behaves.
    pub settings: Settings,
    pub(crate) history: History,
    #[serde(with = "pairs")]
    pub(crate) buckets: BTreeMap<Key, Bucket>,
    pub(crate) subnets: BTreeMap<SubnetId, Subnet>,
    pub(crate) groups: BTreeMap<GroupId, SecurityGroup>,
    pub(crate) instances: BTreeMap<InstanceId, Instance>,
    pub(crate) enis: BTreeMap<EniId, Eni>,
    pub(crate) tokens: BTreeMap<String, Granted>,
    /// What was asked for and is not played.
    pub(crate) unmodelled: BTreeSet<String>,
    /// Refusals for want of authorization so far.
    pub(crate) denials: u64,
    /// Describe calls so far, while [`Settings::stale_every`] is set.
    pub(crate) reads: u64,
    counter: u64,
}

impl Vpc {
    /// Subnets and security groups, and nothing else yet.
    pub fn new(delays: Delays) -> Self {
        Self {
            delays,
            settings: Settings::default(),
            history: History::default(),
            buckets: BTreeMap::new(),
            subnets: subnets().map(|subnet| (subnet.id.clone(), subnet)).into(),
            groups: groups().map(|group| (group.id.clone(), group)).into(),
            instances: BTreeMap::new(),
            enis: BTreeMap::new(),
            tokens: BTreeMap::new(),
            unmodelled: BTreeSet::new(),
            denials: 0,
            reads: 0,
            counter: 0,
        }
    }

    /// A region in which nothing is.
    pub(crate) fn empty(delays: Delays) -> Self {
        Self {
            subnets: BTreeMap::new(),
            groups: BTreeMap::new(),
            ..Self::new(delays)
        }
    }

    /// One interface.
    pub fn eni(&self, id: &EniId) -> Option<&Eni> {
        self.enis.get(id)
    }

    /// All interfaces, by id.
    pub fn enis(&self) -> impl Iterator<Item = &Eni> {
        self.enis.values()
    }

    /// One instance.
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.instances.get(id)
    }

    /// All instances, by id.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// One subnet.
    pub fn subnet(&self, id: &SubnetId) -> Option<&Subnet> {
        self.subnets.get(id)
    }

    /// All security groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &SecurityGroup> {
        self.groups.values()
    }

    /// One security group.
    pub fn group(&self, id: &GroupId) -> Option<&SecurityGroup> {
        self.groups.get(id)
    }

    /// The next number of this world; none comes twice.
    pub(crate) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

fn subnets() -> [Subnet; 6] {
    let ipv4 = |base, prefix| Some(cidr(base, prefix));
    let ipv6 = |number| Some(cidr6(number, 64));
    [
        subnet(SUBNET_CONTROL, 'a', ipv4([10, 0, 0, 0], 24), ipv6(0xa0)),
        subnet(SUBNET_NODES, 'a', ipv4([10, 0, 1, 0], 24), ipv6(0xa1)),
        subnet(SUBNET_SMALL, 'a', ipv4([10, 0, 2, 0], 28), None),
        Subnet {
            // It cannot be otherwise there.
            assigns_ipv6: true,
            ..subnet(SUBNET_IPV6, 'a', None, ipv6(0xa6))
        },
        Subnet {
            assigns_ipv6: true,
            ..subnet(SUBNET_ZONE_B, 'b', ipv4([10, 0, 3, 0], 24), ipv6(0xb1))
        },
        Subnet {
            vpc: VpcId::from(OTHER_VPC),
            ..subnet(SUBNET_OTHER, 'a', ipv4([10, 9, 0, 0], 24), None)
        },
    ]
}

fn groups() -> [SecurityGroup; 5] {
    let range = |range| Source::Range(range);
    let group = |id: &str| Source::Group(GroupId::from(id));
    [
        security_group(
            GROUP_DEFAULT,
            VPC,
            DEFAULT,
            vec![Ingress {
                protocol: Protocol::All,
                source: group(GROUP_DEFAULT),
            }],
        ),
        security_group(GROUP_OTHER_DEFAULT, OTHER_VPC, DEFAULT, Vec::new()),
        security_group(
            GROUP_NODES,
            VPC,
            "nodes",
            vec![
                Ingress {
                    protocol: Protocol::All,
                    source: range(cidr([10, 0, 0, 0], 16)),
                },
                Ingress {
                    protocol: Protocol::All,
                    source: range(cidr([10, 244, 0, 0], 16)),
                },
                Ingress {
                    protocol: Protocol::All,
                    source: Source::Range6(cidr6(0, 56)),
                },
            ],
        ),
        security_group(
            GROUP_APP,
            VPC,
            "app",
            vec![Ingress {
                protocol: Protocol::All,
                source: group(GROUP_NODES),
            }],
        ),
        security_group(
            GROUP_PEER,
            VPC,
            "peer",
            vec![
                Ingress {
                    protocol: Protocol::Tcp(8080),
                    source: group(GROUP_APP),
                },
                Ingress {
                    protocol: Protocol::Icmp,
                    source: group(GROUP_APP),
                },
                Ingress {
                    protocol: Protocol::Icmpv6,
                    source: group(GROUP_APP),
                },
            ],
        ),
    ]
}

fn subnet(id: &str, zone: char, cidr: Option<Cidr>, ipv6: Option<Cidr6>) -> Subnet {
    Subnet {
        id: id.into(),
        vpc: VpcId::from(VPC),
        zone: format!("{REGION}{zone}"),
        cidr,
        ipv6,
        assigns_ipv6: false,
        tags: Tags::new(),
    }
}

fn security_group(id: &str, vpc: &str, name: &str, ingress: Vec<Ingress>) -> SecurityGroup {
    SecurityGroup {
        id: id.into(),
        vpc: VpcId::from(vpc),
        name: name.to_owned(),
        ingress,
        tags: Tags::new(),
    }
}

const fn cidr(base: [u8; 4], prefix: u8) -> Cidr {
    let [a, b, c, d] = base;
    Cidr::new(std::net::Ipv4Addr::new(a, b, c, d), prefix)
}

const fn cidr6(number: u16, prefix: u8) -> Cidr6 {
    let network = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0xec2, number, 0, 0, 0, 0);
    Cidr6::new(network, prefix)
}
