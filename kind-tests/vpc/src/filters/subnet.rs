//! Filters of subnets.

use super::{Described, Values, tag, texts};
use crate::{Action, Ec2Error, SubnetId, SubnetView, Vpc, world::ACCOUNT};

impl Described for SubnetView {
    const ACTION: Action = Action::DescribeSubnets;
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
            "availability-zone" | "availabilityZone" => |view, _| vec![view.subnet.zone.clone()],
            "cidr-block" | "cidr" | "cidrBlock" => |view, _| texts(view.subnet.cidr),
            "available-ip-address-count" => |view, _| vec![view.free.to_string()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            "state" => |_, _| vec!["available".to_owned()],
            "default-for-az" | "defaultForAz" | "map-public-ip-on-launch" => {
                |_, _| vec!["false".to_owned()]
            }
            "ipv6-native" => |view, _| vec![view.subnet.cidr.is_none().to_string()],
            "ipv6-cidr-block-association.ipv6-cidr-block" => |view, _| texts(view.subnet.ipv6),
            "ipv6-cidr-block-association.association-id" => {
                |view, _| texts(view.subnet.ipv6_association())
            }
            "ipv6-cidr-block-association.state" => {
                |view, _| texts(view.subnet.ipv6.map(|_| "associated"))
            }
            "tag-key" => |view, _| view.subnet.tags.keys().cloned().collect(),
            _ if name.starts_with("tag:") => |view, name| tag(&view.subnet.tags, name),
            // Nothing of this kind has an Outpost here.
            "outpost-arn" => |_, _| vec![],
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
