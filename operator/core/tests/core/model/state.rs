//! Everything that is: in the API server, in EC2, on the nodes, in the operator's memory, and on the way between them.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    Time,
    id::{AttachmentId, EniId},
};
use operator_core::{
    claim::{Claim, ClaimStatus, Owner},
    cluster::{Ask, Cluster, Key, Node, NodeHealth, Pod, PodSource, Version},
    ec2::EniView,
    marks::Marks,
    order::Effect,
    seen::{Backoff, EniSeen, LateAttach, Search, Sends},
    uses::Uses,
};

use super::{cloud::Cloud, shared::Shared};

/// It is always now: what lies behind is moved there instead, so that stories that differ in their times only are one.
pub const NOW: Time = Time(1_800_000_000_000);
/// Long enough ago for every rule.
pub const PAST: Time = Time(NOW.0 - 3_600_000);

pub const CLAIMS: usize = 2;
pub const NODES: usize = 2;
pub const PODS: usize = 3;

/// One moment of a story.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub cloud: Shared<Cloud>,
    pub claims: [Option<Shared<Claim>>; CLAIMS],
    /// What the operator knows besides, until it crashes.
    pub known: [Shared<Known>; CLAIMS],
    /// Calls of the operator that lives.
    pub flights: [Option<Shared<Effect>>; CLAIMS],
    /// Calls of one that has crashed, or has given them up: each will still arrive.
    pub orphans: Vec<(usize, Shared<Effect>)>,
    pub pods: [PodState; PODS],
    pub nodes: [NodeState; NODES],
    pub devices: Shared<Devices>,
    /// Each claim's ENI as it was before its last change; a read may show it.
    pub before: [Option<Shared<EniView>>; CLAIMS],
    pub left: Left,
    /// The invariant that does not hold any more.
    pub broken: Option<String>,
}

/// What is on the nodes, whatever anybody has written about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Devices {
    /// Which pod has which device.
    pub plugged: BTreeMap<EniId, usize>,
    /// The attachments that an agent has given back.
    pub released: BTreeSet<AttachmentId>,
}

/// How many more things may go wrong, or be done by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Left {
    pub crashes: u8,
    /// Calls or their answers.
    pub lost: u8,
    /// Creates that EC2 refuses.
    pub refused: u8,
    pub stale: u8,
    pub nodes: u8,
    pub deletions: u8,
}

/// What the operator keeps in memory of one claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Known {
    pub eni: EniSeen,
    pub sends: Sends,
    pub late_attach: LateAttach,
    pub search: Search,
    pub backoff: Option<Backoff>,
    pub detached: Option<Time>,
    pub detaching: Option<Time>,
}

impl Known {
    /// Of an operator that has just begun, and has listed everything.
    pub fn fresh(eni: EniSeen, late_attach: LateAttach) -> Self {
        Self {
            eni,
            sends: Sends::Inconclusive,
            late_attach,
            search: Search::Running,
            backoff: None,
            detached: None,
            detaching: None,
        }
    }

