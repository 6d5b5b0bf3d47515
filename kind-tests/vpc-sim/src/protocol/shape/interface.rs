//! Interfaces and their attachments as EC2 writes them.

// Field names are EC2's, which repeat the name of the thing.
#![allow(clippy::struct_field_names)]

use jiff::Timestamp;
use serde::Serialize;
use vpc::{Attachment, ConnectionTracking, Eni, GroupId, Vpc, world::ACCOUNT};

use super::Items;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkInterface<'a> {
    network_interface_id: &'a str,
    subnet_id: &'a str,
    vpc_id: &'a str,
    availability_zone: &'a str,
    description: &'a str,
    owner_id: &'static str,
    requester_managed: bool,
    status: &'static str,
    interface_type: &'static str,
    mac_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_ip_address: Option<String>,
    source_dest_check: bool,
    group_set: Items<Group<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<AttachmentShape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_tracking_configuration: Option<TrackingShape>,
    tag_set: Items<Tag<'a>>,
    private_ip_addresses_set: Items<PrivateAddress>,
    ipv6_addresses_set: Items<Ipv6Address>,
    ipv4_prefix_set: Items<Ipv4Prefix>,
    ipv6_prefix_set: Items<Ipv6Prefix>,
}

pub(super) fn network_interface<'a>(vpc: &'a Vpc, eni: &'a Eni) -> NetworkInterface<'a> {
    NetworkInterface {
        network_interface_id: eni.id.as_str(),
        subnet_id: eni.subnet.as_str(),
        vpc_id: eni.vpc.as_str(),
        availability_zone: &eni.zone,
        description: &eni.description,
        owner_id: ACCOUNT,
        requester_managed: false,
        status: eni.status(),
        interface_type: "interface",
        mac_address: eni.mac.to_string(),
        private_ip_address: eni.address.map(|address| address.to_string()),
        source_dest_check: eni.source_dest_check,
        group_set: groups(vpc, eni),
        attachment: eni.attachment().map(attachment),
        connection_tracking_configuration: tracking(eni.connection_tracking),
        tag_set: eni
            .tags
            .iter()
            .map(|(key, value)| Tag { key, value })
            .collect(),
        private_ip_addresses_set: addresses(eni),
        ipv6_addresses_set: ipv6_addresses(eni),
        ipv4_prefix_set: ipv4_prefixes(eni),
        ipv6_prefix_set: ipv6_prefixes(eni),
    }
}

/// Only what was set (unverified).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrackingShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_established_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udp_stream_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udp_timeout: Option<u32>,
}

fn tracking(seconds: ConnectionTracking) -> Option<TrackingShape> {
    (!seconds.is_empty()).then_some(TrackingShape {
        tcp_established_timeout: seconds.tcp_established,
        udp_stream_timeout: seconds.udp_stream,
        udp_timeout: seconds.udp,
    })
}

/// An interface in the answer about its instance: fewer members, and an attachment without the instance.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceInterface<'a> {
    network_interface_id: &'a str,
    subnet_id: &'a str,
    vpc_id: &'a str,
    description: &'a str,
    owner_id: &'static str,
    status: &'static str,
    interface_type: &'static str,
    mac_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_ip_address: Option<String>,
    source_dest_check: bool,
    group_set: Items<Group<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<InstanceAttachment<'a>>,
    private_ip_addresses_set: Items<PrivateAddress>,
    ipv6_addresses_set: Items<Ipv6Address>,
    ipv4_prefix_set: Items<Ipv4Prefix>,
    ipv6_prefix_set: Items<Ipv6Prefix>,
}

