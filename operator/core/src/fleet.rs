//! The fleet: everything known, as one value; facts go in, orders come out.

mod agenda;
mod claims;
mod learn;
mod nodes;
mod outcome;
mod questions;
mod voice;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    claim::{Claim, Phase, Status},
    cloud::{EniSeen, Instance, Refusal, TypeFacts},
    cluster::{Class, NamespaceFacts, Node, NodeReport, Pod},
    fleet::agenda::Agenda,
    id::{
        ClaimUid, ClassName, ClusterId, EniId, InstanceId, InstanceType, Key, Namespace, NodeName,
        PodUid, SubnetId,
    },
    order::{Effect, Order, Target, Topic},
    plan::{Poll, Setback},
    reason::Note,
    subnet::Subnets,
    time::Time,
};

/// Everything known and everything under way. Nothing is decided before every list and one full read of our ENIs are complete.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fleet {
    configured: Option<ClusterId>,
    lists: BTreeSet<List>,
    pods: BTreeMap<Key, Pod>,
    nodes: BTreeMap<NodeName, Node>,
    namespaces: BTreeMap<Namespace, NamespaceFacts>,
    classes: BTreeMap<ClassName, Class>,
    claims: BTreeMap<Key, Claim>,
    reports: BTreeMap<NodeName, NodeReport>,

    enis_read: bool,
    learnt: u64,
    enis: BTreeMap<EniId, (EniSeen, u64)>,
    tagged: BTreeMap<ClaimUid, EniId>,
    buried: BTreeMap<EniId, Time>,
    instances: BTreeMap<InstanceId, (Option<Instance>, Time)>,
    types: BTreeMap<InstanceType, (Option<TypeFacts>, Time)>,
    subnets: Subnets,
    subnets_read: BTreeMap<SubnetId, Time>,
    blocked: BTreeMap<SubnetId, Time>,
    trouble: BTreeMap<Topic, Refusal>,

    busy: BTreeMap<Target, Busy>,
    rests: BTreeMap<Target, (u32, Time)>,
    setbacks: BTreeMap<Key, Setback>,
    told: BTreeMap<Target, (Note, Time)>,
    waiting: BTreeMap<Key, (Poll, EniId)>,
    polled: Time,
    agenda: Agenda,

    owned: BTreeMap<EniId, Key>,
    claim_of: BTreeMap<PodUid, Key>,
    claims_on: BTreeMap<NodeName, BTreeSet<Key>>,
    pods_on: BTreeMap<NodeName, BTreeSet<Key>>,
}

/// The lists that have to be complete first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum List {
    Pods,
    Nodes,
    Namespaces,
    Classes,
    Claims,
    Reports,
}

const LISTS: [(List, &str); 6] = [
    (List::Pods, "pods"),
    (List::Nodes, "nodes"),
    (List::Namespaces, "namespaces"),
    (List::Classes, "eniclasses"),
    (List::Claims, "eniclaims"),
    (List::Reports, "eninodes"),
];

/// An order under way. What it promises counts from now on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Busy {
    claim: Option<ClaimUid>,
    status: Option<Box<Status>>,
    effect: Option<Effect>,
}

impl Fleet {
    /// An empty fleet. Without a name for the cluster the UID of the namespace kube-system is taken.
    pub fn new(cluster: Option<ClusterId>) -> Self {
        Self {
            configured: cluster,
            lists: BTreeSet::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            classes: BTreeMap::new(),
            claims: BTreeMap::new(),
            reports: BTreeMap::new(),
            enis_read: false,
            learnt: 0,
            enis: BTreeMap::new(),
            tagged: BTreeMap::new(),
            buried: BTreeMap::new(),
            instances: BTreeMap::new(),
            types: BTreeMap::new(),
            subnets: Subnets::new(),
            subnets_read: BTreeMap::new(),
            blocked: BTreeMap::new(),
            trouble: BTreeMap::new(),
            busy: BTreeMap::new(),
            rests: BTreeMap::new(),
            setbacks: BTreeMap::new(),
            told: BTreeMap::new(),
            waiting: BTreeMap::new(),
            polled: Time(i64::MIN),
            agenda: Agenda::default(),
            owned: BTreeMap::new(),
            claim_of: BTreeMap::new(),
            claims_on: BTreeMap::new(),
            pods_on: BTreeMap::new(),
        }
    }

