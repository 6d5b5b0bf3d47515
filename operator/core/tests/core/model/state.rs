//! Everything that is: in the API server, in EC2, on the nodes, in the operator's memory, and on the way between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{
    Time,
    id::{AttachmentId, EniId, InstanceId},
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
use vpc::{Delays, Launch, Vpc, world as aws};

use super::super::ec2;

/// It is always now: what lies behind is moved there instead, so that stories that differ in their times only are one.
pub const NOW: Time = Time(1_800_000_000_000);
/// Long enough ago for every rule.
pub const PAST: Time = Time(NOW.0 - 3_600_000);

/// One moment of a story.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub vpc: Vpc,
    pub claims: Vec<Option<Claim>>,
    /// What the operator knows besides, until it crashes.
    pub known: Vec<Known>,
    /// Calls of the operator that lives.
    pub flights: Vec<Option<Effect>>,
    /// Calls of one that has crashed: each may still arrive.
    pub orphans: Vec<(usize, Effect)>,
    pub pods: Vec<PodState>,
    pub nodes: Vec<NodeState>,
    /// Which pod has which device, whatever anybody has written about it.
    pub plugged: BTreeMap<EniId, usize>,
    /// Every attachment that an agent has given back.
    pub released: BTreeSet<AttachmentId>,
    /// Each claim's ENI as it was before its last change; a read may show it.
    pub before: Vec<Option<Arc<EniView>>>,
    /// Claims that a person has deleted.
    pub unwanted: BTreeSet<usize>,
    pub left: Left,
    /// The invariant that does not hold any more.
    pub broken: Option<String>,
}

/// How many more things may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    pub crashes: u8,
    pub lost: u8,
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
    pub fn fresh(eni: EniSeen) -> Self {
        Self {
            eni,
            sends: Sends::Inconclusive,
            late_attach: LateAttach::Possible,
            search: Search::Running,
            backoff: None,
            detached: None,
            detaching: None,
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
    /// The claim of this pod.
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
        let mut vpc = Vpc::new(Delays::default());
        for node in 0..2 {
            let launch = Launch {
                name: node_name(node),
                instance_type: "m5.large".into(),
                subnet: aws::SUBNET_NODES.into(),
                address: None,
                groups: [aws::GROUP_NODES.into()].into(),
                routes: vec![],
                ipv6: None,
                source_dest_check: false,
            };
            vpc.launch(launch, now()).unwrap();
        }
        let claims = self.claims.iter().enumerate();
        let claims: Vec<_> = claims.map(|(k, kind)| Some(self.claim(k, *kind))).collect();
        let count = claims.len();
        State {
            vpc,
            known: vec![Known::fresh(EniSeen::Unknown); count],
            flights: vec![None; count],
            before: vec![None; count],
            claims,
            orphans: Vec::new(),
            pods: vec![PodState::Absent; self.pods.len()],
            nodes: vec![NodeState::Up; 2],
            plugged: BTreeMap::new(),
            released: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            left: self.left,
            broken: None,
        }
    }

    fn claim(&self, k: usize, kind: Kind) -> Claim {
        let owner = match kind {
            Kind::Kept => None,
            Kind::Of(pod) => Some(Owner {
                name: pod_name(pod).as_str().into(),
                uid: format!("{}-uid", pod_name(pod)).as_str().into(),
                source: PodSource::Api,
            }),
        };
        let name = owner.as_ref().map_or_else(
            || format!("k{k}"),
            |owner| operator_core::token::claim_name(&owner.name, &owner.uid, None),
        );
        Claim {
            key: Key::new("shop", &name),
            uid: format!("k{k}-uid").as_str().into(),
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
        let kept = self.claims[self.pods[p].claim] == Kind::Kept;
        Pod {
            key: Key::new("shop", &pod_name(p)),
            uid: format!("{}-uid", pod_name(p)).as_str().into(),
            uses: if kept {
                Uses::Named(format!("k{}", self.pods[p].claim).into())
            } else {
                Uses::Own
            },
            node: Some(node_name(self.pods[p].node).as_str().into()),
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
        let claim = &mut self.claims[k];
        if let Some(held) = claim.as_mut().filter(|claim| claim.finalizer) {
            held.deleting = true;
        } else {
            *claim = None;
        }
    }

    /// What a person needs to understand a story that ended badly.
    pub fn picture(&self) -> String {
        let claims = self.claims.iter().flatten().map(|claim| {
            let Claim { key, deleting, finalizer, status, device, .. } = claim;
            let notes: Vec<_> = status.conditions.iter().map(|c| format!("  {}: {} {}", c.kind, c.reason, c.message)).collect();
            format!(
                "{key} deleting {deleting} finalizer {finalizer} {:?} on {:?}\n  {:?}\n  {:?}\n  {device:?}\n{}",
                status.phase, status.node_name, status.binding, status.attachment, notes.join("\n")
            )
        });
        let enis = self.vpc.enis().filter(|eni| !eni.is_primary());
        let enis = enis.map(|eni| format!("{} {:?}", eni.id, eni.state));
        let lines: Vec<String> = claims.chain(enis).collect();
        format!(
            "{}\n{:#?}\n{:?} {:?}\nplugged {:?} released {:?} orphans {:?} flights {:?} {:?}\n{:?}",
            lines.join("\n"),
            self.known,
            self.pods,
            self.nodes,
            self.plugged,
            self.released,
            self.orphans,
            self.flights,
            self.left,
            self.broken
        )
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
            instance: Ok(self.instance(node)),
            boot: "boot-1".into(),
            health,
            classes: [].into(),
            published: (None, None),
        })
    }

    /// The instances are the first two that were launched.
    pub fn instance(&self, node: usize) -> InstanceId {
        let mut instances = self.vpc.instances();
        let named = instances.find(|instance| instance.name == node_name(node));
        named.unwrap().id.as_str().parse().unwrap()
    }

    pub fn node_of(&self, instance: &InstanceId) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.instance(*node) == *instance)
    }

    /// Whether software on it runs.
    pub fn runs(&self, node: usize) -> bool {
        self.nodes[node] == NodeState::Up
    }

    /// The ENIs that carry a claim's tag.
    pub fn tagged(&self, k: usize) -> Vec<Arc<EniView>> {
        let uid = format!("k{k}-uid");
        let is = |eni: &&vpc::Eni| eni.tags.get(api::tag::CLAIM_UID) == Some(&uid);
        let all = self.vpc.enis().filter(is);
        all.map(|eni| Arc::new(ec2::view(eni))).collect()
    }

    pub fn view(&self, eni: &EniId) -> Option<Arc<EniView>> {
        let eni = self.vpc.eni(&eni.as_str().into())?;
        Some(Arc::new(ec2::view(eni)))
    }

    /// The claim's ENI as EC2 has it: that of its status, or else the one with its tag.
    pub fn present(&self, k: usize) -> Option<Arc<EniView>> {
        let named = self.claims[k].as_ref()?.status.eni.as_ref();
        match named {
            Some(eni) => self.view(&eni.id),
            None => self.tagged(k).into_iter().next(),
        }
    }
}

pub fn now() -> u64 {
    u64::try_from(NOW.0).unwrap()
}

pub fn pod_name(p: usize) -> String {
    format!("p{p}")
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
