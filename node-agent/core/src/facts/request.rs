//! What the runtime asks for: requests, and the sandboxes that they are for.

use std::collections::BTreeSet;

use super::{Facts, Liveness, Mac, PlugKey, PlugState, Pod, Position, Sandbox};
use crate::{
    claim::{Eni, Interface},
    port::{PortAsked, PortKey},
    replaced::{AddressesAsked, Release},
};

/// A request of the plugin that has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For which sandbox.
    pub sandbox: Sandbox,
    /// What is asked.
    pub verb: Verb,
    /// When it came, in milliseconds.
    pub since: u64,
    /// Where the plugin stands that asks.
    pub position: Position,
    /// When its claim last made progress, in milliseconds.
    pub progress: u64,
    /// Devices that were plugged, or checked, for this request.
    pub done: BTreeSet<Mac>,
    /// Devices that were looked for in its namespace and not found: no other plugin moved them there.
    pub missed: BTreeSet<Mac>,
    /// The port that is being added, or checked, for this request.
    pub port: Option<PortKey>,
    /// Whether that is done.
    pub port_done: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// ENIs in the sandbox.
    Add(Wanted),
    /// Whether these are as they should be.
    Check(Wanted),
    /// Nothing of the sandbox may be left.
    Del,
    /// Addresses are given back whose interface another plugin makes.
    Release(Release),
}

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Those of this pod's claims.
    Claims(Pod),
    /// The one that the configuration of the network names.
    Explicit(Box<Explicit>),
    /// No ENI: addresses of the node's bridges.
    Port(Box<PortAsked>),
    /// The addresses of a pod's claim, whose device another plugin moves.
    Addresses(Box<AddressesAsked>),
}

impl From<Pod> for Wanted {
    fn from(pod: Pod) -> Self {
        Self::Claims(pod)
    }
}

/// An ENI of which all is in the configuration of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explicit {
    /// The ENI.
    pub eni: Eni,
    /// What its interface is to look like.
    pub interface: Interface,
}

impl Verb {
    /// The pod that is asked for.
    pub fn pod(&self) -> Option<&Pod> {
        match self {
            Self::Add(Wanted::Claims(pod)) | Self::Check(Wanted::Claims(pod)) => Some(pod),
            Self::Add(Wanted::Addresses(asked)) | Self::Check(Wanted::Addresses(asked)) => {
                Some(&asked.pod)
            }
            Self::Add(Wanted::Explicit(_) | Wanted::Port(_))
            | Self::Check(Wanted::Explicit(_) | Wanted::Port(_))
            | Self::Del
            | Self::Release(_) => None,
        }
    }
}

/// Identifies a [`Request`]; a later one is greater, and the first of an agent is 1.
pub type RequestId = u64;

/// Who a sandbox is for, and since when the agent knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// UID of the pod; `None` where the configuration of the network says all.
    pub pod_uid: Option<String>,
    /// The first ADD of its container, also if that was for another network or interface; 0 was answered by an agent before this one.
    pub first: RequestId,
}

impl Facts {
    /// Takes in a request.
    pub fn ask(&mut self, id: RequestId, sandbox: Sandbox, verb: Verb, now: u64) {
        match &verb {
            Verb::Add(Wanted::Claims(_) | Wanted::Explicit(_)) => {
                let known = Known {
                    pod_uid: verb.pod().map(|pod| pod.uid.clone()),
                    first: self.first_of(&sandbox.container_id).unwrap_or(id),
                };
                self.sandboxes.entry(sandbox.clone()).or_insert(known);
            }
            // Nothing of these is plugged.
            Verb::Add(Wanted::Port(_) | Wanted::Addresses(_))
            | Verb::Check(_)
            | Verb::Release(_) => {}
            Verb::Del => drop(self.sandboxes.remove(&sandbox)),
        }
        let request = Request {
            sandbox,
            verb,
            position: Position::default(),
            since: now,
            progress: now,
            done: BTreeSet::new(),
            missed: BTreeSet::new(),
            port: None,
            port_done: false,
        };
        self.requests.insert(id, request);
    }

