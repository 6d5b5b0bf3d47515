//! The security groups of an ENI that is in use: what was set on it last, and what happens when others change them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Time, id::SecurityGroupId};

/// What happens when somebody else changes the security groups of an ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// It is reported, and the ENI is left as it is, whatever the class says later: it may be an incident's quarantine.
    #[default]
    Report,
    /// It is reported, and the groups of the class are set again.
    Correct,
}

/// Security groups that the operator has set on an ENI, or is about to set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupsSet {
    /// The groups.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub ids: Vec<SecurityGroupId>,
    /// Requested: stored before EC2 is called. Set: the ENI has them, or had them until somebody else changed them.
    pub state: GroupsState,
    /// When they were requested.
    pub requested_at: Time,
}

/// How far the setting of security groups is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GroupsState {
    /// It was decided; EC2 may have done it.
    Requested,
    /// EC2 has done it.
    Set,
}

/// Whether two lists name the same groups: EC2 keeps no order.
pub fn same_groups(one: &[SecurityGroupId], other: &[SecurityGroupId]) -> bool {
    one == other
        || one.len() == other.len()
            && one.iter().all(|id| other.contains(id))
            && other.iter().all(|id| one.contains(id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_compared_without_their_order() {
        let ids = |ids: &[&str]| -> Vec<SecurityGroupId> {
            ids.iter().map(|id| id.parse().unwrap()).collect()
        };
        let (a, b) = ("sg-0000000a", "sg-0000000b");
        assert!(same_groups(&ids(&[a, b]), &ids(&[b, a])));
        assert!(!same_groups(&ids(&[a, b]), &ids(&[a])));
        assert!(!same_groups(&ids(&[a, b]), &ids(&[a, a])));
    }
}
