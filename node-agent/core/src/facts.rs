//! All that the agent knows: claims, devices on the host, the journal, and who is waiting.

use std::collections::{BTreeMap, BTreeSet};

pub use cni::protocol::Sandbox;

use crate::{
    claim::{Claim, ClaimKey, Place, Report},
    mac::Mac,
};

/// A line of the journal: a device that was, is or is about to be in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plug {
    /// The claim it is for.
    pub claim: ClaimKey,
    /// The attachment it is for.
    pub attachment: String,
    /// The device.
    pub mac: Mac,
    /// The ENI's id, which becomes the device's second name on the host.
    pub eni: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Path of the pod's network namespace.
    pub netns: String,
    /// How far it is.
    pub state: PlugState,
    /// Failed attempts to take it home.
    pub failures: u32,
    /// When the next attempt is due, in milliseconds.
    pub retry_at: u64,
    /// Whether the namespace still has its path.
    pub alive: bool,
}

/// How far a plug is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlugState {
    /// Steps were begun, and not all of them are known to be done.
    Plugging,
    /// The device is in the pod.
    Plugged,
    /// The device must go home.
    Leaving,
}

/// A request of the plugin that has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// For which sandbox.
    pub sandbox: Sandbox,
    /// What is asked.
    pub wish: Wish,
    /// When it came, in milliseconds.
    pub since: u64,
    /// When its claim last made progress, in milliseconds.
    pub progress: u64,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The ENI of this pod.
    Add {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
        /// UID of the pod.
        pod_uid: String,
    },
    /// Nothing of the sandbox may be left.
    Del,
}

/// Identifies an [`Ask`]; a later one is greater.
pub type AskId = u64;

/// All that the agent knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The claims of this node.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Whether `claims` is complete. Before, nothing is concluded from a claim that is not there.
    pub listed: bool,
    /// Devices that are on the host, and since when, in milliseconds.
    pub devices: BTreeMap<Mac, u64>,
    /// The journal.
    pub plugs: BTreeMap<Sandbox, Plug>,
    /// Requests without an answer.
    pub asks: BTreeMap<AskId, Ask>,
    /// Devices that steps are being done on.
    pub busy: BTreeSet<Mac>,
    /// Reports on their way that no claim shows yet.
    pub told: BTreeMap<ClaimKey, Report>,
}

impl Facts {
    /// Takes in a claim as the API server shows it.
    pub fn learn(&mut self, claim: Claim, now: u64) {
        if self
            .told
            .get(&claim.key)
            .is_some_and(|told| claim.reported.as_ref() == Some(told))
        {
            self.told.remove(&claim.key);
        }
        let before = self.claims.get(&claim.key);
        if before.is_none_or(|before| before.progress() != claim.progress()) {
            for ask in self.asks.values_mut().filter(|ask| claim.serves(&ask.wish)) {
                ask.progress = now;
            }
        }
        self.claims.insert(claim.key.clone(), claim);
    }

    /// Takes in that a claim is gone or belongs to another node.
    pub fn forget(&mut self, key: &ClaimKey) {
        self.claims.remove(key);
        self.told.remove(key);
    }

    /// Takes in the whole list of this node's claims.
    pub fn list(&mut self, claims: Vec<Claim>, now: u64) {
        let keys: BTreeSet<_> = claims.iter().map(|c| c.key.clone()).collect();
        self.claims.retain(|key, _| keys.contains(key));
        // A list stands for the events that were missed: what it does not show of our reports is told again.
        self.told.clear();
        for claim in claims {
            self.learn(claim, now);
        }
        self.listed = true;
    }

    /// What was last reported of a claim's present attachment, on its way or taken.
    pub fn reported<'a>(&'a self, claim: &'a Claim) -> Option<&'a Place> {
        let attachment = claim.attachment.as_ref()?;
        self.told
            .get(&claim.key)
            .or(claim.reported.as_ref())
            .filter(|report| report.attachment == attachment.id)
            .map(|report| &report.place)
    }

    /// Who has the device `mac`.
    pub fn holder(&self, mac: Mac) -> Option<(&Sandbox, &Plug)> {
        self.plugs.iter().find(|(_, plug)| plug.mac == mac)
    }
}

impl Claim {
    /// Whether this is the claim that a request is about.
    pub fn serves(&self, wish: &Wish) -> bool {
        match wish {
            Wish::Add {
                namespace,
                pod: _,
                pod_uid,
            } => self.key.namespace == *namespace && self.pod_uid.as_ref() == Some(pod_uid),
            Wish::Del => false,
        }
    }
}
