//! Filters of instance types.

use super::{Described, Values};
use crate::{Action, Ec2Error, InstanceType};

impl Described for &'static InstanceType {
    const ACTION: Action = Action::DescribeInstanceTypes;
    const IDS: &'static str = "instanceTypeSet";
    const MAX_RESULTS: usize = 100;
    const TAGGED: bool = false;

    fn id(&self) -> &str {
        self.name
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::InstanceTypeNotFound(id.to_owned())
    }

    fn filter(name: &str) -> Option<Values<Self>> {
        Some(match name {
            "instance-type" => |kind, _| vec![kind.name.to_owned()],
            "network-info.maximum-network-interfaces" => {
                |kind, _| vec![kind.cards.iter().sum::<u32>().to_string()]
            }
            "network-info.maximum-network-cards" => |kind, _| vec![kind.cards.len().to_string()],
            "network-info.ipv4-addresses-per-interface"
            | "network-info.ipv6-addresses-per-interface" => {
                |kind, _| vec![kind.addresses.to_string()]
            }
            "network-info.ipv6-supported" => |_, _| vec!["true".to_owned()],
            _ => return None,
        })
    }
}
