//! EC2's answers. What lacks a field that EC2 always sends is an error: passed over, it would count as absent.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use api::{
    SourceDestCheck,
    id::{AttachmentId, InstanceType, Mac, Slot},
    ipnet::IpNet,
};
use aws_sdk_ec2::types::{
    Instance as ApiInstance, InstanceNetworkInterface, InstanceStateName,
    InstanceType as ApiInstanceType, InstanceTypeInfo, NetworkCardInterfaceType, NetworkInterface,
    NetworkInterfaceAttachment, NetworkInterfaceStatus, SecurityGroup, Subnet as ApiSubnet,
    SubnetCidrBlockStateCode, SubnetIpv6CidrBlockAssociation,
};
use operator_core::ec2::{
    AttachedEni, AttachmentState, AttachmentView, EniTags, EniView, Group, Instance, InstanceState,
    Subnet, TypeFacts,
};

/// An answer that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("EC2's answer about {object} cannot be read: {field} {problem}")]
pub(crate) struct Malformed {
    object: String,
    field: &'static str,
    problem: String,
}

impl Malformed {
    /// A field is not there.
    pub(crate) fn missing(object: &str, field: &'static str) -> Self {
        Self {
            object: object.to_owned(),
            field,
            problem: "is missing".to_owned(),
        }
    }
}

/// The object whose fields are read.
struct Of<'a>(&'a str);

impl Of<'_> {
    fn need<T>(&self, field: &'static str, value: Option<T>) -> Result<T, Malformed> {
        value.ok_or_else(|| Malformed::missing(self.0, field))
    }

    fn parse<T: FromStr<Err: Display>>(
        &self,
        field: &'static str,
        value: Option<&str>,
    ) -> Result<T, Malformed> {
        self.need(field, value)?
            .parse()
            .map_err(|error: T::Err| Malformed {
                object: self.0.to_owned(),
                field,
                problem: error.to_string(),
            })
    }

    fn mac(&self, value: Option<&str>) -> Result<Mac, Malformed> {
        let lower = value.map(str::to_ascii_lowercase);
        self.parse("macAddress", lower.as_deref())
    }

    /// EC2 leaves the card out where there is one only.
    fn slot(&self, card: Option<i32>, index: Option<i32>) -> Result<Slot, Malformed> {
        Ok(Slot {
            card: self.number("networkCardIndex", Some(card.unwrap_or(0)))?,
            index: self.number("deviceIndex", index)?,
        })
    }

    fn number(&self, field: &'static str, value: Option<i32>) -> Result<u32, Malformed> {
        let value = value.and_then(|v| u32::try_from(v).ok());
        self.need(field, value)
    }
}

/// The id in the answer to an Attach.
pub(crate) fn attachment_id(id: Option<&str>) -> Result<AttachmentId, Malformed> {
    Of("AttachNetworkInterface").parse("attachmentId", id)
}

/// An ENI.
pub(crate) fn eni(eni: &NetworkInterface) -> Result<EniView, Malformed> {
    let of = Of(eni.network_interface_id().unwrap_or("an ENI"));
    let tags = eni.tag_set().iter();
    let attachment = match eni.attachment() {
        Some(attachment) => self::attachment(&of, attachment)?,
        None => None,
    };
    let groups = eni.groups().iter();
    let mut groups = groups
        .map(|group| of.parse("groupId", group.group_id()))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut addresses, mut prefixes) = (addresses(&of, eni)?, prefixes(&of, eni)?);
    // They are collected into room for four items, and there are as many as ENIs.
    groups.shrink_to_fit();
    addresses.shrink_to_fit();
    prefixes.shrink_to_fit();
    Ok(EniView {
        id: of.parse("networkInterfaceId", eni.network_interface_id())?,
        mac: of.mac(eni.mac_address())?,
        subnet: of.parse("subnetId", eni.subnet_id())?,
        vpc: of.parse("vpcId", eni.vpc_id())?,
        zone: of.need("availabilityZone", eni.availability_zone())?.into(),
        groups,
        addresses,
        prefixes,
        source_dest_check: SourceDestCheck::of(eni.source_dest_check().unwrap_or(true)),
        available: *of.need("status", eni.status())? == NetworkInterfaceStatus::Available,
        attachment,
        tags: EniTags::of(tags.filter_map(|tag| Some((tag.key()?, tag.value()?)))),
    })
}

