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
    cidr_block: String,
    available_ip_address_count: usize,
    availability_zone: &'a str,
    owner_id: &'static str,
    tag_set: Items<Tag<'a>>,
}

pub(super) fn subnet(SubnetView { subnet, free }: &SubnetView) -> Subnet<'_> {
    Subnet {
        subnet_id: subnet.id.as_str(),
        vpc_id: subnet.vpc.as_str(),
        state: "available",
        cidr_block: subnet.cidr.to_string(),
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
        Protocol::Tcp(port) => ("tcp", Some(i32::from(*port))),
    };
    let (groups, ranges) = match source {
        Source::Group(id) => (
            vec![GroupPair {
                user_id: ACCOUNT,
                group_id: id.as_str(),
            }],
            Vec::new(),
        ),
        Source::Range(range) => (
            Vec::new(),
            vec![Range {
                cidr_ip: range.to_string(),
            }],
        ),
    };
    Permission {
        ip_protocol,
        from_port: ports,
        to_port: ports,
        groups: Items { item: groups },
        ip_ranges: Items { item: ranges },
    }
}
