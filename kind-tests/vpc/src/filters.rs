//! The resources that Describe calls list, and what their filters compare.

use crate::{
    Attachment, Ec2Error, Eni, GroupId, InstanceId, InstanceView, SecurityGroup, SubnetId,
    SubnetView, Vpc, world::ACCOUNT,
};

/// Reads a resource's values for the filter of this name.
pub(crate) type Values<T> = fn(&T, &str) -> Vec<String>;

/// A resource as the Describe calls see it.
pub(crate) trait Described: Sized {
    /// The parameter that lists ids, by the name EC2 uses when it complains.
    const IDS: &'static str;
    /// The smallest `MaxResults`.
    const MIN_RESULTS: usize = 5;

    fn id(&self) -> &str;
    fn missing(id: &str) -> Ec2Error;
    /// How to read the values that a filter compares; `None` if there is no such filter.
    fn filter(name: &str) -> Option<Values<Self>>;
}

impl Described for Eni {
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
            "private-ip-address" | "addresses.private-ip-address" => {
                |eni, _| vec![eni.address.to_string()]
            }
            "group-id" => |eni, _| eni.groups.iter().map(ToString::to_string).collect(),
            "status" => |eni, _| vec![eni.status().to_owned()],
            "description" => |eni, _| vec![eni.description.clone()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            "interface-type" => |_, _| vec!["interface".to_owned()],
            "requester-managed" | "operator.managed" => |_, _| vec!["false".to_owned()],
            "requester-id" | "operator.principal" => |_, _| vec![],
            "source-dest-check" => |eni, _| vec![eni.source_dest_check.to_string()],
            "attachment.attachment-id" => |eni, _| attached(eni, |a| a.id.to_string()),
            "attachment.instance-id" => |eni, _| attached(eni, |a| a.instance.to_string()),
            "attachment.status" => |eni, _| attached(eni, |a| a.state.status().to_owned()),
            "attachment.device-index" => |eni, _| attached(eni, |a| a.device.to_string()),
            "attachment.delete-on-termination" => {
                |eni, _| attached(eni, |a| a.delete_on_termination.to_string())
            }
            "tag-key" => |eni, _| eni.tags.keys().cloned().collect(),
            _ if name.starts_with("tag:") => |eni, name| {
                let value = eni.tags.get(name.trim_start_matches("tag:"));
                value.cloned().into_iter().collect()
            },
            _ => return None,
        })
    }
}

fn attached(eni: &Eni, read: fn(&Attachment) -> String) -> Vec<String> {
    eni.attachment().map(read).into_iter().collect()
}

impl Described for InstanceView {
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
            "subnet-id" => |view, _| vec![view.instance.subnet.to_string()],
            "private-ip-address" => |view, _| {
                let primary = view.enis.first().map(|eni| eni.address.to_string());
                primary.into_iter().collect()
            },
            "tag-key" => |_, _| vec!["Name".to_owned()],
            "tag:Name" => |view, _| vec![view.instance.name.clone()],
            _ if name.starts_with("tag:") => |_, _| vec![],
            _ => return None,
        })
    }
}

impl Described for SubnetView {
    const IDS: &'static str = "subnetSet";

    fn id(&self) -> &str {
        self.subnet.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::SubnetNotFound(SubnetId::from(id))
    }

    fn filter(name: &str) -> Option<Values<Self>> {
        Some(match name {
            "subnet-id" => |view, _| vec![view.subnet.id.to_string()],
            "vpc-id" => |view, _| vec![view.subnet.vpc.to_string()],
            "availability-zone" => |view, _| vec![view.subnet.zone.clone()],
            "cidr-block" => |view, _| vec![view.subnet.cidr.to_string()],
            "available-ip-address-count" => |view, _| vec![view.free.to_string()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            "state" => |_, _| vec!["available".to_owned()],
            // Nothing of this kind has tags here.
            _ if name == "tag-key" || name.starts_with("tag:") => |_, _| vec![],
            _ => return None,
        })
    }
}

impl Described for SecurityGroup {
    const IDS: &'static str = "groupIdSet";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::GroupNotFound(GroupId::from(id))
    }

    fn filter(name: &str) -> Option<Values<Self>> {
        Some(match name {
            "group-id" => |group, _| vec![group.id.to_string()],
            "group-name" => |group, _| vec![group.name.clone()],
            "vpc-id" => |group, _| vec![group.vpc.to_string()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            // Nothing of this kind has tags here.
            _ if name == "tag-key" || name.starts_with("tag:") => |_, _| vec![],
            _ => return None,
        })
    }
}

impl Vpc {
    pub(crate) fn subnet_views(&self) -> impl Iterator<Item = SubnetView> {
        self.subnets.values().map(|subnet| SubnetView {
            free: self.free(subnet).count(),
            subnet: subnet.clone(),
        })
    }
}
