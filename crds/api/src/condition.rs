//! One statement about an object, in the shape that `kubectl wait` and every tool around it know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    Reason, Time,
    name::{AGENT, OPERATOR},
};

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

/// A type of condition, and who says what by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Kind of the objects that have it.
    pub object: &'static str,
    /// Field manager that writes it.
    pub writer: &'static str,
    /// What it says when it is True.
    pub meaning: &'static str,
    /// Its own reasons with their meaning; none: any [`crate::Reason`].
    pub reasons: Vec<(&'static str, &'static str)>,
}

/// Every type of condition.
pub fn kinds() -> Vec<Kind> {
    [of_classes(), of_claims(), of_nodes()].concat()
}

fn of_classes() -> Vec<Kind> {
    let kind = kinds_of("EniClass");
    vec![
        kind(
            kind::READY,
            OPERATOR,
            "Pods can get ENIs of the class: SubnetsReady and SecurityGroupsReady are True.",
            Vec::new(),
        ),
        kind(
            kind::SUBNETS_READY,
            OPERATOR,
            "EC2 has every subnet that the class names, in the cluster's VPC. While it is False, ENIs are made in those that it has.",
            words(&SUBNETS_REASONS, Reason::as_str, Reason::meaning),
        ),
        kind(
            kind::SECURITY_GROUPS_READY,
            OPERATOR,
            "EC2 has every security group that the class names, in the VPC of its subnets. While it is False, no ENI is made.",
            words(&SECURITY_GROUPS_REASONS, Reason::as_str, Reason::meaning),
        ),
    ]
}

fn of_claims() -> Vec<Kind> {
    let kind = kinds_of("EniClaim");
    vec![
        kind(
            kind::READY,
            OPERATOR,
            "The pod has its interface.",
            Vec::new(),
        ),
        kind(
            kind::PROVISIONED,
            OPERATOR,
            "The ENI exists in EC2.",
            Vec::new(),
        ),
        kind(
            kind::ATTACHED,
            OPERATOR,
            "The ENI is attached to the node's instance.",
            Vec::new(),
        ),
        kind(
            kind::SECURITY_GROUPS_IN_SYNC,
            OPERATOR,
            "The ENI has the security groups of its class, as EC2 last showed.",
            words(
                GroupsReason::ALL,
                GroupsReason::as_str,
                GroupsReason::meaning,
            ),
        ),
        kind(
            kind::PLUGGED,
            AGENT,
            "The device is in the pod, addressed and routed.",
            words(
                PluggedReason::ALL,
                PluggedReason::as_str,
                PluggedReason::meaning,
            ),
        ),
        kind(
            kind::METADATA_BLOCKED,
            AGENT,
            "The pod cannot reach the instance metadata service through the ENI.",
            words(
                MetadataReason::ALL,
                MetadataReason::as_str,
                MetadataReason::meaning,
            ),
        ),
    ]
}

fn of_nodes() -> Vec<Kind> {
    let kind = kinds_of("EniNode");
    vec![
        kind(
            kind::AGENT_READY,
            OPERATOR,
            "The agent's pod on the node is ready and has reported in this boot of the node.",
            words(AgentReason::ALL, AgentReason::as_str, AgentReason::meaning),
        ),
        kind(
            kind::PLUGIN_INSTALLED,
            AGENT,
            "Pods of the node pass through the CNI plugin; Unknown: the container runtime was not seen reading its configuration.",
            words(
                PluginReason::ALL,
                PluginReason::as_str,
                PluginReason::meaning,
            ),
        ),
        kind(
            kind::NODE_SUPPORTED,
            OPERATOR,
            "The node is an EC2 instance whose type EC2 knows.",
            words(
                SupportReason::ALL,
                SupportReason::as_str,
                SupportReason::meaning,
            ),
        ),
        kind(
            kind::CAPACITY_FENCED,
            OPERATOR,
            "The slots that the node offers to pods are left free by the AWS VPC CNI.",
            words(
                CapacityReason::ALL,
                CapacityReason::as_str,
                CapacityReason::meaning,
            ),
        ),
    ]
}

type Words = Vec<(&'static str, &'static str)>;

/// Makes types of condition that objects of this kind have: of name, writer, meaning and reasons.
fn kinds_of(
    object: &'static str,
) -> impl Fn(&'static str, &'static str, &'static str, Words) -> Kind {
    move |name, writer, meaning, reasons| Kind {
        name,
        object,
        writer,
        meaning,
        reasons,
    }
}

/// Reasons with their meaning.
fn words<T: Copy>(
    all: &[T],
    as_str: fn(T) -> &'static str,
    meaning: fn(T) -> &'static str,
) -> Words {
    all.iter()
        .map(|one| (as_str(*one), meaning(*one)))
        .collect()
}

/// Reasons of the condition SubnetsReady.
pub const SUBNETS_REASONS: [Reason; 10] = [
    Reason::Resolved,
    Reason::SubnetNotFound,
    Reason::SubnetInOtherVpc,
    Reason::NoSubnetSelected,
    Reason::VpcUnknown,
    Reason::Denied,
    Reason::NoCredentials,
    Reason::Throttled,
    Reason::AwsUnavailable,
    Reason::Refused,
];

