//! What a pod's object says of its ENIs: the annotation network-status, and the condition `eniclaim.io/Ready`.

use std::net::IpAddr;

use api::{
    ConditionStatus, SmolStr, Time,
    condition::kind,
    id::{ClassName, Mac},
};

use crate::{
    claim::Claim,
    cluster::{Key, Pod, Version},
};

/// What the object of a pod says of its ENIs, as the watch shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    /// The object's own UID: of a static pod that of its mirror.
    pub object: SmolStr,
    /// The version that this picture shows.
    pub version: Version,
    /// The annotation network-status.
    pub networks: Networks,
    /// The condition `eniclaim.io/Ready`.
    pub ready: Option<bool>,
}

impl Marks {
    /// Whether both say the same, at whatever versions.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.object, &self.networks, self.ready) == (&other.object, &other.networks, other.ready)
    }
}

/// The annotation network-status of the Network Plumbing Working Group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Networks {
    /// A list, or no annotation at all.
    List {
        /// Entries of others, each as JSON.
        others: Box<[SmolStr]>,
        /// Ours.
        ours: Box<[Network]>,
    },
    /// Something that is no list: it is not ours, and stays.
    Unreadable,
}

impl Default for Networks {
    fn default() -> Self {
        Self::List {
            others: Box::default(),
            ours: Box::default(),
        }
    }
}

/// One entry of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Network {
    /// The class, which is the network that the pod asked for.
    pub class: ClassName,
    /// The interface in the pod.
    pub interface: SmolStr,
    /// Its addresses.
    pub ips: Box<[IpAddr]>,
    /// Its MAC address.
    pub mac: Mac,
}

/// The entries of an annotation: those of others, each as JSON, then ours.
pub type Entries = (Box<[SmolStr]>, Box<[Network]>);

/// A change of what the object of a pod says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodWrite {
    /// The pod.
    pub key: Key,
    /// UID of its object.
    pub object: SmolStr,
    /// The version that was seen: what others wrote into the annotation since must not be lost.
    pub version: Version,
    /// The whole annotation, where it changes: entries of others, then ours.
    pub networks: Option<Entries>,
    /// The condition, where it changes.
    pub ready: Option<PodReady>,
}

/// The condition `eniclaim.io/Ready` of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodReady {
    /// Whether all its interfaces are there.
    pub holds: bool,
    /// The reason that its claim gives.
    pub reason: SmolStr,
    /// The sentence that its claim gives.
    pub message: SmolStr,
    /// When it changed.
    pub since: Time,
}

/// What has to be written on the object of a pod, given its claims; nothing where it says what it should.
pub fn write(pod: &Pod, claims: &[&Claim], now: Time) -> Option<PodWrite> {
    let networks = networks(pod, claims);
    let ready = ready(pod, claims, now);
    if networks.is_none() && ready.is_none() {
        return None;
    }
    Some(PodWrite {
        key: pod.key.clone(),
        object: pod.marks.object.clone(),
        version: pod.marks.version.clone(),
        networks,
        ready,
    })
}

/// Whether two pictures of a claim lead to the same marks.
pub fn look_the_same(one: &Claim, other: &Claim) -> bool {
    let ready = |claim: &Claim| claim.status.condition(kind::READY).map(|c| c.status);
    ready(one) == ready(other) && network(one) == network(other)
}

/// The first time all interfaces are named at once; from then on whatever changes.
fn networks(pod: &Pod, claims: &[&Claim]) -> Option<Entries> {
    let Networks::List { others, ours } = &pod.marks.networks else {
        return None;
    };
    let mut wanted: Vec<Network> = claims.iter().filter_map(|claim| network(claim)).collect();
    wanted.sort_by(|a, b| a.interface.cmp(&b.interface));
    let is_early = ours.is_empty() && wanted.len() < pod.asks.len();
    (!is_early && **ours != *wanted).then(|| (others.clone(), wanted.into()))
}

fn network(claim: &Claim) -> Option<Network> {
    let status = &claim.status;
    let eni = status.eni.as_ref().filter(|_| status.ipam.is_some())?;
    Some(Network {
        class: claim.class.clone(),
        interface: claim.interface_name(),
        ips: claim.addresses().collect(),
        mac: eni.mac.clone(),
    })
}

/// Until the pod was ready once its object says nothing: to kubelet a missing condition of a readiness gate is one that does
/// not hold.
fn ready(pod: &Pod, claims: &[&Claim], now: Time) -> Option<PodReady> {
    let is_missing = claims.len() < pod.asks.len();
    let mut conditions = claims.iter().map(|c| c.status.condition(kind::READY));
    let unready = conditions
        .clone()
        .find(|c| c.is_none_or(|c| c.status != ConditionStatus::True));
    let holds = !is_missing && unready.is_none() && !claims.is_empty();
    if pod.marks.ready.unwrap_or(false) == holds {
        return None;
    }
    let said = unready.or_else(|| conditions.next_back()).flatten();
    Some(PodReady {
        holds,
        reason: said.map_or_else(|| "ClaimMissing".into(), |c| c.reason.clone()),
        message: said.map_or_else(
            || "the pod's EniClaim is gone".into(),
            |c| c.message.clone(),
        ),
        since: now.whole_second(),
    })
}
