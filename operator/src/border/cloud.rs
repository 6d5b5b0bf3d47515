//! EC2's answers; what lacks a field that EC2 always sends is passed over.

use aws_sdk_ec2::types::{
    Instance as ApiInstance, InstanceStateName, InstanceTypeInfo, NetworkInterface,
    NetworkInterfaceAttachment, NetworkInterfaceStatus, Subnet as ApiSubnet,
};
use operator_core::{
    bind::tag,
    claim::Slot,
    cloud::{
        AttachedEni, AttachmentState, AttachmentView, EniView, Instance, InstanceState, Subnet,
        TypeFacts,
    },
    id::InstanceType,
};

/// An ENI.
pub(crate) fn eni(eni: &NetworkInterface) -> Option<EniView> {
    let claim = eni
        .tag_set()
        .iter()
        .find(|t| t.key() == Some(tag::CLAIM_UID))
        .and_then(|t| t.value());
    Some(EniView {
        id: eni.network_interface_id()?.into(),
        mac: eni.mac_address()?.to_ascii_lowercase().into(),
        subnet: eni.subnet_id()?.into(),
        vpc: eni.vpc_id()?.into(),
        zone: eni.availability_zone()?.into(),
        groups: eni
            .groups()
            .iter()
            .filter_map(|g| g.group_id())
            .map(Into::into)
            .collect(),
        address: eni.private_ip_address()?.parse().ok()?,
        available: eni.status() == Some(&NetworkInterfaceStatus::Available),
        attachment: eni.attachment().and_then(attachment),
        claim: claim.map(Into::into),
    })
}

fn attachment(attachment: &NetworkInterfaceAttachment) -> Option<AttachmentView> {
    let state = match attachment.status()?.as_str() {
        "attaching" => AttachmentState::Attaching,
        "attached" => AttachmentState::Attached,
        "detaching" => AttachmentState::Detaching,
        _ => return None,
    };
    Some(AttachmentView {
        id: attachment.attachment_id()?.into(),
        instance: attachment.instance_id()?.into(),
        slot: slot(attachment.network_card_index(), attachment.device_index())?,
        state,
        delete_on_termination: attachment.delete_on_termination().unwrap_or(false),
    })
}

/// EC2 leaves the card out where there is one only.
fn slot(card: Option<i32>, index: Option<i32>) -> Option<Slot> {
    Some(Slot {
        card: u32::try_from(card.unwrap_or(0)).ok()?,
        index: u32::try_from(index?).ok()?,
    })
}

/// An instance.
pub(crate) fn instance(instance: &ApiInstance) -> Option<Instance> {
    let state = match instance.state()?.name()? {
        InstanceStateName::Stopped => InstanceState::Stopped,
        InstanceStateName::ShuttingDown | InstanceStateName::Terminated => InstanceState::Dead,
        _ => InstanceState::Alive,
    };
    let attached = instance.network_interfaces().iter().filter_map(|eni| {
        let attachment = eni.attachment()?;
        Some(AttachedEni {
            slot: slot(attachment.network_card_index(), attachment.device_index())?,
            eni: eni.network_interface_id()?.into(),
            mac: eni.mac_address()?.to_ascii_lowercase().into(),
        })
    });
    Some(Instance {
        id: instance.instance_id()?.into(),
        kind: instance.instance_type()?.as_str().into(),
        zone: instance
            .placement()
            .and_then(|p| p.availability_zone())
            .unwrap_or_default()
            .into(),
        vpc: instance.vpc_id().unwrap_or_default().into(),
        state,
        attached: attached.collect(),
    })
}

/// An instance type: the limit of each network card is the real one.
pub(crate) fn instance_type(info: &InstanceTypeInfo) -> Option<(InstanceType, TypeFacts)> {
    let network = info.network_info()?;
    let number = |value: Option<i32>| value.and_then(|v| u32::try_from(v).ok());
    let cards: Vec<(u32, u32)> = network
        .network_cards()
        .iter()
        .filter_map(|card| {
            Some((
                number(card.network_card_index())?,
                number(card.maximum_network_interfaces())?,
            ))
        })
        .collect();
    // Types of old do not list their only card.
    let cards = if cards.is_empty() {
        vec![(0, number(network.maximum_network_interfaces())?)]
    } else {
        cards
    };
    Some((info.instance_type()?.as_str().into(), TypeFacts { cards }))
}

/// A subnet.
pub(crate) fn subnet(subnet: &ApiSubnet) -> Option<Subnet> {
    let (base, prefix) = subnet.cidr_block()?.split_once('/')?;
    Some(Subnet {
        id: subnet.subnet_id()?.into(),
        zone: subnet.availability_zone()?.into(),
        vpc: subnet.vpc_id()?.into(),
        base: base.parse().ok()?,
        prefix: prefix.parse().ok()?,
    })
}
