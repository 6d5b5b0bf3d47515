//! The shapes of EC2's answers; element names are those of the API reference.

// Field names are EC2's, which repeat the name of the thing.
#![allow(clippy::struct_field_names)]

use jiff::Timestamp;
use quick_xml::se::to_string_with_root;
use serde::Serialize;
use vpc::{
    Attachment, Eni, GroupId, Ingress, InstanceState, InstanceType, InstanceView, Protocol,
    Response, SecurityGroup, Source, SubnetView, Vpc, world::ACCOUNT,
};

const XMLNS: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
/// What is left when a value cannot be written as XML, which no value of ours does.
const UNWRITABLE: &str = "<Response/>";

/// The answer to `action`.
pub(super) fn success(
    vpc: &Vpc,
    action: &str,
    token: Option<&str>,
    response: &Response,
    request_id: &str,
) -> String {
    let mut fields = vec![Field::RequestId(request_id)];
    match response {
        Response::Done => fields.push(Field::Return(true)),
        Response::Created(eni) => {
            fields.push(Field::NetworkInterface(Box::new(network_interface(
                vpc, eni,
            ))));
            fields.extend(token.map(Field::ClientToken));
        }
        Response::Attached { attachment, card } => {
            fields.push(Field::AttachmentId(attachment.as_str()));
            fields.push(Field::NetworkCardIndex(*card));
        }
        Response::Enis(enis, next) => {
            fields.push(Field::NetworkInterfaceSet(
                enis.iter().map(|eni| network_interface(vpc, eni)).collect(),
            ));
            fields.extend(next.as_deref().map(Field::NextToken));
        }
        Response::Instances(instances, next) => {
            fields.push(Field::ReservationSet(
                instances
                    .iter()
                    .map(|view| reservation(vpc, view))
                    .collect(),
            ));
            fields.extend(next.as_deref().map(Field::NextToken));
        }
        Response::InstanceTypes(kinds) => {
            fields.push(Field::InstanceTypeSet(
                kinds.iter().map(|kind| instance_type(kind)).collect(),
            ));
        }
        Response::Subnets(subnets, next) => {
            fields.push(Field::SubnetSet(subnets.iter().map(subnet).collect()));
            fields.extend(next.as_deref().map(Field::NextToken));
        }
        Response::Groups(groups, next) => {
            fields.push(Field::SecurityGroupInfo(
                groups.iter().map(security_group).collect(),
            ));
            fields.extend(next.as_deref().map(Field::NextToken));
        }
    }
    let root = format!("{action}Response");
    to_string_with_root(
        &root,
        &Reply {
            xmlns: XMLNS,
            fields,
        },
    )
    .unwrap_or_else(|_| UNWRITABLE.to_owned())
}

/// A refusal.
pub(super) fn failure(code: &str, message: &str, request_id: &str) -> String {
    let errors = Errors {
        error: ErrorShape { code, message },
    };
    to_string_with_root("Response", &Refusal { errors, request_id })
        .unwrap_or_else(|_| UNWRITABLE.to_owned())
}

