//! All that the agent knows: claims, devices on the host, the journal, and who is waiting.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use serde::{Deserialize, Serialize};

pub use cni_protocol::{Position, Sandbox};

pub use self::{
    ports::{Ports, Survey},
    request::{Explicit, Known, Request, RequestId, Verb, Wanted},
};
use crate::{
    claim::{Claim, ClaimKey, DefaultRoute, Interface, Report, Unreadable},
    custody::Custody,
    dhcp::Leases,
    mac::Mac,
    picture::PodSlot,
};

mod interface;
pub mod ports;
mod request;

/// A pod that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The interfaces that it asks for by name, in its order. Empty: it asks for one, whatever its name.
    pub interfaces: Vec<String>,
}

/// Names a plug: one device in one sandbox. A pod with several ENIs has several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlugKey {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// The device.
    pub mac: Mac,
}

/// An entry of the journal: a device that was, is or is about to be in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plug {
    /// What asked for it.
    pub origin: Origin,
    /// The ENI's id, which becomes the device's alternative name on the host.
    pub eni: String,
    /// Which of the pod's ENIs it is: its rules, routes and chain carry this number.
    pub slot: PodSlot,
    /// The pod's network namespace.
    pub netns: Netns,
    /// Where the plugin stood when it was asked for.
    pub position: Position,
    /// Who moved the device into the pod.
    pub custody: Custody,
    /// The hardware behind the device, once that was in the pod. Nothing of a pod runs before.
    pub hardware: Option<Hardware>,
    /// How far it is.
    pub state: PlugState,
    /// What this agent has seen of it.
    pub observed: Observed,
}

impl Plug {
    /// What the interface of its claim is to look like in this sandbox.
    pub fn interface(&self, sandbox: &Sandbox, claimed: &Interface) -> Interface {
        let mut interface = self.custody.interface(claimed.clone());
        // Else the pod's first interface leads to the node.
        if self.position != Position::First {
            interface.node_access = None;
        }
        let first = self.position == Position::First && self.slot == PodSlot(0);
        if first && self.custody == Custody::Ours {
            interface.name.clone_from(&sandbox.if_name);
            // The only interface has the default route; where there is another one after all, that one's stays.
            if interface.default_route == DefaultRoute::Never {
                interface.default_route = DefaultRoute::Fallback;
            }
        }
        interface
    }

    /// From now on we move the device to the host, whoever moved it in.
    pub fn take_back(&mut self) {
        self.custody = Custody::Ours;
        self.state = PlugState::Unplugging;
    }
}

/// What an agent has seen of a plug since it started. The journal does not keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Failed attempts to return the device to the host.
    pub retry: Retry,
    /// Whether the namespace still lives.
    pub liveness: Liveness,
    /// Since when the attempts to return the device find it nowhere though it is not known to be gone, in milliseconds.
    pub hidden: Option<u64>,
    /// Whether the pod has the device without its IPv6 addresses.
    pub without_ipv6: bool,
    /// Since when it is [`PlugState::Restored`], in milliseconds.
    pub restored: u64,
    /// What the interface looks like in the pod, as this agent has set it.
    pub configured: Option<Box<Interface>>,
    /// Failed attempts to set it as its leases say.
    pub reconfigure: Retry,
}

/// What asked for a plug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A claim.
    Claim {
        /// Namespace and name.
        claim: ClaimKey,
        /// Id of the attachment.
        attachment: String,
        /// UID of the pod.
        pod_uid: String,
    },
    /// The configuration of the network, in which all is said: the interface, for as long as its container has it.
    Explicit(Box<Interface>),
}

impl Origin {
    /// The claim, if it is one's.
    pub fn claim(&self) -> Option<&ClaimKey> {
        match self {
            Self::Claim { claim, .. } => Some(claim),
            Self::Explicit(_) => None,
        }
    }

    /// UID of the pod, if it is a claim's.
    pub fn pod_uid(&self) -> Option<&str> {
        match self {
            Self::Claim { pod_uid, .. } => Some(pod_uid),
            Self::Explicit(_) => None,
        }
    }
}

/// A network namespace as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Netns {
    /// Its path.
    pub path: String,
    /// `SO_NETNS_COOKIE`: paths and inodes are used again, this number is not. `None` before Linux 5.14.
    pub cookie: Option<u64>,
}

