//! Instances and their types as EC2 writes them.

// Field names are EC2's, which repeat the name of the thing.
#![allow(clippy::struct_field_names)]

use serde::Serialize;
use vpc::{InstanceState, InstanceType, InstanceView, Vpc, world::ACCOUNT};

use super::{
    Items,
    interface::{InstanceInterface, Tag, instance_interface},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reservation<'a> {
    reservation_id: String,
    owner_id: &'static str,
    instances_set: Items<Instance<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance<'a> {
    instance_id: &'a str,
    instance_type: &'static str,
    instance_state: State,
    placement: Placement<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_ip_address: Option<String>,
    network_interface_set: Items<InstanceInterface<'a>>,
    tag_set: Items<Tag<'a>>,
}

#[derive(Serialize)]
struct State {
    code: u8,
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Placement<'a> {
    availability_zone: &'a str,
}

pub(super) fn reservation<'a>(vpc: &'a Vpc, view: &'a InstanceView) -> Reservation<'a> {
    let InstanceView {
        instance,
        home,
        enis,
    } = view;
    // What is terminated lies nowhere.
    let placed = !matches!(instance.state, InstanceState::Terminated { .. });
    Reservation {
        reservation_id: instance.id.as_str().replacen("i-", "r-", 1),
        owner_id: ACCOUNT,
        instances_set: Items {
            item: vec![Instance {
                instance_id: instance.id.as_str(),
                instance_type: instance.kind.name,
                instance_state: State {
                    code: instance.state.code(),
                    name: instance.state.name(),
                },
                placement: Placement {
                    availability_zone: &home.zone,
                },
                vpc_id: placed.then_some(home.vpc.as_str()),
                subnet_id: placed.then_some(home.id.as_str()),
                private_ip_address: enis
                    .first()
                    .and_then(|eni| eni.address)
                    .map(|address| address.to_string()),
                network_interface_set: enis
                    .iter()
                    .map(|eni| instance_interface(vpc, eni))
                    .collect(),
                tag_set: Items {
                    item: vec![Tag {
                        key: "Name",
                        value: &instance.name,
                    }],
                },
            }],
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceTypeInfo {
    instance_type: &'static str,
    network_info: NetworkInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkInfo {
    maximum_network_interfaces: u32,
    maximum_network_cards: usize,
    default_network_card_index: u32,
    network_cards: Items<NetworkCard>,
    ipv4_addresses_per_interface: u32,
    ipv6_addresses_per_interface: u32,
    ipv6_supported: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkCard {
    network_card_index: usize,
    maximum_network_interfaces: u32,
}

pub(super) fn instance_type(kind: &InstanceType) -> InstanceTypeInfo {
    let card = |(network_card_index, &maximum_network_interfaces): (usize, &u32)| NetworkCard {
        network_card_index,
        maximum_network_interfaces,
    };
    InstanceTypeInfo {
        instance_type: kind.name,
        network_info: NetworkInfo {
            maximum_network_interfaces: kind.cards.iter().sum(),
            maximum_network_cards: kind.cards.len(),
            default_network_card_index: 0,
            network_cards: kind.cards.iter().enumerate().map(card).collect(),
            ipv4_addresses_per_interface: kind.addresses,
            ipv6_addresses_per_interface: kind.addresses,
            ipv6_supported: true,
        },
    }
}
