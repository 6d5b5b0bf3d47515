//! Where the ENI of a claim shall be.

use api::id::{InstanceId, NodeName, NodeUid, PodName, PodUid};

use crate::{
    claim::{Claim, Owner},
    cluster::{Node, Pod},
    reason::{Note, Reason},
    token::claim_name,
};

/// Where the ENI of a claim shall be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Nowhere: its pod has ended, and it goes with the claim.
    Gone,
    /// On this node, in this pod.
    On(Site),
    /// Nowhere, until a pod uses it.
    Kept,
    /// Where it is: the pod lives, and nothing new can be begun for it now.
    Held(Note),
    /// Not known: no watch shows the pod, and only a direct read tells whether it lives.
    Unclear,
    /// Not ours to say: the claim is not one that the operator made.
    Unserved(Note),
}

/// The pod and the node whose instance its ENI goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// UID of the pod.
    pub pod: PodUid,
    /// Name of the pod.
    pub pod_name: PodName,
    /// The pod's node.
    pub node: NodeName,
    /// UID of the node object: a node made again under its name is another node.
    pub node_uid: NodeUid,
    /// The node's instance.
    pub instance: InstanceId,
}

/// What is known of the pod that a claim is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodSeen<'a> {
    /// It exists and has not ended.
    Alive(&'a Pod),
    /// It exists without our label: what it asked for stays as it is.
    Unlabelled,
    /// It is a static pod whose mirror is gone: most likely somebody deleted that, and the pod runs on.
    Mirrorless,
    /// It has ended, or a direct read showed that it is gone.
    Ended,
    /// No watch shows it.
    Unseen,
    /// There is none: no pod uses the claim, which was made by hand.
    NoUser,
}

/// Where the ENI shall be, given what is known of its pod and of that pod's node.
pub fn goal(claim: &Claim, pod: PodSeen<'_>, node: Option<&Node>) -> Goal {
    let alive = match pod {
        PodSeen::NoUser => return Goal::Kept,
        PodSeen::Ended if claim.is_kept() => return Goal::Kept,
        PodSeen::Ended => return Goal::Gone,
        PodSeen::Unseen => return Goal::Unclear,
        PodSeen::Alive(pod) => Ok(pod),
        PodSeen::Mirrorless => Err(Note::new(
            Reason::PodTerminating,
            "the static pod's mirror was deleted; kubelet makes it again if the pod runs on",
        )),
        PodSeen::Unlabelled => Err(Note::new(
            Reason::NotServed,
            "the label eniclaim.io/class was taken off the pod; put it back, or create the pod again",
        )),
    };
    if let Some(owner) = &claim.owner
        && let Some(note) = other_claim(claim, owner, alive.as_ref().ok().copied())
    {
        return Goal::Unserved(note);
    }
    let site = alive.and_then(|pod| site(pod, node));
    site.map_or_else(Goal::Held, Goal::On)
}

/// Why a claim that was made for a pod is not the one that it gets.
fn other_claim(claim: &Claim, owner: &Owner, alive: Option<&Pod>) -> Option<Note> {
    let name = claim_name(&owner.name, &owner.uid, claim.interface.as_ref());
    if claim.key.name != name {
        return Some(Note::new(
            Reason::NotServed,
            format!(
                "pod {} is served by claim {name}; delete this one",
                owner.name
            ),
        ));
    }
    let (pod, interface) = (alive?, claim.interface.as_ref()?);
    let is_asked = pod.asks.iter().any(|ask| ask.interface == claim.interface);
    (claim.status.creation.is_none() && !is_asked).then(|| {
        Note::new(
            Reason::NotServed,
            format!(
                "pod {} does not ask for interface {interface}; delete this claim",
                owner.name
            ),
        )
    })
}

fn site(pod: &Pod, node: Option<&Node>) -> Result<Site, Note> {
    if pod.deleting {
        return Err(Note::new(
            Reason::PodTerminating,
            "the pod is being deleted; nothing new is begun for it",
        ));
    }
    let Some(name) = &pod.node else {
        return Err(Note::new(
            Reason::NotScheduled,
            "the ENI is made once the pod has a node",
        ));
    };
    let Some(node) = node else {
        return Err(Note::new(
            Reason::Reading,
            format!("node {name} is not known yet"),
        ));
    };
    let instance = node.supported_instance()?.clone();
    Ok(Site {
        pod: pod.uid.clone(),
        pod_name: PodName::from(pod.key.name.as_str()),
        node: name.clone(),
        node_uid: node.uid.clone(),
        instance,
    })
}