/// The hardware behind a device, which is part of the machine whatever namespace the device is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hardware {
    /// Its path in sysfs.
    pub path: String,
    /// The inode there: the path is used again by what is attached in its place, this number is not (`kernfs_node.id`).
    pub inode: u64,
}

/// How far a plug is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlugState {
    /// Steps were begun for an ADD that has no answer yet; without that ADD the device returns.
    Plugging,
    /// The device is in the pod, and the runtime was told so.
    Plugged,
    /// The device must return to the host.
    Unplugging,
    /// A borrowed device is in the pod as it was found, and the plugin that moved it in is to take it back.
    Restored,
}

/// What is known of a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Liveness {
    /// It is at its path.
    #[default]
    Alive,
    /// Its path is gone or leads to another namespace.
    Dead,
    /// Its path cannot be read. Counts as alive: nothing is concluded from what cannot be seen.
    Unknown,
}

/// Attempts that failed, and when the next one is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retry {
    /// How many failed.
    pub failures: u32,
    /// Not before this time, in milliseconds.
    pub at: u64,
}

impl Retry {
    const FIRST: u64 = 1_000;
    const LONGEST: u64 = 30_000;

    /// After one more failure: the pause doubles from one second to thirty.
    #[must_use]
    pub fn failed(self, now: u64) -> Self {
        let pause = 1_u64
            .checked_shl(self.failures)
            .map_or(Self::LONGEST, |factor| factor.saturating_mul(Self::FIRST))
            .min(Self::LONGEST);
        Self {
            failures: self.failures.saturating_add(1),
            at: now + pause,
        }
    }
}

/// The operator, as its Lease shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// The Lease is renewed.
    Running,
    /// It was renewed last so many seconds ago, and has expired.
    Stopped {
        /// Seconds since then.
        seconds: u64,
    },
    /// There is no Lease.
    Missing,
    /// The API server does not say; why.
    Unknown(String),
}

/// When the operator's Lease was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseRead {
    /// It is being read.
    Begun,
    /// At this time, in milliseconds, with this outcome.
    Ended(u64, Operator),
}

/// All that the agent knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The EC2 instance that this node is; nothing is said or plugged for attachments of another one.
    pub instance: Option<String>,
    /// The claims of this node.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Those of them that cannot be read, and are not in `claims`: nothing is concluded from them, and nothing is done for their pods.
    pub unreadable: BTreeMap<ClaimKey, Unreadable>,
    /// Whether `claims` is complete. Before, nothing is concluded from a claim that is not there.
    pub listed: bool,
    /// Devices that are on the host, and since when, in milliseconds.
    pub devices: BTreeMap<Mac, u64>,
    /// Devices that were searched for in every namespace and found in none.
    pub absent: BTreeSet<Mac>,
    /// Searches that failed.
    pub searches: BTreeMap<Mac, Retry>,
    /// The journal.
    pub plugs: BTreeMap<PlugKey, Plug>,
    /// Addresses of the node's bridges.
    pub ports: Ports,
    /// Requests without an answer.
    pub requests: BTreeMap<RequestId, Request>,
    /// Sandboxes that asked for ENIs and were not deleted since. Of those of a pod the newest is the one whose first ADD came last.
    pub sandboxes: BTreeMap<Sandbox, Known>,
    /// What was last seen of the operator; read only when somebody waits for a claim that is not there.
    pub operator: Option<LeaseRead>,
    /// Devices that steps are being done on.
    pub busy: BTreeSet<Mac>,
    /// Reports on their way that no claim shows yet.
    pub unconfirmed: BTreeMap<ClaimKey, Report>,
    /// How the devices in pods stand with DHCP, as far as that is known since this agent started.
    pub leases: BTreeMap<Mac, Leases>,
    /// What of that is to be reported: it may be older, since what flaps is not written again and again.
    pub lease_news: BTreeMap<Mac, Leases>,
}

impl Facts {
    /// What an agent knows that has read nothing but the journal.
    pub fn of_journal(plugs: BTreeMap<PlugKey, Plug>) -> Self {
        let sandboxes = plugs.iter().map(|(key, plug)| {
            let known = Known {
                pod_uid: plug.origin.pod_uid().map(str::to_owned),
                first: 0,
            };
            (key.sandbox.clone(), known)
        });
        Self {
            sandboxes: sandboxes.collect(),
            plugs,
            ..Self::default()
        }
    }

