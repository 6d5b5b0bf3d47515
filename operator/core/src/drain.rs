//! Whether eniclaim may be taken out of a cluster: what claims, EC2 and nodes still hold, and the sentence about it.

use std::{collections::BTreeSet, fmt};

use api::{
    Condition, ConditionStatus,
    condition::kind,
    id::{NodeName, PodUid},
};

use crate::{
    claim::Claim,
    cluster::{AgentPod, Key, NodeHealth, NodeReport},
    ec2::EniView,
    error::Ec2Error,
};

/// So many names are in a sentence.
const NAMED: usize = 5;

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
    /// Those of them whose deletion was asked for.
    pub ending: BTreeSet<PodUid>,
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

/// How it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of ENIs that pods have.
    pub policy: Policy,
    /// Namespace of the release, for the sentence.
    pub namespace: String,
}

impl Rule {
    /// Judges what claims and EC2 hold; `late` when it has been waited long enough.
    pub fn judge(&self, left: &Left, late: bool) -> Verdict {
        let Some(what) = left.sentence() else {
            return Verdict::Go(left.kept());
        };
        match self.policy {
            Policy::Refuse if left.is_in_use() => Verdict::Refuse(format!(
                "{what}; delete these pods and uninstall again, or wait for their end {}, or leave their ENIs as they are {}",
                self.change("wait"),
                self.change("abandon")
            )),
            Policy::Abandon if late || !left.is_ending() => Verdict::Go(Some(format!(
                "{what}; they are abandoned: nobody returns, detaches or deletes them until eniclaim is installed again with the same clusterId"
            ))),
            Policy::Refuse | Policy::Wait if late => Verdict::Refuse(format!(
                "{what}; uninstall again when that is mended, or leave it as it is {}",
                self.change("abandon")
            )),
            Policy::Refuse | Policy::Wait | Policy::Abandon => Verdict::Wait(what),
        }
    }

    /// Judges again after the operator has ended: the end of pods in use is not awaited any more, for nobody would clean up
    /// behind them.
    pub fn judge_again(&self, left: &Left, late: bool) -> Verdict {
        self.judge(left, late || left.is_in_use())
    }

    /// How a person chooses another policy: the manifest of a hook is that of the last upgrade.
    fn change(&self, policy: &str) -> String {
        format!(
            "by `helm upgrade eniclaim CHART --namespace {} --reuse-values --set uninstall.pods={policy}`",
            self.namespace
        )
    }
}

impl Left {
    /// Whether the pod of a claim runs, and is to go on.
    fn is_in_use(&self) -> bool {
        self.pods_of(false).next().is_some()
    }

    /// Whether the pod of a claim runs, and is being deleted.
    fn is_ending(&self) -> bool {
        self.pods_of(true).next().is_some()
    }

    /// Pods of claims that run, by whether they are being deleted.
    fn pods_of(&self, ending: bool) -> impl Iterator<Item = Key> {
        let runs = move |claim: &&Claim| {
            let pod = claim.owner.as_ref().map(|owner| &owner.uid);
            pod.is_some_and(|pod| self.pods.contains(pod) && self.ending.contains(pod) == ending)
        };
        self.claims.iter().filter(runs).filter_map(Claim::pod_key)
    }

    /// What is in the way, that of users first; none: nothing is.
    fn sentence(&self) -> Option<String> {
        list("pods have ENIs", self.pods_of(false))
            .or_else(|| list("pods with ENIs are being deleted", self.pods_of(true)))
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

/// Judges whether pods have ended that must not run any more.
pub fn judge_pods(whose: &str, pods: impl Iterator<Item = Key>, late: bool) -> Verdict {
    match list(&format!("pods of {whose} are still there"), pods) {
        None => Verdict::Go(None),
        Some(what) if late => Verdict::Refuse(format!(
            "{what}; see why they do not end, and uninstall again"
        )),
        Some(what) => Verdict::Wait(what),
    }
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

/// What stays where nothing is known of the agent but the nodes on which it was.
pub fn kept_by<'a>(nodes: impl Iterator<Item = &'a NodeName>) -> Option<String> {
    list(
        "the DaemonSet eniclaim-agent is gone, and nodes keep the CNI plugin, unless they are replaced or `eniclaim-agent uninstall` is run there",
        nodes,
    )
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