pub(super) fn instance_interface<'a>(vpc: &'a Vpc, eni: &'a Eni) -> InstanceInterface<'a> {
    InstanceInterface {
        network_interface_id: eni.id.as_str(),
        subnet_id: eni.subnet.as_str(),
        vpc_id: eni.vpc.as_str(),
        description: &eni.description,
        owner_id: ACCOUNT,
        status: eni.status(),
        interface_type: "interface",
        mac_address: eni.mac.to_string(),
        private_ip_address: eni.address.map(|address| address.to_string()),
        source_dest_check: eni.source_dest_check,
        group_set: groups(vpc, eni),
        attachment: eni.attachment().map(instance_attachment),
        private_ip_addresses_set: addresses(eni),
        ipv6_addresses_set: ipv6_addresses(eni),
        ipv4_prefix_set: ipv4_prefixes(eni),
        ipv6_prefix_set: ipv6_prefixes(eni),
    }
}

fn addresses(eni: &Eni) -> Items<PrivateAddress> {
    eni.ipv4()
        .map(|address| PrivateAddress {
            private_ip_address: address.to_string(),
            primary: Some(address) == eni.address,
        })
        .collect()
}

fn ipv6_addresses(eni: &Eni) -> Items<Ipv6Address> {
    let all = eni.others.ipv6.iter();
    all.map(|address| Ipv6Address {
        ipv6_address: address.to_string(),
        // Nobody has asked for a primary one.
        is_primary_ipv6: false,
    })
    .collect()
}

fn ipv4_prefixes(eni: &Eni) -> Items<Ipv4Prefix> {
    let all = eni.others.ipv4_prefixes.iter();
    all.map(|prefix| Ipv4Prefix {
        ipv4_prefix: prefix.to_string(),
    })
    .collect()
}

fn ipv6_prefixes(eni: &Eni) -> Items<Ipv6Prefix> {
    let all = eni.others.ipv6_prefixes.iter();
    all.map(|prefix| Ipv6Prefix {
        ipv6_prefix: prefix.to_string(),
    })
    .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrivateAddress {
    private_ip_address: String,
    primary: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ipv6Address {
    ipv6_address: String,
    is_primary_ipv6: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ipv4Prefix {
    ipv4_prefix: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ipv6Prefix {
    ipv6_prefix: String,
}

#[derive(Serialize)]
pub(super) struct Tag<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group<'a> {
    group_id: &'a str,
    group_name: &'a str,
}

fn groups<'a>(vpc: &'a Vpc, eni: &'a Eni) -> Items<Group<'a>> {
    let name = |id: &GroupId| vpc.group(id).map_or("", |group| group.name.as_str());
    eni.groups
        .iter()
        .map(|id| Group {
            group_id: id.as_str(),
            group_name: name(id),
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttachmentShape<'a> {
    attachment_id: &'a str,
    instance_id: &'a str,
    instance_owner_id: &'static str,
    device_index: u32,
    network_card_index: u32,
    status: &'static str,
    attach_time: String,
    delete_on_termination: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceAttachment<'a> {
    attachment_id: &'a str,
    device_index: u32,
    network_card_index: u32,
    status: &'static str,
    attach_time: String,
    delete_on_termination: bool,
}

fn instance_attachment(attachment: &Attachment) -> InstanceAttachment<'_> {
    InstanceAttachment {
        attachment_id: attachment.id.as_str(),
        device_index: attachment.device,
        network_card_index: attachment.card,
        status: attachment.state.status(),
        attach_time: attach_time(attachment),
        delete_on_termination: attachment.delete_on_termination,
    }
}

fn attach_time(attachment: &Attachment) -> String {
    let asked = i64::try_from(attachment.asked_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    asked.unwrap_or_default().to_string()
}

fn attachment(attachment: &Attachment) -> AttachmentShape<'_> {
    AttachmentShape {
        attachment_id: attachment.id.as_str(),
        instance_id: attachment.instance.as_str(),
        instance_owner_id: ACCOUNT,
        device_index: attachment.device,
        network_card_index: attachment.card,
        status: attachment.state.status(),
        attach_time: attach_time(attachment),
        delete_on_termination: attachment.delete_on_termination,
    }
}