    /// The first ADD of a container, whatever its network and interface.
    fn first_of(&self, container_id: &str) -> Option<RequestId> {
        let mut known = self.sandboxes.iter();
        let of_container = known.find(|(sandbox, _)| sandbox.container_id == container_id);
        of_container.map(|(_, known)| known.first)
    }

    /// Takes in that the plugin gave up on a DEL of the sandbox: what it asked for is done now.
    pub fn deleted(&mut self, sandbox: &Sandbox) {
        self.sandboxes.remove(sandbox);
        for (key, plug) in &mut self.plugs {
            let goes = plug.state != PlugState::Restored;
            if key.sandbox == *sandbox && goes && !self.busy.contains(&key.mac) {
                plug.state = PlugState::Unplugging;
            }
        }
        let ports: Vec<_> = self.ports.of(sandbox).map(|(key, _)| *key).collect();
        self.ports.go(&ports);
    }

    /// Takes in that a device is in its pod no more. With the last one goes what the node has of its addresses.
    pub fn unplugged(&mut self, key: &PlugKey) {
        self.plugs.remove(key);
        if self.plugs_of(&key.sandbox).next().is_none()
            && let Some((port, _)) = self.ports.of_pod(&key.sandbox)
        {
            self.ports.go(&[port]);
        }
    }

    /// Takes in that the plugin gave up on giving addresses back: that is done now.
    pub fn released(&mut self, sandbox: &Sandbox, release: &Release) {
        let ports = self.ports.released(sandbox, release);
        let ports: Vec<_> = ports.map(|(key, _)| *key).collect();
        self.ports.go(&ports);
    }

    /// The newest sandbox of a sandbox's pod, if that is another one.
    pub fn newer(&self, sandbox: &Sandbox) -> Option<&Sandbox> {
        let own = self.sandboxes.get(sandbox)?;
        own.pod_uid.as_ref()?;
        let newer = (self.sandboxes.iter())
            .filter(|(_, other)| other.pod_uid == own.pod_uid && other.first > own.first)
            .max_by_key(|(_, other)| other.first);
        newer.map(|(sandbox, _)| sandbox)
    }

    /// Takes in that an ADD was answered with these devices: from now on they are in the pod whether somebody asks or not.
    pub fn added(&mut self, sandbox: &Sandbox, macs: &[Mac]) {
        for (key, plug) in &mut self.plugs {
            let answered = key.sandbox == *sandbox && macs.contains(&key.mac);
            if answered && plug.state == PlugState::Plugging {
                plug.state = PlugState::Plugged;
            }
        }
    }

    /// Whether an ADD of the sandbox has no answer yet.
    pub fn is_asked_for(&self, sandbox: &Sandbox) -> bool {
        let mut requests = self.requests.values();
        requests.any(|request| request.sandbox == *sandbox && matches!(request.verb, Verb::Add(_)))
    }

    /// Takes in which attachments of a network the runtime still knows (CNI GC): the device of another one whose namespace is
    /// dead returns to the host. What lives is left alone, whatever the runtime says.
    pub fn collect(&mut self, network: &str, valid: &[cni_protocol::Attachment]) {
        let is_gone = |sandbox: &Sandbox| {
            let mut valid = valid.iter();
            let known = valid.any(|attachment| {
                attachment.container_id == sandbox.container_id
                    && attachment.if_name == sandbox.if_name
            });
            sandbox.network == network && !known
        };
        for (PlugKey { sandbox, .. }, plug) in &mut self.plugs {
            let dead = plug.observed.liveness == Liveness::Dead;
            if is_gone(sandbox) && dead && plug.state != PlugState::Restored {
                plug.state = PlugState::Unplugging;
            }
        }
        let (plugs, requests) = (&self.plugs, &self.requests);
        self.sandboxes.retain(|sandbox, _| {
            let plugged = plugs.keys().any(|key| key.sandbox == *sandbox);
            let asks = requests.values().any(|request| request.sandbox == *sandbox);
            plugged || asks || !is_gone(sandbox)
        });
    }
}
