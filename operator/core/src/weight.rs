//! How much a change of a claim's status matters: what is a fact, and what is only prose.

use api::{
    ClaimStatus, Condition, ConditionStatus, Time,
    claim::{Attachment, Timeline},
    condition::kind,
};

/// How much a change of a status matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Nothing differs that anybody would read.
    Same,
    /// Sentences or times differ.
    Words,
    /// The reason, the phase or the error differs.
    Reason,
    /// Facts differ, or whether a condition holds: written before anything else happens.
    Facts,
}

/// How much the change from one status to another matters.
pub fn weight(before: &ClaimStatus, after: &ClaimStatus) -> Weight {
    if before == after {
        return Weight::Same;
    }
    if !same_facts(before, after) {
        return Weight::Facts;
    }
    let code = |s: &ClaimStatus| s.last_error.as_ref().map(|e| e.code.clone());
    if before.phase != after.phase
        || code(before) != code(after)
        || !reasons(before).eq(reasons(after))
    {
        return Weight::Reason;
    }
    if before.last_error == after.last_error && messages(before).eq(messages(after)) {
        Weight::Same
    } else {
        Weight::Words
    }
}

fn reasons(status: &ClaimStatus) -> impl Iterator<Item = &str> {
    status.conditions.iter().map(|c| c.reason.as_str())
}

fn messages(status: &ClaimStatus) -> impl Iterator<Item = &str> {
    status.conditions.iter().map(|c| c.message.as_str())
}

/// Whether they differ in prose alone: the phase, the last error, and the conditions, whether it is Ready apart.
fn same_facts(one: &ClaimStatus, other: &ClaimStatus) -> bool {
    let ClaimStatus {
        phase: _,
        node_name,
        binding,
        interface,
        creation,
        last_error: _,
        eni,
        security_groups,
        attachment,
        ipam,
        device,
        leases,
        timeline,
        conditions,
    } = other;
    one.node_name == *node_name
        && one.binding == *binding
        && one.interface == *interface
        && one.creation == *creation
        && one.eni == *eni
        && one.security_groups == *security_groups
        && one.attachment.as_ref().map(places) == attachment.as_ref().map(places)
        && one.ipam == *ipam
        && one.device == *device
        && one.leases == *leases
        && stages(&one.timeline) == stages(timeline)
        && ready_since(&one.conditions) == ready_since(conditions)
}

/// An attachment without when it was seen: that the device is on the node is worth no write of its own, since mostly it is in
/// the pod a moment later.
fn places(attachment: &Attachment) -> impl PartialEq {
    let Attachment {
        instance_id,
        slot,
        id,
        requested_at,
        attached_at: _,
        release,
    } = attachment;
    (instance_id, *slot, id, *requested_at, *release)
}

fn stages(timeline: &Timeline) -> impl PartialEq {
    let Timeline {
        requested,
        created,
        attached: _,
        seen,
        plugged,
    } = timeline;
    (*requested, *created, *seen, *plugged)
}

fn ready_since(conditions: &[Condition]) -> Option<Time> {
    let mut ready = conditions.iter().filter(|c| c.kind == kind::READY);
    ready
        .find(|c| c.status == ConditionStatus::True)
        .map(|c| c.last_transition_time)
}
