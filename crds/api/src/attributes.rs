//! Attributes of an ENI in EC2 that a class sets, besides its place and its groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether EC2 drops what is neither from nor to an address of the ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum SourceDestCheck {
    /// It does: the pod sends and receives traffic of its own only.
    #[default]
    Enabled,
    /// It does not: the pod may forward traffic of others, as NAT gateways, VPNs and firewalls do.
    Disabled,
}

impl SourceDestCheck {
    /// The check as EC2 shows it.
    pub fn of(is_on: bool) -> Self {
        if is_on { Self::Enabled } else { Self::Disabled }
    }

    /// Whether EC2 checks.
    pub fn is_enabled(&self) -> bool {
        *self == Self::Enabled
    }
}

/// How long connections that the security groups track may be idle, in seconds, within what EC2 takes. What is absent is EC2's
/// own, which depends on the instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ConnectionTracking {
    /// Established TCP connections. EC2's own is 432000, five days, and 350 on Nitro v6 instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 60, max = 432_000), extend("format" = "int32"))]
    pub tcp_established: Option<u32>,
    /// UDP flows with more than one request and response. EC2's own is 180.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 60, max = 180), extend("format" = "int32"))]
    pub udp_stream: Option<u32>,
    /// UDP flows in one direction, or with a single request and response. EC2's own is 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 30, max = 60), extend("format" = "int32"))]
    pub udp: Option<u32>,
}

impl ConnectionTracking {
    /// Whether EC2's own time-outs are left as they are.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