    /// Takes in a claim as the API server shows it.
    pub fn learn(&mut self, claim: Claim, now: u64) {
        // An outdated one may be ours that was made before, and reached the API server after what it had to name.
        let confirmed = |report: &Report| claim.reported.as_ref() == Some(report);
        if self.unconfirmed.get(&claim.key).is_some_and(confirmed) {
            self.unconfirmed.remove(&claim.key);
        }
        let before = self.claims.get(&claim.key);
        if before.is_none_or(|before| before.progress() != claim.progress()) {
            for request in self.requests.values_mut() {
                if request.verb.pod().is_some_and(|pod| claim.serves(pod)) {
                    request.progress = now;
                }
            }
        }
        self.unreadable.remove(&claim.key);
        self.claims.insert(claim.key.clone(), claim);
    }

    /// Takes in that a claim cannot be read, or not any more.
    pub fn learn_unreadable(&mut self, claim: Unreadable) {
        self.forget(&claim.key);
        self.unreadable.insert(claim.key.clone(), claim);
    }

    /// Takes in that a claim is gone or belongs to another node.
    pub fn forget(&mut self, key: &ClaimKey) {
        self.claims.remove(key);
        self.unreadable.remove(key);
        self.unconfirmed.remove(key);
    }

    /// Takes in the whole list of this node's claims.
    pub fn list(&mut self, claims: Vec<Result<Claim, Unreadable>>, now: u64) {
        let readable = claims.iter().flatten();
        let keys: BTreeSet<_> = readable.map(|claim| claim.key.clone()).collect();
        self.claims.retain(|key, _| keys.contains(key));
        self.unreadable.clear();
        // A list stands for the events that were missed: what it does not show of our reports is reported again.
        self.unconfirmed.clear();
        for claim in claims {
            match claim {
                Ok(claim) => self.learn(claim, now),
                Err(unreadable) => self.learn_unreadable(unreadable),
            }
        }
        self.listed = true;
    }

    /// Takes in that a device is on the host.
    pub fn arrived(&mut self, mac: Mac, now: u64) {
        if let Entry::Vacant(absent) = self.devices.entry(mac) {
            absent.insert(now);
            // What kept it away is over, and with it the reason for a long pause.
            for (_, plug) in self.plugs.iter_mut().filter(|(key, _)| key.mac == mac) {
                plug.observed.retry.at = plug.observed.retry.at.min(now + Retry::FIRST);
            }
        }
        self.absent.remove(&mac);
        self.searches.remove(&mac);
    }

    /// Takes in that a device was found in no namespace. It may have come to the host since it was looked for there.
    pub fn not_found(&mut self, mac: Mac) {
        if !self.devices.contains_key(&mac) {
            self.absent.insert(mac);
        }
    }

    /// What was last reported of a claim's present attachment, on its way or taken.
    pub fn reported<'a>(&'a self, claim: &'a Claim) -> Option<&'a Report> {
        let attachment = claim.attachment.as_ref()?;
        self.unconfirmed
            .get(&claim.key)
            .or(claim.reported.as_ref())
            .filter(|report| report.attachment == attachment.id)
    }

    /// Whether what the claim's status says of the device is to be said again, though it is true.
    pub fn is_outdated(&self, claim: &Claim) -> bool {
        claim.outdated && !self.unconfirmed.contains_key(&claim.key)
    }

    /// Who has the device `mac`.
    pub fn holder(&self, mac: Mac) -> Option<(&PlugKey, &Plug)> {
        self.plugs.iter().find(|(key, _)| key.mac == mac)
    }

    /// The interface that is asked for; `None` where the claim is not known.
    pub fn asked_for<'a>(&'a self, origin: &'a Origin) -> Option<&'a Interface> {
        match origin {
            Origin::Claim { claim, .. } => Some(&self.claims.get(claim)?.interface),
            Origin::Explicit(interface) => Some(interface),
        }
    }

    /// The devices that claims or plugs name.
    pub fn macs(&self) -> BTreeSet<Mac> {
        let claims = self.claims.values();
        let of_claims = claims.filter_map(|claim| Some(claim.eni.as_ref()?.mac));
        let of_plugs = self.plugs.keys().map(|key| key.mac);
        of_claims.chain(of_plugs).collect()
    }

    /// The plugs of a sandbox.
    pub fn plugs_of<'a>(
        &'a self,
        sandbox: &'a Sandbox,
    ) -> impl Iterator<Item = (&'a PlugKey, &'a Plug)> {
        self.plugs
            .iter()
            .filter(move |(key, _)| key.sandbox == *sandbox)
    }
}