/// The primary address first, those of IPv6 last; an ENI of IPv6 alone has none but those.
fn addresses(of: &Of, eni: &NetworkInterface) -> Result<Vec<IpAddr>, Malformed> {
    let primary = eni.private_ip_address();
    let others = eni.private_ip_addresses().iter();
    let others = others
        .filter_map(|address| address.private_ip_address())
        .filter(|address| Some(*address) != primary);
    let ipv4 = primary.into_iter().chain(others);
    let ipv4 = ipv4.map(|address| of.parse("privateIpAddress", Some(address)));
    let ipv6 = eni.ipv6_addresses().iter();
    let ipv6 = ipv6.map(|address| of.parse("ipv6Address", address.ipv6_address()));
    ipv4.chain(ipv6).collect()
}

fn prefixes(of: &Of, eni: &NetworkInterface) -> Result<Vec<IpNet>, Malformed> {
    let ipv4 = eni.ipv4_prefixes().iter();
    let ipv4 = ipv4.map(|prefix| of.parse("ipv4Prefix", prefix.ipv4_prefix()));
    let ipv6 = eni.ipv6_prefixes().iter();
    let ipv6 = ipv6.map(|prefix| of.parse("ipv6Prefix", prefix.ipv6_prefix()));
    ipv4.chain(ipv6).collect()
}

fn attachment(
    of: &Of,
    attachment: &NetworkInterfaceAttachment,
) -> Result<Option<AttachmentView>, Malformed> {
    // An ENI of a load balancer or function, which somebody tagged as ours: no instance of anybody's has it.
    let service = attachment.instance_owner_id();
    if attachment.instance_id().is_none() && service.is_some_and(|o| o.starts_with("amazon-")) {
        return Ok(None);
    }
    let state = match of.need("attachment.status", attachment.status())?.as_str() {
        "attaching" => AttachmentState::Attaching,
        "attached" => AttachmentState::Attached,
        "detaching" => AttachmentState::Detaching,
        "detached" => return Ok(None),
        other => {
            return Err(Malformed {
                object: of.0.to_owned(),
                field: "attachment.status",
                problem: format!("is {other:?}, which this version does not know"),
            });
        }
    };
    Ok(Some(AttachmentView {
        id: of.parse("attachmentId", attachment.attachment_id())?,
        instance: of.parse("instanceId", attachment.instance_id())?,
        slot: of.slot(attachment.network_card_index(), attachment.device_index())?,
        state,
        delete_on_termination: attachment.delete_on_termination().unwrap_or(false),
    }))
}

/// An instance.
pub(crate) fn instance(instance: &ApiInstance) -> Result<Instance, Malformed> {
    let of = Of(instance.instance_id().unwrap_or("an instance"));
    let state = match of.need("instanceState", instance.state().and_then(|s| s.name()))? {
        InstanceStateName::Stopped => InstanceState::Stopped,
        InstanceStateName::ShuttingDown => InstanceState::ShuttingDown,
        InstanceStateName::Terminated => InstanceState::Terminated,
        // Pending, running, stopping, and what EC2 may add: software there may use a device.
        _ => InstanceState::Alive,
    };
    let zone = instance.placement().and_then(|p| p.availability_zone());
    let kind = instance.instance_type().map(ApiInstanceType::as_str);
    let vpc = instance.vpc_id().filter(|vpc| !vpc.is_empty());
    let attached = instance.network_interfaces().iter();
    Ok(Instance {
        id: of.parse("instanceId", instance.instance_id())?,
        instance_type: of.need("instanceType", kind)?.into(),
        zone: of.need("placement.availabilityZone", zone)?.into(),
        vpc: vpc.map(|vpc| of.parse("vpcId", Some(vpc))).transpose()?,
        state,
        attached: attached
            .map(|eni| attached_eni(&of, eni))
            .collect::<Result<_, _>>()?,
    })
}

