//! Whether every node that is to have an agent has a ready one, and every class what it names: what `helm test` waits for.

use api::{Condition, ConditionStatus, condition::kind};

use crate::{
    cluster::{AgentPod, Class, NodeReport},
    drain::{Verdict, list},
};

/// What the `DaemonSet` of the agents says of its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// Whether Kubernetes has acted on its present spec.
    pub observed: bool,
    /// How many nodes are to have a pod.
    pub desired: i32,
    /// How many of them have one.
    pub scheduled: i32,
    /// How many have one of the present spec.
    pub updated: i32,
    /// How many have a ready one.
    pub ready: i32,
}

/// Judges whether each has one, and the operator says that it is ready, and so is every class; `late` when it has been waited long enough. No
/// rollout: there is no such `DaemonSet`.
pub fn check(
    rollout: Option<Rollout>,
    agents: &[AgentPod],
    reports: &[NodeReport],
    classes: &[Class],
    late: bool,
) -> Verdict {
    let missing = match rollout {
        None => Some("there is no DaemonSet eniclaim-agent".to_owned()),
        Some(rollout) => rollout
            .begins()
            .or_else(|| list("nodes are not ready for ENIs", unready(agents, reports)))
            .or_else(|| rollout.lacks())
            .or_else(|| list("classes are not Ready", not_ready(classes))),
    };
    match missing {
        None => Verdict::Go(None),
        Some(what) if late => Verdict::Refuse(what),
        Some(what) => Verdict::Wait(what),
    }
}

impl Rollout {
    /// Why there may be no agents at all.
    fn begins(self) -> Option<String> {
        if !self.observed {
            return Some("Kubernetes has not acted on the present DaemonSet eniclaim-agent; check that kube-controller-manager runs".to_owned());
        }
        (self.desired == 0).then(|| {
            "the DaemonSet eniclaim-agent fits no node; check agent.nodeSelector, agent.affinity and agent.tolerations".to_owned()
        })
    }

    /// What its pods lack.
    fn lacks(self) -> Option<String> {
        let Self {
            observed: _,
            desired,
            scheduled,
            updated,
            ready,
        } = self;
        let fewest = scheduled.min(updated).min(ready);
        (fewest < desired).then(|| {
            format!(
                "of {desired} nodes that are to have an agent {scheduled} have one, {updated} one of the present version, {ready} a ready one; kubectl describe daemonset eniclaim-agent shows why"
            )
        })
    }
}

/// Classes that pods cannot use as they are, each with why.
fn not_ready(classes: &[Class]) -> impl Iterator<Item = String> {
    classes.iter().filter_map(|class| {
        let name = &class.name;
        match class.status.condition(kind::READY) {
            Some(ready) if ready.status == ConditionStatus::True => None,
            Some(ready) => Some(format!("{name} ({})", ready.message)),
            None => Some(format!("{name} (the operator has said nothing of it yet)")),
        }
    })
}

/// Nodes whose agent is not ready as far as the operator says, each with why.
fn unready(agents: &[AgentPod], reports: &[NodeReport]) -> impl Iterator<Item = String> {
    let is_ready = |condition: &&Condition| condition.kind == kind::AGENT_READY;
    agents.iter().filter_map(move |agent| {
        let Some(node) = &agent.node else {
            return Some(format!("{} (not scheduled)", agent.key));
        };
        let report = reports.iter().find(|report| report.name == *node);
        match report.and_then(|report| report.status.conditions.iter().find(is_ready)) {
            Some(ready) if ready.status == ConditionStatus::True => None,
            Some(ready) => Some(format!("{node} ({})", ready.message)),
            None => Some(format!("{node} (the operator has not reported on it)")),
        }
    })
}