    /// What to do now: at most one order for each target, with its slot reserved.
    pub fn next(&mut self, now: Time) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.lists.len() == LISTS.len() {
            self.questions(now, &mut orders);
            if self.enis_read {
                // Claims before pods and nodes: what they take is then counted in what is published.
                for target in self.agenda.due(now) {
                    self.consider(&target, now, &mut orders);
                }
                self.poll(now, &mut orders);
            }
        }
        orders
    }

    /// When to call [`Self::next`] again although no fact came.
    pub fn wake(&self) -> Option<Time> {
        self.agenda.first_alarm()
    }

    /// Whether everything needed has been read, or the sentence that says what is missing.
    pub fn readiness(&self) -> Result<(), String> {
        let missing: Vec<&str> = LISTS
            .iter()
            .filter(|(list, _)| !self.lists.contains(list))
            .map(|(_, name)| *name)
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "Kubernetes has not listed {} yet; the API server is down, or the operator's RBAC lacks a right",
                missing.join(", ")
            ));
        }
        if self.cluster().is_none() {
            return Err(
                "there is no namespace kube-system to name the cluster by; set --cluster-id"
                    .to_owned(),
            );
        }
        if let Some(Refusal {
            kind: _,
            code,
            message,
            request_id: _,
        }) = self.trouble.values().next()
        {
            return Err(format!("EC2 answered {code}: {message}"));
        }
        if self.enis_read {
            Ok(())
        } else {
            Err("the cluster's ENIs have not been read from EC2 yet".to_owned())
        }
    }

    /// How many claims are in each phase.
    pub fn census(&self) -> BTreeMap<Phase, u32> {
        let mut census = BTreeMap::new();
        for claim in self.claims.values() {
            *census
                .entry(claim.status.phase.unwrap_or(Phase::Pending))
                .or_default() += 1;
        }
        census
    }

    /// Whether an order is under way.
    pub fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    fn cluster(&self) -> Option<ClusterId> {
        self.configured.clone().or_else(|| {
            self.namespaces
                .get(&Namespace::from("kube-system"))
                .map(|n| n.uid.as_str().into())
        })
    }

    fn consider(&mut self, target: &Target, now: Time, orders: &mut Vec<Order>) {
        if self.busy.contains_key(target) {
            return;
        }
        if let Some((_, until)) = self.rests.get(target)
            && *until > now
        {
            return self.agenda.at(target.clone(), *until);
        }
        match target {
            Target::Claim(key) => self.consider_claim(key, now, orders),
            Target::Pod(key) => self.consider_pod(key, now, orders),
            Target::Report(name) => self.consider_report(name, now, orders),
            Target::Node(name) => self.consider_node(name, orders),
            Target::Question(_) | Target::Voice => {}
        }
    }

    /// Gives an order and remembers that it is under way.
    fn give(&mut self, order: Order, orders: &mut Vec<Order>) {
        let busy = match &order {
            Order::WriteClaim(write) => Busy {
                claim: Some(write.uid.clone()),
                status: Some(write.status.clone()),
                effect: None,
            },
            Order::Effect { uid, effect, .. } => Busy {
                claim: Some(uid.clone()),
                status: None,
                effect: Some(effect.clone()),
            },
            Order::CreateClaim(_)
            | Order::CreateReport { .. }
            | Order::WriteReport { .. }
            | Order::PatchNode { .. }
            | Order::Tell(_)
            | Order::Ask(_) => Busy::default(),
        };
        self.busy.insert(order.target(), busy);
        orders.push(order);
    }

    /// The claim's status as it is, or as it is being written.
    fn intended<'a>(&'a self, claim: &'a Claim) -> &'a Status {
        self.busy
            .get(&Target::Claim(claim.key.clone()))
            .and_then(|b| b.status.as_deref())
            .unwrap_or(&claim.status)
    }
}
