//! What is measured of the fleet as it is now: room on nodes, free addresses, how long pods wait.

use api::{
    ConditionStatus, Time,
    condition::kind,
    id::{NodeName, SubnetId, Zone},
};

use super::Fleet;
use crate::cluster::{Ask, Pod};

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
            // One of IPv6 alone does not run out.
            let subnet = record.subnet.as_ref().filter(|s| s.ipv4.is_some())?;
            Some(SubnetRoom {
                subnet: subnet.id.clone(),
                zone: subnet.zone.clone(),
                free: subnet.free.saturating_sub(record.promised),
            })
        })
    }

    /// Milliseconds that the pod has waited which has waited longest: it asks for an ENI, and has no interface yet.
    pub fn longest_wait(&self, now: Time) -> Option<i64> {
        let pods = self.watched.pods.values();
        let since = pods.filter_map(|pod| self.waits_since(pod)).min()?;
        Some(now.since(since).max(0))
    }

    fn waits_since(&self, pod: &Pod) -> Option<Time> {
        if !pod.needs_eni() || pod.deleting || pod.terminal {
            return None;
        }
        let waits = pod.asks.iter().filter_map(|ask| self.waits_for(pod, ask));
        waits.min()
    }

    /// Since when a pod has waited for one of its interfaces.
    fn waits_for(&self, pod: &Pod, ask: &Ask) -> Option<Time> {
        let claim = self.claim_of(pod, ask);
        match claim.and_then(|claim| claim.status.condition(kind::READY)) {
            None => Some(pod.created),
            Some(ready) if ready.status == ConditionStatus::True => None,
            // An ENI that was lost begins a second wait.
            Some(ready) => Some(pod.created.max(ready.last_transition_time)),
        }
    }
}
