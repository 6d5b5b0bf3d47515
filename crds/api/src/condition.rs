//! One statement about an object, in the shape that `kubectl wait` and every tool around it know.

mod kinds;
mod reasons;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::{
    kinds::{Kind, OPERATORS, SECURITY_GROUPS_REASONS, SUBNETS_REASONS, kinds},
    reasons::{
        AgentReason, CapacityReason, GroupsReason, LeasedReason, MetadataReason, PluggedReason,
        PluginReason, SupportReason,
    },
};
use crate::Time;

/// A condition as in the Kubernetes API conventions, with a maximum on every string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition, for example Ready.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub kind: SmolStr,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// One word in CamelCase, for programs.
    #[schemars(length(max = 64))]
    pub reason: SmolStr,
    /// One sentence for people: the state, its cause and the remedy.
    #[schemars(length(max = 2048))]
    pub message: SmolStr,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// The object's metadata.generation that this was observed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int64"))]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// The condition as it stands after `now`: the transition time is kept from `before` when the status is the same.
    #[must_use]
    pub fn since(mut self, before: &[Self], now: Time) -> Self {
        self.last_transition_time = before
            .iter()
            .find(|b| b.kind == self.kind && b.status == self.status)
            .map_or(now.whole_second(), |b| b.last_transition_time);
        self
    }
}

/// Whether the statement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can say.
    Unknown,
}

impl ConditionStatus {
    /// True or False.
    pub fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Names of the conditions of classes, claims and nodes.
pub mod kind {
    /// The ENI exists in EC2.
    pub const PROVISIONED: &str = "Provisioned";
    /// The ENI is attached to the node's instance.
    pub const ATTACHED: &str = "Attached";
    /// The ENI has the security groups of its class.
    pub const SECURITY_GROUPS_IN_SYNC: &str = "SecurityGroupsInSync";
    /// The device is in the pod, addressed and routed.
    pub const PLUGGED: &str = "Plugged";
    /// The pod cannot reach the instance metadata service.
    pub const METADATA_BLOCKED: &str = "MetadataBlocked";
    /// DHCP servers lease to the interface what the claim has.
    pub const LEASED: &str = "Leased";
    /// All of it is there.
    pub const READY: &str = "Ready";
    /// The agent's pod on the node is ready and has reported in this boot.
    pub const AGENT_READY: &str = "AgentReady";
    /// Pods of the node pass through the CNI plugin.
    pub const PLUGIN_INSTALLED: &str = "PluginInstalled";
    /// The node is an EC2 instance whose type EC2 knows.
    pub const NODE_SUPPORTED: &str = "NodeSupported";
    /// EC2 has every subnet that the class names.
    pub const SUBNETS_READY: &str = "SubnetsReady";
    /// EC2 has every security group that the class names.
    pub const SECURITY_GROUPS_READY: &str = "SecurityGroupsReady";
    /// The slots that the node offers to pods are taken by nobody else.
    pub const CAPACITY_FENCED: &str = "CapacityFenced";
}
