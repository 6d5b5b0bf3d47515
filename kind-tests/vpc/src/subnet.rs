//! Subnets and security groups: where interfaces lie and what they let in.

use serde::{Deserialize, Serialize};

use crate::{Cidr, Cidr6, GroupId, SubnetId, Tags, VpcId};

/// A subnet, which lies in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// The network it is a part of.
    pub vpc: VpcId,
    /// Its availability zone.
    pub zone: String,
    /// Its IPv4 addresses; none: it is a subnet of IPv6 alone, `ipv6Native`.
    pub cidr: Option<Cidr>,
    /// Its IPv6 addresses, if it has a block.
    pub ipv6: Option<Cidr6>,
    /// Whether each interface made there gets an IPv6 address unless the call says otherwise.
    pub assigns_ipv6: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A subnet as it is described.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubnetView {
    /// The subnet.
    pub subnet: Subnet,
    /// How many IPv4 addresses it can still hand out.
    pub free: usize,
}

/// A security group. All that leaves is let out; what comes in needs a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: GroupId,
    /// The network it belongs to.
    pub vpc: VpcId,
    /// Its name.
    pub name: String,
    /// What it lets in; an empty list lets in nothing.
    pub ingress: Vec<Ingress>,
    /// Its tags.
    pub tags: Tags,
}

/// One rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ingress {
    /// Which traffic.
    pub protocol: Protocol,
    /// From whom.
    pub source: Source,
}

/// Which traffic a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// All of it.
    All,
    /// ICMP of every type.
    Icmp,
    /// `ICMPv6` of every type.
    Icmpv6,
    /// TCP to one port.
    Tcp(u16),
}

/// Whom a rule lets in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The addresses of all interfaces that carry the group.
    Group(GroupId),
    /// A range of addresses.
    Range(Cidr),
    /// A range of IPv6 addresses.
    Range6(Cidr6),
}

impl Subnet {
    /// The id of what ties its IPv6 block to it.
    pub fn ipv6_association(&self) -> Option<String> {
        let id = self.id.as_str().trim_start_matches("subnet-");
        self.ipv6.map(|_| format!("subnet-cidr-assoc-{id}"))
    }
}
