//! Whether eniclaim may be taken out of a cluster: what pods, claims, EC2 and nodes still hold, and the sentence about it.

use std::{collections::BTreeSet, fmt};

use api::{
    condition::kind,
    id::{NodeName, PodUid},
};

use crate::{
    claim::Claim,
    cluster::{Key, NodeHealth, Pod},
    ec2::EniView,
    error::Ec2Error,
};

/// Annotation of the operator's Deployment by which a person decides over the chart's value `uninstall.pods`.
pub const PODS_MODE: &str = "eniclaim.io/uninstall-pods";
/// So many names are in a sentence.
const NAMED: usize = 5;

/// What becomes of pods that have ENIs or wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Nothing is uninstalled.
    Refuse,
    /// Their end is awaited.
    Wait,
    /// They stay as they are, and nobody looks after them any more.
    Abandon,
}

/// What pods, claims and EC2 hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Every claim.
    pub claims: Vec<Claim>,
    /// Claims that cannot be read, by name.
    pub unreadable: Vec<String>,
    /// Pods with our label that have not ended.
    pub pods: Vec<Pod>,
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
    /// What becomes of pods that have ENIs or wait for one.
    pub policy: Policy,
    /// Namespace of the release, for the sentence.
    pub namespace: String,
}

impl Rule {
    /// Judges what pods, claims and EC2 hold; `late` when it has been waited long enough.
    pub fn judge(&self, left: &Left, late: bool) -> Verdict {
        let Some(what) = left.sentence() else {
            return Verdict::Go(left.kept());
        };
        match self.policy {
            Policy::Refuse if left.in_use().is_some() => Verdict::Refuse(format!(
                "{what}; delete these pods and uninstall again, or first choose to wait for their end {} or to leave their ENIs as they are {}",
                self.change("wait"),
                self.change("abandon")
            )),
            // They do not go by themselves.
            Policy::Refuse | Policy::Wait
                if left.in_use().is_none()
                    && let Some(kept) = left.by_hand() =>
            {
                Verdict::Refuse(format!(
                    "{kept}; they keep their ENIs until somebody deletes them, and with them their addresses go: kubectl delete eniclaim; then uninstall again, or first choose to leave the ENIs in EC2 {}",
                    self.change("abandon")
                ))
            }
            Policy::Abandon if late || left.ending().is_none() => Verdict::Go(Some(format!(
                "{what}; they are abandoned: nobody returns, detaches or deletes them until eniclaim is installed again with the same clusterId, and a pod that waits for one may start without it"
            ))),
            Policy::Refuse | Policy::Wait if late => Verdict::Refuse(format!(
                "{what}; uninstall again when that is mended, or first choose to leave it as it is {}",
                self.change("abandon")
            )),
            Policy::Refuse | Policy::Wait | Policy::Abandon => Verdict::Wait(what),
        }
    }

    /// Judges again after the operator has ended: the end of pods in use is not awaited any more, for nobody would clean up
    /// behind them.
    pub fn judge_again(&self, left: &Left, late: bool) -> Verdict {
        self.judge(left, late || left.in_use().is_some())
    }

    /// How a person chooses another policy. Not by an upgrade: after a hook that failed Helm takes none.
    fn change(&self, policy: &str) -> String {
        format!(
            "by `kubectl --namespace {} annotate --overwrite deployment eniclaim-operator {PODS_MODE}={policy}`",
            self.namespace
        )
    }
}

impl Left {
    /// Pods that have ENIs or wait for one, and are to go on.
    fn in_use(&self) -> Option<String> {
        let (have, wait): (Vec<_>, Vec<_>) = self
            .pods_of(false)
            .filter(|(pod, has_claim)| *has_claim || pod.needs_eni())
            .partition(|(_, has_claim)| *has_claim);
        let listed = [("pods have ENIs", have), ("pods wait for ENIs", wait)]
            .map(|(what, pods)| list(what, pods.into_iter().map(|(pod, _)| &pod.key)));
        let listed: Vec<String> = listed.into_iter().flatten().collect();
        (!listed.is_empty()).then(|| listed.join("; "))
    }

    /// Pods that have ENIs, and are being deleted. For one that only waits none is made any more.
    fn ending(&self) -> Option<String> {
        let ending = self.pods_of(true).filter(|(_, has_claim)| *has_claim);
        list(
            "pods with ENIs are being deleted",
            ending.map(|(pod, _)| &pod.key),
        )
    }

    /// Claims that no pod's end takes away.
    fn by_hand(&self) -> Option<String> {
        let claims = self.claims.iter();
        let kept = claims.filter(|claim| claim.is_kept() && !claim.deleting);
        list("claims outlive their pods", kept.map(|claim| &claim.key))
    }

    /// Pods by whether they are being deleted, each with whether it has a claim.
    fn pods_of(&self, ending: bool) -> impl Iterator<Item = (&Pod, bool)> {
        let users = self.claims.iter().filter_map(Claim::user);
        let users: BTreeSet<PodUid> = users.map(|user| user.uid).collect();
        let pods = self.pods.iter().filter(move |pod| pod.deleting == ending);
        pods.map(move |pod| (pod, users.contains(&pod.uid)))
    }

    /// What is in the way, that of users first; none: nothing is.
    fn sentence(&self) -> Option<String> {
        self.in_use()
            .or_else(|| self.ending())
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
pub(crate) fn list(what: &str, names: impl Iterator<Item = impl fmt::Display>) -> Option<String> {
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