/// Reasons of the condition SecurityGroupsReady.
pub const SECURITY_GROUPS_REASONS: [Reason; 11] = [
    Reason::Resolved,
    Reason::SecurityGroupNotFound,
    Reason::SecurityGroupInOtherVpc,
    Reason::NoSecurityGroupSelected,
    Reason::TooManySecurityGroups,
    Reason::VpcUnknown,
    Reason::Denied,
    Reason::NoCredentials,
    Reason::Throttled,
    Reason::AwsUnavailable,
    Reason::Refused,
];

/// The conditions that the operator writes of claims and nodes; all others of theirs are the agent's.
pub const OPERATORS: [&str; 7] = [
    kind::PROVISIONED,
    kind::ATTACHED,
    kind::READY,
    kind::SECURITY_GROUPS_IN_SYNC,
    kind::AGENT_READY,
    kind::NODE_SUPPORTED,
    kind::CAPACITY_FENCED,
];

crate::words! {
    /// Reasons of the condition Plugged.
    pub enum PluggedReason {
        /// The device is on the node and waits for its pod.
        Seen,
        /// The device is in the pod, addressed and routed.
        Plugged,
        /// The device is in the pod without its IPv6 addresses, since the pod or the node's kernel has no IPv6.
        WithoutIpv6,
        /// The device is in no network namespace that the agent can enter, and not known to be gone.
        Hidden,
        /// The device is back on the node.
        Home,
        /// The device is given back and may be detached.
        Released,
    }
}

crate::words! {
    /// Reasons of the condition SecurityGroupsInSync.
    pub enum GroupsReason {
        /// The ENI has the groups of its class.
        InSync,
        /// The groups of the class are being set.
        Setting,
        /// Other ENIs of the class get the groups first.
        Waiting,
        /// The class's rollout is halted: EC2 refuses the groups, or a claim whose ENI got them is not Ready any more.
        Halted,
        /// EC2 refuses to set the groups on this ENI.
        Refused,
        /// Somebody else changed the groups in EC2.
        Drifted,
        /// The ENI carries the tag eniclaim.io/hold, so its groups are left as they are.
        Held,
    }
}

crate::words! {
    /// Reasons of the condition MetadataBlocked.
    pub enum MetadataReason {
        /// Routing rules and a packet filter on the device refuse it.
        Blocked,
        /// Routing rules alone refuse it: raw sockets pass them, and a packet filter needs Linux 5.16 or later.
        NoEgressHook,
        /// A container of the pod is privileged or has NET_ADMIN or SYS_ADMIN and can undo the block.
        NetAdmin,
        /// The class allows the instance metadata service.
        Allowed,
    }
}

crate::words! {
    /// Reasons of the condition AgentReady.
    pub enum AgentReason {
        /// The agent is ready and has reported in this boot of the node.
        Reported,
        /// No pod of the agent runs on the node.
        NoAgent,
        /// The agent's pod on the node is not ready.
        AgentNotReady,
        /// The agent's pod on the node has not reported in this boot of the node.
        NotReported,
    }
}

crate::words! {
    /// Reasons of the condition NodeSupported.
    pub enum SupportReason {
        /// It is.
        Supported,
        /// The node has no EC2 instance that can hold an ENI.
        NodeUnsupported,
    }
}

crate::words! {
    /// Reasons of the condition CapacityFenced.
    pub enum CapacityReason {
        /// The VPC CNI is set to take no more than is left to it.
        Fenced,
        /// The VPC CNI does not run.
        NoVpcCni,
        /// The VPC CNI may take every free slot: its MAX_ENI is not set, or is no less than what the instance can hold.
        Unlimited,
        /// The VPC CNI may take more than is left to it.
        ReserveTooSmall,
    }
}

crate::words! {
    /// Reasons of the condition PluginInstalled.
    pub enum PluginReason {
        /// It is.
        Installed,
        /// It is by all that the agent can do, but the container runtime was not seen reading it.
        Unverified,
        /// The node has no network: no CNI configuration.
        NoNetwork,
        /// The node's network takes no further plugin.
        UnsuitableNetwork,
        /// The container runtime does not read drop-ins, and only a drop-in is allowed.
        DropInIgnored,
        /// Cilium renames the agent's list.
        RenamedByCilium,
        /// Somebody on the node keeps removing or changing the agent's files.
        Contested,
        /// A file cannot be read or written; it is tried again.
        Failed,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_conditions_are_those_that_it_writes() {
        let writes = |kind: &Kind| kind.writer == OPERATOR && kind.object != "EniClass";
        let all = kinds();
        let names: Vec<_> = all.iter().filter(|k| writes(k)).map(|k| k.name).collect();
        assert_eq!(names.len(), OPERATORS.len());
        assert!(OPERATORS.iter().all(|name| names.contains(name)));
    }
}