fn attached_eni(of: &Of, eni: &InstanceNetworkInterface) -> Result<AttachedEni, Malformed> {
    let attachment = of.need("networkInterface.attachment", eni.attachment())?;
    Ok(AttachedEni {
        slot: of.slot(attachment.network_card_index(), attachment.device_index())?,
        eni: of.parse("networkInterfaceId", eni.network_interface_id())?,
        mac: of.mac(eni.mac_address())?,
        trunk: eni.interface_type() == Some("trunk"),
    })
}

/// An instance type: the limit of each network card is the real one. Cards that take EFAs alone take none of ours.
pub(crate) fn instance_type(
    info: &InstanceTypeInfo,
) -> Result<(InstanceType, TypeFacts), Malformed> {
    let name = info.instance_type().map(ApiInstanceType::as_str);
    let of = Of(name.unwrap_or("an instance type"));
    let network = of.need("networkInfo", info.network_info())?;
    let card = |card: &aws_sdk_ec2::types::NetworkCardInfo| {
        Ok((
            of.number("networkCardIndex", card.network_card_index())?,
            of.number(
                "maximumNetworkInterfaces",
                card.maximum_network_interfaces(),
            )?,
        ))
    };
    let takes_ours = |card: &&aws_sdk_ec2::types::NetworkCardInfo| {
        let kinds = card.interface_types();
        kinds.is_empty() || kinds.contains(&NetworkCardInterfaceType::Interface)
    };
    let mut cards = network
        .network_cards()
        .iter()
        .filter(takes_ours)
        .map(card)
        .collect::<Result<Vec<_>, _>>()?;
    if network.network_cards().is_empty() {
        // Types of old do not list their only card.
        let limit = network.maximum_network_interfaces();
        cards.push((0, of.number("maximumNetworkInterfaces", limit)?));
    }
    Ok((of.need("instanceType", name)?.into(), TypeFacts { cards }))
}

/// A security group.
pub(crate) fn group(group: &SecurityGroup) -> Result<Group, Malformed> {
    let of = Of(group.group_id().unwrap_or("a security group"));
    Ok(Group {
        id: of.parse("groupId", group.group_id())?,
        vpc: of.parse("vpcId", group.vpc_id())?,
    })
}

/// A subnet. One of IPv6 alone has no IPv4 block; every other one has.
pub(crate) fn subnet(subnet: &ApiSubnet) -> Result<Subnet, Malformed> {
    let of = Of(subnet.subnet_id().unwrap_or("a subnet"));
    let zone = subnet.availability_zone();
    let native = subnet.ipv6_native().unwrap_or(false);
    let ipv4 = (!native).then(|| of.parse("cidrBlock", subnet.cidr_block()));
    let associated = |block: &&SubnetIpv6CidrBlockAssociation| {
        let state = block
            .ipv6_cidr_block_state()
            .and_then(|state| state.state());
        state == Some(&SubnetCidrBlockStateCode::Associated)
    };
    let mut blocks = subnet.ipv6_cidr_block_association_set().iter();
    let ipv6 = blocks.find(associated);
    let ipv6 = ipv6.map(|block| of.parse("ipv6CidrBlock", block.ipv6_cidr_block()));
    Ok(Subnet {
        id: of.parse("subnetId", subnet.subnet_id())?,
        zone: of.need("availabilityZone", zone)?.into(),
        vpc: of.parse("vpcId", subnet.vpc_id())?,
        ipv4: ipv4.transpose()?,
        ipv6: ipv6.transpose()?,
        assigns_ipv6: subnet.assign_ipv6_address_on_creation().unwrap_or(false),
        free: of.number(
            "availableIpAddressCount",
            subnet.available_ip_address_count(),
        )?,
    })
}