#[derive(Serialize)]
struct Reply<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'a str,
    #[serde(rename = "$value")]
    fields: Vec<Field<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Field<'a> {
    RequestId(&'a str),
    Return(bool),
    NetworkInterface(Box<NetworkInterface<'a>>),
    ClientToken(&'a str),
    AttachmentId(&'a str),
    NetworkCardIndex(u32),
    NetworkInterfaceSet(Items<NetworkInterface<'a>>),
    ReservationSet(Items<Reservation<'a>>),
    InstanceTypeSet(Items<InstanceTypeInfo>),
    SubnetSet(Items<Subnet<'a>>),
    SecurityGroupInfo(Items<SecurityGroupShape<'a>>),
    NextToken(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal<'a> {
    errors: Errors<'a>,
    #[serde(rename = "RequestID")]
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Errors<'a> {
    error: ErrorShape<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorShape<'a> {
    code: &'a str,
    message: &'a str,
}

/// A list as EC2 writes it: one `<item>` for each member.
#[derive(Serialize)]
struct Items<T> {
    item: Vec<T>,
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self {
            item: items.into_iter().collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkInterface<'a> {
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
    private_ip_address: String,
    source_dest_check: bool,
    group_set: Items<Group<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<AttachmentShape<'a>>,
    tag_set: Items<Tag<'a>>,
    private_ip_addresses_set: Items<PrivateAddress>,
}

fn network_interface<'a>(vpc: &'a Vpc, eni: &'a Eni) -> NetworkInterface<'a> {
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
        private_ip_address: eni.address.to_string(),
        source_dest_check: eni.source_dest_check,
        group_set: groups(vpc, eni),
        attachment: eni.attachment().map(attachment),
        tag_set: eni
            .tags
            .iter()
            .map(|(key, value)| Tag { key, value })
            .collect(),
        private_ip_addresses_set: Items {
            item: vec![PrivateAddress {
                private_ip_address: eni.address.to_string(),
                primary: true,
            }],
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrivateAddress {
    private_ip_address: String,
    primary: bool,
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
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

fn attachment(attachment: &Attachment) -> AttachmentShape<'_> {
    let asked = i64::try_from(attachment.asked_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    AttachmentShape {
        attachment_id: attachment.id.as_str(),
        instance_id: attachment.instance.as_str(),
        instance_owner_id: ACCOUNT,
        device_index: attachment.device,
        network_card_index: attachment.card,
        status: attachment.state.status(),
        attach_time: asked.unwrap_or_default().to_string(),
        delete_on_termination: attachment.delete_on_termination,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reservation<'a> {
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
    subnet_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_ip_address: Option<String>,
    network_interface_set: Items<NetworkInterface<'a>>,
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

fn reservation<'a>(vpc: &'a Vpc, view: &'a InstanceView) -> Reservation<'a> {
    let InstanceView { instance, enis } = view;
    let home = vpc.subnet(&instance.subnet);
    let code = match instance.state {
        InstanceState::Running => 16,
        InstanceState::Terminated => 48,
    };
    Reservation {
        reservation_id: instance.id.as_str().replacen("i-", "r-", 1),
        owner_id: ACCOUNT,
        instances_set: Items {
            item: vec![Instance {
                instance_id: instance.id.as_str(),
                instance_type: instance.kind.name,
                instance_state: State {
                    code,
                    name: instance.state.name(),
                },
                placement: Placement {
                    availability_zone: home.map_or("", |subnet| subnet.zone.as_str()),
                },
                vpc_id: home.map(|subnet| subnet.vpc.as_str()),
                subnet_id: instance.subnet.as_str(),
                private_ip_address: enis.first().map(|eni| eni.address.to_string()),
                network_interface_set: enis.iter().map(|eni| network_interface(vpc, eni)).collect(),
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
struct InstanceTypeInfo {
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

fn instance_type(kind: &InstanceType) -> InstanceTypeInfo {
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subnet<'a> {
    subnet_id: &'a str,
    vpc_id: &'a str,
    state: &'static str,
    cidr_block: String,
    available_ip_address_count: usize,
    availability_zone: &'a str,
    owner_id: &'static str,
}

fn subnet(SubnetView { subnet, free }: &SubnetView) -> Subnet<'_> {
    Subnet {
        subnet_id: subnet.id.as_str(),
        vpc_id: subnet.vpc.as_str(),
        state: "available",
        cidr_block: subnet.cidr.to_string(),
        available_ip_address_count: *free,
        availability_zone: &subnet.zone,
        owner_id: ACCOUNT,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecurityGroupShape<'a> {
    group_id: &'a str,
    group_name: &'a str,
    group_description: &'a str,
    vpc_id: &'a str,
    owner_id: &'static str,
    ip_permissions: Items<Permission<'a>>,
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

fn security_group(group: &SecurityGroup) -> SecurityGroupShape<'_> {
    SecurityGroupShape {
        group_id: group.id.as_str(),
        group_name: &group.name,
        group_description: &group.name,
        vpc_id: group.vpc.as_str(),
        owner_id: ACCOUNT,
        ip_permissions: group.ingress.iter().map(permission).collect(),
    }
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
