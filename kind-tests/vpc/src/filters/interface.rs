//! Filters of interfaces.

use super::{Described, Values, tag, texts};
use crate::{Action, Attachment, Ec2Error, Eni, world::ACCOUNT};

impl Described for Eni {
    const ACTION: Action = Action::DescribeNetworkInterfaces;
    const IDS: &'static str = "interfaceSet";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::EniNotFound(id.into())
    }

    fn filter(name: &str) -> Option<Values<Self>> {
        Some(match name {
            "network-interface-id" => |eni, _| vec![eni.id.to_string()],
            "vpc-id" => |eni, _| vec![eni.vpc.to_string()],
            "subnet-id" => |eni, _| vec![eni.subnet.to_string()],
            "availability-zone" => |eni, _| vec![eni.zone.clone()],
            "mac-address" => |eni, _| vec![eni.mac.to_string()],
            "private-ip-address" => |eni, _| texts(eni.address),
            "addresses.private-ip-address" => |eni, _| texts(eni.ipv4()),
            "addresses.primary" => |eni, _| texts(eni.ipv4().map(|a| Some(a) == eni.address)),
            "ipv6-addresses.ipv6-address" => |eni, _| texts(eni.others.ipv6.clone()),
            "group-id" => |eni, _| eni.groups.iter().map(ToString::to_string).collect(),
            "status" => |eni, _| vec![eni.status().to_owned()],
            "description" => |eni, _| vec![eni.description.clone()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            "interface-type" => |_, _| vec!["interface".to_owned()],
            "requester-managed" | "operator.managed" => |_, _| vec!["false".to_owned()],
            "source-dest-check" => |eni, _| vec![eni.source_dest_check.to_string()],
            "tag-key" => |eni, _| eni.tags.keys().cloned().collect(),
            _ if name.starts_with("tag:") => |eni, name| tag(&eni.tags, name),
            _ if has_none(name) => |_, _| vec![],
            _ => return of_attachment(name),
        })
    }
}

/// What no interface of this world has: an operator, a requester, a public or a primary IPv6 address.
fn has_none(name: &str) -> bool {
    let has = [
        "association.",
        "addresses.association.",
        "ipv6-addresses.is-primary",
    ];
    matches!(name, "requester-id" | "operator.principal")
        || has.iter().any(|prefix| name.starts_with(prefix))
}

fn of_attachment(name: &str) -> Option<Values<Eni>> {
    Some(match name {
        "attachment.attachment-id" => |eni, _| attached(eni, |a| a.id.to_string()),
        "attachment.instance-id" => |eni, _| attached(eni, |a| a.instance.to_string()),
        "attachment.instance-owner-id" => |eni, _| attached(eni, |_| ACCOUNT.to_owned()),
        "attachment.status" => |eni, _| attached(eni, |a| a.state.status().to_owned()),
        "attachment.device-index" => |eni, _| attached(eni, |a| a.device.to_string()),
        "attachment.network-card-index" => |eni, _| attached(eni, |a| a.card.to_string()),
        "attachment.delete-on-termination" => {
            |eni, _| attached(eni, |a| a.delete_on_termination.to_string())
        }
        _ => return None,
    })
}

fn attached(eni: &Eni, read: fn(&Attachment) -> String) -> Vec<String> {
    eni.attachment().map(read).into_iter().collect()
}
