//! Filters of instances.

use super::{Described, Values, texts};
use crate::{Action, Ec2Error, Eni, InstanceId, InstanceView, world::ACCOUNT};

const OF_INTERFACES: &str = "network-interface.";

impl Described for InstanceView {
    const ACTION: Action = Action::DescribeInstances;
    const IDS: &'static str = "instancesSet";

    fn id(&self) -> &str {
        self.instance.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::InstanceNotFound(InstanceId::from(id))
    }

    fn filter(name: &str) -> Option<Values<Self>> {
        Some(match name {
            "instance-id" => |view, _| vec![view.instance.id.to_string()],
            "instance-type" => |view, _| vec![view.instance.kind.name.to_owned()],
            "instance-state-name" => |view, _| vec![view.instance.state.name().to_owned()],
            "instance-state-code" => |view, _| vec![view.instance.state.code().to_string()],
            "availability-zone" => |view, _| vec![view.home.zone.clone()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            // A terminated instance has no interface and lies in no subnet.
            "subnet-id" => |view, _| primary(view, |eni| vec![eni.subnet.to_string()]),
            "vpc-id" => |view, _| primary(view, |eni| vec![eni.vpc.to_string()]),
            "private-ip-address" => |view, _| primary(view, |eni| texts(eni.address)),
            "source-dest-check" => {
                |view, _| primary(view, |eni| vec![eni.source_dest_check.to_string()])
            }
            "instance.group-id" => |view, _| {
                primary(view, |eni| {
                    eni.groups.iter().map(ToString::to_string).collect()
                })
            },
            "operator.managed" => |_, _| vec!["false".to_owned()],
            "ipv6-address" => |view, _| primary(view, |eni| texts(eni.others.ipv6.clone())),
            "ip-address" | "operator.principal" => |_, _| vec![],
            "tag-key" => |_, _| vec!["Name".to_owned()],
            "tag:Name" => |view, _| vec![view.instance.name.clone()],
            _ if name.starts_with("tag:") => |_, _| vec![],
            _ => return of_interfaces(name),
        })
    }
}

fn primary(view: &InstanceView, read: fn(&Eni) -> Vec<String>) -> Vec<String> {
    view.enis.first().map(read).unwrap_or_default()
}

/// The filters of interfaces, by another name.
fn of_interfaces(name: &str) -> Option<Values<InstanceView>> {
    Eni::filter(name.strip_prefix(OF_INTERFACES)?)?;
    Some(|view, name| {
        let name = name.trim_start_matches(OF_INTERFACES);
        let read = Eni::filter(name);
        let values = read.map(|read| view.enis.iter().flat_map(move |eni| read(eni, name)));
        values.into_iter().flatten().collect()
    })
}
