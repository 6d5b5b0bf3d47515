//! Filters of security groups.

use super::{Described, Values, tag};
use crate::{Action, Ec2Error, GroupId, Ingress, Protocol, SecurityGroup, Source, world::ACCOUNT};

impl Described for SecurityGroup {
    const ACTION: Action = Action::DescribeSecurityGroups;
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
            // The simulator describes a group by its name.
            "group-name" | "description" => |group, _| vec![group.name.clone()],
            "vpc-id" => |group, _| vec![group.vpc.to_string()],
            "owner-id" => |_, _| vec![ACCOUNT.to_owned()],
            "ip-permission.protocol" => |group, _| each(group, |rule| Some(rule.protocol.name())),
            "ip-permission.from-port" | "ip-permission.to-port" => {
                |group, _| each(group, |rule| rule.protocol.port())
            }
            "ip-permission.cidr" => |group, _| {
                each(group, |rule| match &rule.source {
                    Source::Range(range) => Some(range.to_string()),
                    Source::Group(_) | Source::Range6(_) => None,
                })
            },
            "ip-permission.ipv6-cidr" => |group, _| {
                each(group, |rule| match &rule.source {
                    Source::Range6(range) => Some(range.to_string()),
                    Source::Group(_) | Source::Range(_) => None,
                })
            },
            "ip-permission.group-id" => |group, _| {
                each(group, |rule| match &rule.source {
                    Source::Group(id) => Some(id.to_string()),
                    Source::Range(_) | Source::Range6(_) => None,
                })
            },
            "tag-key" => |group, _| group.tags.keys().cloned().collect(),
            _ if name.starts_with("tag:") => |group, name| tag(&group.tags, name),
            _ => return None,
        })
    }
}

fn each(group: &SecurityGroup, read: fn(&Ingress) -> Option<String>) -> Vec<String> {
    group.ingress.iter().filter_map(read).collect()
}

impl Protocol {
    fn name(self) -> String {
        match self {
            Self::All => "-1".to_owned(),
            Self::Icmp => "icmp".to_owned(),
            Self::Icmpv6 => "icmpv6".to_owned(),
            Self::Tcp(_) => "tcp".to_owned(),
        }
    }

    /// The first and last port; -1 is every type of ICMP.
    fn port(self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Icmp | Self::Icmpv6 => Some("-1".to_owned()),
            Self::Tcp(port) => Some(port.to_string()),
        }
    }
}
