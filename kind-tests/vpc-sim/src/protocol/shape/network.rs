//! Subnets and security groups as EC2 writes them.

// Field names are EC2's, which repeat the name of the thing.
#![allow(clippy::struct_field_names)]

use serde::Serialize;
use vpc::{Ingress, Protocol, SecurityGroup, Source, SubnetView, Tags, world::ACCOUNT};

use super::{Items, interface::Tag};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subnet<'a> {
    subnet_id: &'a str,
    vpc_id: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cidr_block: Option<String>,
    ipv6_native: bool,
    assign_ipv6_address_on_creation: bool,
    ipv6_cidr_block_association_set: Items<Association>,
    available_ip_address_count: usize,
    availability_zone: &'a str,
    owner_id: &'static str,
    tag_set: Items<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    association_id: String,
    ipv6_cidr_block: String,
    ipv6_cidr_block_state: BlockState,
}

#[derive(Serialize)]
struct BlockState {
    state: &'static str,
}

/// What ties the subnet to its IPv6 block.
fn association(subnet: &vpc::Subnet) -> Option<Association> {
    Some(Association {
        association_id: subnet.ipv6_association()?,
        ipv6_cidr_block: subnet.ipv6?.to_string(),
        ipv6_cidr_block_state: BlockState {
            state: "associated",
        },
    })
}

pub(super) fn subnet(SubnetView { subnet, free }: &SubnetView) -> Subnet<'_> {
    Subnet {
        subnet_id: subnet.id.as_str(),
        vpc_id: subnet.vpc.as_str(),
        state: "available",
        cidr_block: subnet.cidr.map(|cidr| cidr.to_string()),
        ipv6_native: subnet.cidr.is_none(),
        assign_ipv6_address_on_creation: subnet.assigns_ipv6,
        ipv6_cidr_block_association_set: association(subnet).into_iter().collect(),
        available_ip_address_count: *free,
        availability_zone: &subnet.zone,
        owner_id: ACCOUNT,
        tag_set: tags(&subnet.tags),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityGroupShape<'a> {
    group_id: &'a str,
    group_name: &'a str,
    group_description: &'a str,
    vpc_id: &'a str,
    owner_id: &'static str,
    ip_permissions: Items<Permission<'a>>,
    tag_set: Items<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Permission<'a> {
    ip_protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<i32>,
    groups: Items<GroupPair<'a>>,
    ip_ranges: Items<Range>,
    ipv6_ranges: Items<Range6>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupPair<'a> {
    user_id: &'static str,
    group_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    cidr_ip: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Range6 {
    cidr_ipv6: String,
}

pub(super) fn security_group(group: &SecurityGroup) -> SecurityGroupShape<'_> {
    SecurityGroupShape {
        group_id: group.id.as_str(),
        group_name: &group.name,
        group_description: &group.name,
        vpc_id: group.vpc.as_str(),
        owner_id: ACCOUNT,
        ip_permissions: group.ingress.iter().map(permission).collect(),
        tag_set: tags(&group.tags),
    }
}

fn tags(tags: &Tags) -> Items<Tag<'_>> {
    let tags = tags.iter();
    tags.map(|(key, value)| Tag { key, value }).collect()
}

fn permission(Ingress { protocol, source }: &Ingress) -> Permission<'_> {
    let (ip_protocol, ports) = match protocol {
        Protocol::All => ("-1", None),
        Protocol::Icmp => ("icmp", Some(-1)),
        Protocol::Icmpv6 => ("icmpv6", Some(-1)),
        Protocol::Tcp(port) => ("tcp", Some(i32::from(*port))),
    };
    let (mut groups, mut ranges, mut ranges6) = (Vec::new(), Vec::new(), Vec::new());
    match source {
        Source::Group(id) => groups.push(GroupPair {
            user_id: ACCOUNT,
            group_id: id.as_str(),
        }),
        Source::Range(range) => ranges.push(Range {
            cidr_ip: range.to_string(),
        }),
        Source::Range6(range) => ranges6.push(Range6 {
            cidr_ipv6: range.to_string(),
        }),
    }
    Permission {
        ip_protocol,
        from_port: ports,
        to_port: ports,
        groups: Items { item: groups },
        ip_ranges: Items { item: ranges },
        ipv6_ranges: Items { item: ranges6 },
    }
}
