//! Every type of condition: who writes it of which objects, what it says, and by which reasons.

use super::{
    AgentReason, CapacityReason, GroupsReason, LeasedReason, MetadataReason, PluggedReason,
    PluginReason, SupportReason, kind,
};
use crate::{
    Reason,
    name::{AGENT, OPERATOR},
};

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
    /// Its own reasons with their meaning; none: any [`Reason`].
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
        kind(
            kind::LEASED,
            AGENT,
            "DHCP servers lease to the interface what the claim has. While it is False, the pod has its addresses all the same.",
            words(
                LeasedReason::ALL,
                LeasedReason::as_str,
                LeasedReason::meaning,
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
