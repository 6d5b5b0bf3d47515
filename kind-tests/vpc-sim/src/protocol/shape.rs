//! The shapes of EC2's answers; element names are those of the API reference.

use quick_xml::se::to_string_with_root;
use serde::Serialize;
use vpc::{Response, Vpc};

use super::Form;
use instance::{InstanceTypeInfo, Reservation, instance_type, reservation};
use interface::{NetworkInterface, network_interface};
use network::{SecurityGroupShape, Subnet, security_group, subnet};

mod instance;
mod interface;
mod network;

const XMLNS: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
/// What is left when a value cannot be written as XML, which no value of ours does.
const UNWRITABLE: &str = "<Response/>";

/// The answer to a call that was granted.
pub(super) fn success(vpc: &Vpc, form: &Form, response: &Response, request_id: &str) -> String {
    let mut fields = vec![Field::RequestId(request_id)];
    fields.extend(content(vpc, form, response));
    let root = format!("{}Response", form.get("Action").unwrap_or_default());
    let reply = Reply {
        xmlns: XMLNS,
        fields,
    };
    to_string_with_root(&root, &reply).unwrap_or_else(|_| UNWRITABLE.to_owned())
}

fn content<'a>(vpc: &'a Vpc, form: &'a Form, response: &'a Response) -> Vec<Field<'a>> {
    let interface = |eni| network_interface(vpc, eni);
    let more = |next: &'a Option<String>| next.as_deref().map(Field::NextToken);
    let (first, second) = match response {
        Response::Done => (Field::Return(true), None),
        Response::Created(eni) => {
            let token = form.get("ClientToken").map(Field::ClientToken);
            (Field::NetworkInterface(Box::new(interface(eni))), token)
        }
        Response::Attached { attachment, card } => (
            Field::AttachmentId(attachment.as_str()),
            Some(Field::NetworkCardIndex(*card)),
        ),
        Response::Enis(all, next) => (
            Field::NetworkInterfaceSet(all.iter().map(interface).collect()),
            more(next),
        ),
        Response::Instances(all, next) => {
            let all = all.iter().map(|view| reservation(vpc, view));
            (Field::ReservationSet(all.collect()), more(next))
        }
        Response::InstanceTypes(all, next) => (
            Field::InstanceTypeSet(all.iter().map(|kind| instance_type(kind)).collect()),
            more(next),
        ),
        Response::Subnets(all, next) => (
            Field::SubnetSet(all.iter().map(subnet).collect()),
            more(next),
        ),
        Response::Groups(all, next) => (
            Field::SecurityGroupInfo(all.iter().map(security_group).collect()),
            more(next),
        ),
    };
    [first].into_iter().chain(second).collect()
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