    /// Of one that leads for long.
    pub fn settled() -> Self {
        Self {
            late_attach: LateAttach::Excluded,
            ..Self::fresh(EniSeen::Unknown, LateAttach::Excluded)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PodState {
    /// Not yet made.
    Absent,
    Alive,
    /// Its deletion was asked for; its containers run.
    Deleting,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    Up,
    /// Its instance ends or has ended; the node object is there.
    Lost,
    /// The node object is gone.
    Gone,
}

/// What a claim is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A claim that was made by hand.
    Kept,
    /// The claim of this pod, made with it.
    Of(usize),
}

/// A pod: its node, and the claim that it uses.
#[derive(Debug, Clone, Copy)]
pub struct PodPlan {
    pub node: usize,
    pub claim: usize,
}

/// The cast of a story.
#[derive(Debug, Clone)]
pub struct Cast {
    pub claims: Vec<Kind>,
    pub pods: Vec<PodPlan>,
    pub left: Left,
}

impl Cast {
    pub fn beginning(&self) -> State {
        let kept = |k: usize| {
            let kind = self.claims.get(k)?;
            (*kind == Kind::Kept).then(|| Shared::new(self.claim(k)))
        };
        let known = Shared::new(Known::settled());
        State {
            cloud: Shared::new(Cloud::new()),
            claims: [0, 1].map(kept),
            known: [known.clone(), known],
            flights: [None, None],
            orphans: Vec::new(),
            pods: [PodState::Absent; PODS],
            nodes: [NodeState::Up; NODES],
            devices: Shared::new(Devices::default()),
            before: [None, None],
            left: self.left,
            broken: None,
        }
    }

    pub fn is_kept(&self, k: usize) -> bool {
        self.claims[k] == Kind::Kept
    }

    pub fn claim(&self, k: usize) -> Claim {
        let owner = match self.claims[k] {
            Kind::Kept => None,
            Kind::Of(pod) => Some(Owner {
                name: pod_name(pod).as_str().into(),
                uid: pod_uid(pod).into(),
                source: PodSource::Api,
            }),
        };
        let name = owner.as_ref().map_or_else(
            || format!("k{k}"),
            |owner| operator_core::token::claim_name(&owner.name, &owner.uid, None),
        );
        Claim {
            key: Key::new("shop", &name),
            uid: claim_uid(k).into(),
            version: Version::default(),
            generation: 1,
            deleting: false,
            finalizer: false,
            class: "app".into(),
            interface: None,
            owner,
            force_detach: None,
            force_forget: None,
            status: ClaimStatus::default(),
            device: None,
            leased: None,
        }
    }

    pub fn pod(&self, p: usize, state: PodState) -> Pod {
        let PodPlan { node, claim } = self.pods[p];
        Pod {
            key: Key::new("shop", &pod_name(p)),
            uid: pod_uid(p).into(),
            uses: if self.is_kept(claim) {
                Uses::Named(format!("k{claim}").into())
            } else {
                Uses::Own
            },
            node: Some(node_name(node).as_str().into()),
            deleting: state == PodState::Deleting,
            source: PodSource::Api,
            marks: Marks::default(),
            asks: vec![Ask {
                interface: None,
                class: "app".into(),
            }],
            malformed: None,
            annotated: true,
            host_network: false,
            requested: Some(1),
            net_admin: None,
            terminal: false,
            created: PAST,
        }
    }
}

impl State {
    /// As the API server does it: the object goes at once where no finalizer holds it.
    pub fn delete(&mut self, k: usize) {
        self.claims[k] = self.claims[k].as_ref().and_then(|claim| {
            let deleting = Claim {
                deleting: true,
                ..Claim::clone(claim)
            };
            claim.finalizer.then(|| Shared::new(deleting))
        });
    }

    pub fn break_off(&mut self, why: impl Into<String>) {
        self.broken.get_or_insert_with(|| why.into());
    }

    pub fn node(&self, node: usize) -> Option<Node> {
        let health = match self.nodes[node] {
            NodeState::Up => NodeHealth::Ready,
            NodeState::Lost => NodeHealth::NotReady,
            NodeState::Gone => return None,
        };
        Some(Node {
            name: node_name(node).as_str().into(),
            uid: format!("n{node}-uid").as_str().into(),
            version: Version::default(),
            instance: Ok(self.cloud.instances[node].clone()),
            boot: "boot-1".into(),
            health,
            classes: [].into(),
            published: (None, None),
        })
    }

    /// Whether software on it runs.
    pub fn runs(&self, node: usize) -> bool {
        self.nodes[node] == NodeState::Up
    }

    /// The claim's ENI as EC2 has it: that of its status, or else the one with its tag.
    pub fn present(&self, k: usize) -> Option<&Shared<EniView>> {
        match &self.claims[k].as_ref()?.status.eni {
            Some(eni) => self.cloud.eni(&eni.id),
            None => self.cloud.tagged(k).next(),
        }
    }

    /// What a person needs to understand a story that ended badly.
    pub fn picture(&self) -> String {
        let claims = self.claims.iter().flatten().map(|claim| {
            let Claim {
                key,
                deleting,
                finalizer,
                status,
                device,
                ..
            } = &**claim;
            format!(
                "{key} deleting {deleting} finalizer {finalizer} on {:?}\n  {:?}\n  {:?}\n  {:?}\n  {device:?}",
                status.node_name,
                status.eni.as_ref().map(|eni| &eni.id),
                status.binding,
                status.attachment
            )
        });
        let enis = self.cloud.enis.iter();
        let enis = enis.map(|eni| format!("{} {:?}", eni.id, eni.attachment));
        let lines: Vec<String> = claims.chain(enis).collect();
        format!(
            "{}\n{:#?}\n{:?} {:?} {:?}\norphans {:?} flights {:?}\n{:?}\n{:?}",
            lines.join("\n"),
            self.known,
            self.pods,
            self.nodes,
            self.devices,
            self.orphans,
            self.flights,
            self.left,
            self.broken
        )
    }
}

pub fn now() -> u64 {
    u64::try_from(NOW.0).unwrap()
}

pub fn pod_name(p: usize) -> String {
    format!("p{p}")
}

pub fn pod_uid(p: usize) -> &'static str {
    ["p0-uid", "p1-uid", "p2-uid"][p]
}

pub fn claim_uid(k: usize) -> &'static str {
    ["k0-uid", "k1-uid"][k]
}

pub fn node_name(node: usize) -> String {
    format!("n{node}")
}

pub fn cluster() -> Cluster {
    Cluster {
        id: "c1".into(),
        uid: "cluster-uid".into(),
    }
}
