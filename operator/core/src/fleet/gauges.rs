//! What is measured of the fleet as it is now: room on nodes, free addresses, how long pods wait.

use api::{
    ConditionStatus, Time,
    claim::Phase,
    condition::kind,
    id::{NodeName, SubnetId, Zone},
};

use super::Fleet;
use crate::claim::Claim;

/// How many ENIs a node can hold, and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRoom {
    /// The node.
    pub node: NodeName,
    /// How many it can hold.
    pub capacity: u32,
    /// How many of them claims have.
    pub used: u32,
}

/// Addresses that are left in a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetRoom {
    /// The subnet.
    pub subnet: SubnetId,
    /// Its zone.
    pub zone: Zone,
    /// How many addresses are free, and promised to no request.
    pub free: u32,
}

impl Fleet {
    /// Room on each node that can hold ENIs, as its `EniNode` says.
    pub fn node_rooms(&self) -> impl Iterator<Item = NodeRoom> {
        self.watched.reports.values().filter_map(|report| {
            Some(NodeRoom {
                node: report.name.clone(),
                capacity: report.status.capacity?,
                used: report.status.used?,
            })
        })
    }

    /// Room in each subnet that a class names or an ENI of ours lies in, as of the last read.
    pub fn subnet_rooms(&self) -> impl Iterator<Item = SubnetRoom> {
        self.cloud.subnets.values().filter_map(|record| {
            let subnet = record.subnet.as_ref()?;
            Some(SubnetRoom {
                subnet: subnet.id.clone(),
                zone: subnet.zone.clone(),
                free: subnet.free.saturating_sub(record.promised),
            })
        })
    }

    /// Milliseconds that the pod has waited which has waited longest: it is on a node, and has no interface yet.
    pub fn longest_wait(&self, now: Time) -> Option<i64> {
        let claims = self.watched.claims.values();
        let since = claims.filter_map(|held| waits_since(&held.claim)).min()?;
        Some(now.since(since).max(0))
    }
}

fn waits_since(claim: &Claim) -> Option<Time> {
    let status = &claim.status;
    match status.phase? {
        Phase::Pending | Phase::Creating | Phase::Attaching | Phase::Attached => {}
        Phase::Ready | Phase::Releasing | Phase::Detaching | Phase::Deleting => return None,
    }
    status.binding.as_ref()?;
    // An ENI that was lost begins a second wait.
    let unready = status
        .condition(kind::READY)
        .filter(|ready| ready.status != ConditionStatus::True)
        .map(|ready| ready.last_transition_time);
    status.timeline.requested.max(unready)
}
