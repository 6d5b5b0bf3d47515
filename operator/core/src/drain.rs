//! Whether eniclaim may be taken out of a cluster: what claims, EC2 and nodes still hold, and the sentence about it.

use std::{collections::BTreeSet, fmt};

use api::{
    Condition, ConditionStatus,
    condition::kind,
    id::{NodeName, PodUid},
};

use crate::{
    claim::Claim,
    cluster::{AgentPod, NodeHealth, NodeReport},
    ec2::EniView,
    error::Ec2Error,
};

/// So many names are in a sentence.
const NAMED: usize = 5;
/// How a person chooses another [`Policy`]: the manifest of a hook is that of the last upgrade.
const CHANGE: &str =
    "by `helm upgrade eniclaim CHART --namespace NAMESPACE --reuse-values --set uninstall.pods=";

/// What becomes of ENIs that pods have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Nothing is uninstalled.
    Refuse,
    /// Their end is awaited.
    Wait,
    /// They stay as they are, and nobody looks after them any more.
    Abandon,
}

/// What claims and EC2 hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Every claim.
    pub claims: Vec<Claim>,
    /// Claims that cannot be read, by name.
    pub unreadable: Vec<String>,
    /// Pods that run, of those that ask for an ENI.
    pub pods: BTreeSet<PodUid>,
    /// Every ENI with the tag of this cluster; nothing while there are claims.
    pub enis: Result<Vec<EniView>, Box<Ec2Error>>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on; what stays is said.
    Go(Option<String>),
    /// Look again.
    Wait(String),
    /// End, and leave everything as it is.
    Refuse(String),
}

/// Judges what claims and EC2 hold; `late` when it has been waited long enough.
pub fn judge(policy: Policy, left: &Left, late: bool) -> Verdict {
    match (policy, left.sentence()) {
        (_, None) => Verdict::Go(left.kept()),
        (Policy::Abandon, Some(what)) => Verdict::Go(Some(format!(
            "{what}; they are abandoned: nobody returns, detaches or deletes them until eniclaim is installed again with the same clusterId"
        ))),
        (Policy::Refuse, Some(what)) if left.is_in_use() => Verdict::Refuse(format!(
            "{what}; delete these pods and uninstall again, or wait for their end {CHANGE}wait`, or leave their ENIs as they are {CHANGE}abandon`"
        )),
        (Policy::Refuse | Policy::Wait, Some(what)) if late => Verdict::Refuse(format!(
            "{what}; uninstall again when that is mended, or leave it as it is {CHANGE}abandon`"
        )),
        (Policy::Refuse | Policy::Wait, Some(what)) => Verdict::Wait(what),
    }
}

impl Left {
    /// Whether the pod of a claim runs.
    fn is_in_use(&self) -> bool {
        self.claims.iter().any(|claim| self.has_pod(claim))
    }

    fn has_pod(&self, claim: &Claim) -> bool {
        let owner = claim.owner.as_ref();
        owner.is_some_and(|owner| self.pods.contains(&owner.uid))
    }

    /// What is in the way, that of users first; none: nothing is.
    fn sentence(&self) -> Option<String> {
        let pods = self.claims.iter().filter(|claim| self.has_pod(claim));
        let pods = pods.filter_map(Claim::pod_key).map(|pod| pod.to_string());
        list("pods have ENIs", pods)
            .or_else(|| list("claims cannot be read", self.unreadable.iter().cloned()))
            .or_else(|| list("claims are left", self.claims.iter().map(about)))
            .or_else(|| match &self.enis {
                Ok(enis) => list(
                    "ENIs of this cluster are in EC2, but belong to no claim",
                    enis.iter().filter(|eni| !eni.tags.kept).map(named),
                ),
                Err(error) => Some(format!(
                    "whether EC2 has ENIs of this cluster is not known, DescribeNetworkInterfaces answered {error}"
                )),
            })
    }

    /// ENIs that stay because somebody wanted it so.
    fn kept(&self) -> Option<String> {
        let enis = self.enis.iter().flatten().filter(|eni| eni.tags.kept);
        list(
            "ENIs stay in EC2 because their claims said so",
            enis.map(named),
        )
    }
}

fn about(claim: &Claim) -> String {
    let ready = claim.status.condition(kind::READY);
    let why = ready.map_or("its operator has not seen it", |ready| &ready.message);
    format!("{} ({why})", claim.key)
}

fn named(eni: &EniView) -> String {
    let claim = eni.tags.claim_name.as_deref();
    claim.map_or_else(
        || eni.id.to_string(),
        |claim| format!("{} (made for claim {claim})", eni.id),
    )
}

/// How many there are and the first names; none where there are none.
fn list(what: &str, names: impl Iterator<Item = impl fmt::Display>) -> Option<String> {
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("{what} ({}): {}{more}", names.len(), first.join(", ")))
}

/// A node from which the plugin has to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLeft {
    /// Its name.
    pub name: NodeName,
    /// Whether kubelet can run a pod there.
    pub health: NodeHealth,
    /// Whether the pod that removes the plugin has done so.
    pub is_clean: bool,
}

/// Judges what nodes hold. One that does not run can be neither cleaned nor waited for.
pub fn judge_nodes(nodes: &[NodeLeft], late: bool) -> Verdict {
    let left = |runs: bool| {
        nodes
            .iter()
            .filter(move |node| !node.is_clean && (node.health == NodeHealth::Ready) == runs)
            .map(|node| &node.name)
    };
    match list("nodes still have the CNI plugin", left(true)) {
        Some(what) if late => Verdict::Refuse(format!(
            "{what}; check the pods eniclaim-uninstall-* there, and uninstall again"
        )),
        Some(what) => Verdict::Wait(what),
        None => Verdict::Go(list(
            "nodes are not Ready and keep the CNI plugin, unless they are replaced or `eniclaim-agent uninstall` is run there",
            left(false),
        )),
    }
}

/// Judges whether the operator says of every agent that it is ready.
pub fn check(agents: &[AgentPod], reports: &[NodeReport], late: bool) -> Verdict {
    let ready = |condition: &&Condition| condition.kind == kind::AGENT_READY;
    let unready = agents.iter().filter_map(|agent| {
        let Some(node) = &agent.node else {
            return Some(format!("{} (not scheduled)", agent.key));
        };
        let report = reports.iter().find(|report| report.name == *node);
        match report.and_then(|report| report.status.conditions.iter().find(ready)) {
            Some(ready) if ready.status == ConditionStatus::True => None,
            Some(ready) => Some(format!("{node} ({})", ready.message)),
            None => Some(format!("{node} (the operator has not reported on it)")),
        }
    });
    let what = match list("nodes are not ready for ENIs", unready) {
        None if agents.is_empty() => {
            Some("no pod of the DaemonSet eniclaim-agent is there".to_owned())
        }
        what => what,
    };
    match what {
        None => Verdict::Go(None),
        Some(what) if late => Verdict::Refuse(what),
        Some(what) => Verdict::Wait(what),
    }
}
