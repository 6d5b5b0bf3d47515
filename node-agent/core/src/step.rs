//! Steps: what turns one picture of a pod's namespace into another, one request to the kernel each.

use std::fmt;

use ipnet::IpNet;

use crate::picture::{Route, Rule, Sysctl};

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// From the host into the pod, under this name, in one request; reset before, so that nothing of its past comes along.
    MoveIn {
        /// Its name in the pod.
        name: String,
        /// Its MTU in bytes.
        mtu: u32,
    },
    /// Set the link administratively down.
    Down,
    /// Rename the link.
    Rename {
        /// Its new name.
        name: String,
    },
    /// Set the MTU.
    Mtu(u32),
    /// Set the link administratively up.
    Up,
    /// Add a rule.
    AddRule(Rule),
    /// Delete a rule.
    DelRule(Rule),
    /// Add a route.
    AddRoute(Route),
    /// Delete a route.
    DelRoute(Route),
    /// Add an address.
    AddAddress(IpNet),
    /// Delete an address.
    DelAddress(IpNet),
    /// Write a setting of the link.
    Set(Sysctl, String),
    /// Drop what goes out to the instance metadata service.
    DropEgress,
    /// Remove our packet filter.
    AllowEgress,
}

impl fmt::Display for Step {
    /// What is done: "add ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoveIn { name, mtu: _ } => write!(f, "move the device into the pod as {name}"),
            Self::Down => f.write_str("set the interface down"),
            Self::Rename { name } => write!(f, "rename the interface to {name}"),
            Self::Mtu(mtu) => write!(f, "set the MTU to {mtu}"),
            Self::Up => f.write_str("set the interface up"),
            Self::AddRule(rule) => write!(f, "add {rule}"),
            Self::DelRule(rule) => write!(f, "delete {rule}"),
            Self::AddRoute(route) => write!(f, "add {route}"),
            Self::DelRoute(route) => write!(f, "delete {route}"),
            Self::AddAddress(address) => write!(f, "add address {address}"),
            Self::DelAddress(address) => write!(f, "delete address {address}"),
            Self::Set(sysctl, value) => {
                write!(f, "set {} of the interface to {value}", sysctl.name)
            }
            Self::DropEgress => f.write_str("block the instance metadata service in nftables"),
            Self::AllowEgress => {
                f.write_str("remove the block of the instance metadata service from nftables")
            }
        }
    }
}
