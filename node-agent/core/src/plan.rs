//! Every decision of the agent: from all that is known to what is to be done now.

use std::collections::BTreeSet;

use crate::{
    claim::{Claim, ClaimKey, Place, Report, Unreadable, Wait},
    custody::Custody,
    facts::{
        Facts, LeaseRead, Liveness, Operator, Origin, Plug, PlugKey, PlugState, Request, RequestId,
        Retry, Sandbox, Verb,
    },
    mac::Mac,
    picture::PodSlot,
    port::PortKey,
};

mod access;
mod addresses;
mod asked;
mod leases;
mod ports;
mod reports;
mod requests;
mod target;

pub use self::{
    addresses::{Given, addresses},
    leases::{Keep, LeasePlace, Wanted, leases},
    ports::PortOrder,
};

/// Without progress for so long a waiting ADD is answered, so that a person reads why; kubelet asks again.
pub const NO_PROGRESS: u64 = 10_000;
/// Without a claim for so long it is answered, too: the operator makes one as soon as the pod is scheduled.
pub const NO_CLAIM: u64 = 3_000;
/// No ADD waits longer. While a plugin runs, go-cni and ocicni hold a lock that a change in `/etc/cni/net.d` waits for, and behind it
/// every other pod of the node and the runtime's status.
pub const LONGEST_ADD: u64 = 17_000;
/// A DEL whose device did not return so often succeeds: the namespace's end will bring it, and a pod must be able to go.
pub const DEL_ATTEMPTS: u32 = 2;
/// A device that is neither on the host nor in a namespace that can be entered is reported as hidden after so long, while its pod lives.
pub const HIDDEN_AFTER: u64 = 3_000;
/// If the pod's namespace is dead, after so long: an orphaned TCP socket holds its namespace until the last retransmission, up to about two minutes
/// (`net.ipv4.tcp_orphan_retries` in `Documentation/networking/ip-sysctl.rst`), and then the kernel returns the device.
pub const HIDDEN_AFTER_DEATH: u64 = 120_000;
/// The plugin that moved a borrowed device into its pod has so long to take it back after our DEL; then we do. A runtime calls the other
/// plugins' DEL right after ours, and repeats it for minutes where it fails.
pub const LENDER_RETURNS_WITHIN: u64 = 60_000;
/// A device on the host is reported so long after it came there. Most are plugged sooner when they are new, and released sooner
/// when they come back: that report says both.
pub const REPORT_ON_HOST_AFTER: u64 = 2_000;

/// What is to be done now, and when to ask again though nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be done now.
    pub orders: Vec<Order>,
    /// In milliseconds; `None`: only an event changes anything.
    pub wake_at: Option<u64>,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Answer a request.
    Answer(RequestId, Answer),
    /// Plug a device into the namespace of a request, or make sure that it is as it should be.
    Plug {
        /// The request.
        request: RequestId,
        /// What asks for it.
        origin: Origin,
        /// The ENI's id.
        eni: String,
        /// Sandbox and device.
        key: PlugKey,
        /// Which of the pod's ENIs it is.
        slot: PodSlot,
    },
    /// Compare what is in the namespace of a request with what should be.
    Check {
        /// The request.
        request: RequestId,
        /// Sandbox and device.
        key: PlugKey,
    },
    /// Set the interface of a plug as its leases say now.
    Configure(PlugKey),
    /// Return the device of a plug to the host, wherever it is.
    Unplug(PlugKey, Traces),
    /// Leave a borrowed device where it is, as it was found.
    Restore(PlugKey),
    /// Forget a borrowed device, which the plugin that moved it in returned to the host.
    Forget(PlugKey),
    /// Look for a device that the journal knows nothing of in every namespace, and return it to the host.
    Search(Mac),
    /// Something about a port.
    Port(PortOrder),
    /// Tell the API server.
    Report(ClaimKey, Report),
    /// Read the operator's Lease.
    ReadLease,
}

/// What happens to rules, routes and the packet filter after the device has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    /// The namespace is about to die, and they die with it.
    Leave,
    /// The pod lives on: what is the ENI's alone goes, and what the ENIs of a pod share with the last of them.
    Remove,
}

/// What is answered without touching the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The interfaces are in the pod; their devices in the order in which it asks for them.
    Added(Vec<Mac>),
    /// The container has the addresses of this port, and its interface if that is ours.
    Port(PortKey),
    /// The addresses of a claim, whose device another plugin moves.
    Addresses(Box<Given>),
    /// Everything is as it should be.
    Checked,
    /// Nothing of the sandbox is left.
    Deleted,
    /// Not now; one sentence why.
    Later(String),
    /// Something that should be in the pod is not; one sentence what.
    Missing(String),
}

/// What is to be done now. The same facts at the same time give the same plan; without a reason to act, no orders.
pub fn plan(facts: &Facts, now: u64) -> Plan {
    let mut round = Round {
        facts,
        now,
        plan: Plan::default(),
        taken: facts.busy.clone(),
        taken_ports: BTreeSet::new(),
    };
    // One request of a sandbox at a time. DEL first: it ends an ADD that still waits, and a later ADD waits for it.
    let mut served = BTreeSet::new();
    for (id, request) in &facts.requests {
        match &request.verb {
            Verb::Del => {
                served.insert(&request.sandbox);
                round.del(*id, &request.sandbox);
            }
            Verb::Release(release) => round.release(*id, &request.sandbox, release),
            Verb::Add(_) | Verb::Check(_) => {}
        }
    }
    for (id, request) in &facts.requests {
        match &request.verb {
            Verb::Add(wanted) if served.insert(&request.sandbox) => {
                round.add(*id, request, wanted);
            }
            Verb::Check(wanted) if served.insert(&request.sandbox) => {
                round.check(*id, request, wanted);
            }
            Verb::Add(_) | Verb::Check(_) => round.behind(*id, request),
            Verb::Del | Verb::Release(_) => {}
        }
    }
    for (key, port) in &facts.ports.all {
        round.tend_port(*key, port);
    }
    for (key, plug) in &facts.plugs {
        round.tend(key, plug);
    }
    for claim in facts.claims.values() {
        round.report(claim);
    }
    round.plan
}

struct Round<'a> {
    facts: &'a Facts,
    now: u64,
    plan: Plan,
    /// Devices that something is being done on, orders of this round included.
    taken: BTreeSet<Mac>,
    /// Ports that this round orders something for.
    taken_ports: BTreeSet<PortKey>,
}

impl Round<'_> {
    /// Looks after a device that is, or was, in a pod.
    fn tend(&mut self, key: &PlugKey, plug: &Plug) {
        let on_host = self.facts.devices.contains_key(&key.mac);
        let goes = match plug.state {
            PlugState::Unplugging | PlugState::Restored => true,
            // It came because the namespace died, or because the pod pushed it here.
            PlugState::Plugged if on_host => true,
            PlugState::Plugging if on_host && plug.observed.liveness == Liveness::Dead => true,
            // Its ADD ended with another answer or none: the runtime may never call DEL for what it did not get.
            PlugState::Plugging if !self.facts.is_asked_for(&key.sandbox) => true,
            PlugState::Plugging | PlugState::Plugged => self.is_over(key, plug),
        };
        if goes {
            self.unplug(key, plug);
        } else if plug.state == PlugState::Plugged && plug.observed.liveness != Liveness::Dead {
            self.configure(key, plug);
        }
    }

    /// What its leases brought to a pod that runs follows them.
    fn configure(&mut self, key: &PlugKey, plug: &Plug) {
        let Some(asked_for) = self.facts.asked_for(&plug.origin) else {
            return;
        };
        if !asked_for.dhcp.configures() {
            return;
        }
        let Some(wanted) = self.facts.wanted(key, plug, asked_for) else {
            return;
        };
        let is_so = plug.observed.configured.as_deref() == Some(&wanted);
        if is_so || self.taken.contains(&key.mac) || !self.is_due(plug.observed.reconfigure) {
            return;
        }
        self.taken.insert(key.mac);
        self.order(Order::Configure(key.clone()));
    }

    /// Whether what asked for the plug does not want it any more.
    fn is_over(&self, key: &PlugKey, plug: &Plug) -> bool {
        let dead = plug.observed.liveness == Liveness::Dead;
        let Origin::Claim {
            claim,
            attachment,
            pod_uid: _,
        } = &plug.origin
        else {
            return dead;
        };
        if self.facts.unreadable.contains_key(claim) {
            return false;
        }
        let Some(claim) = self.facts.claims.get(claim) else {
            // What the API server forgot is not taken from a running pod.
            return self.facts.listed && dead;
        };
        let other_device = claim.eni.as_ref().is_some_and(|eni| eni.mac != key.mac);
        let other_attachment =
            (claim.attachment.as_ref()).is_some_and(|now| now.release || now.id != *attachment);
        other_device || other_attachment
    }

    fn order(&mut self, order: Order) {
        self.plan.orders.push(order);
    }

    /// The plan is to be made again at `at`, in the future.
    fn wake(&mut self, at: u64) {
        let at = at.max(self.now + 1);
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether an attempt is due; if it is not, the plan is made again when it is.
    fn is_due(&mut self, retry: Retry) -> bool {
        self.is_time(retry.at)
    }

    /// Whether it is `at` already; if it is not, the plan is made again then.
    fn is_time(&mut self, at: u64) -> bool {
        if at > self.now {
            self.wake(at);
        }
        at <= self.now
    }

    /// The one place that orders it, so that every reason for it waits after a failure.
    fn unplug(&mut self, key: &PlugKey, plug: &Plug) {
        if self.taken.contains(&key.mac) || !self.is_due(plug.observed.retry) {
            return;
        }
        let Some(order) = self.way_back(key, plug) else {
            return;
        };
        self.taken.insert(key.mac);
        self.order(order);
    }

    /// How the device of a plug gets back to the host; `None`: another plugin still has time to do it.
    fn way_back(&mut self, key: &PlugKey, plug: &Plug) -> Option<Order> {
        let on_host = self.facts.devices.contains_key(&key.mac);
        let unplug = Order::Unplug(key.clone(), self.traces(key, plug));
        match (&plug.custody, plug.state) {
            (Custody::Ours, _) => Some(unplug),
            (
                Custody::Borrowed(_),
                PlugState::Plugging | PlugState::Plugged | PlugState::Unplugging,
            ) => Some(Order::Restore(key.clone())),
            (Custody::Borrowed(_), PlugState::Restored) if on_host => {
                Some(Order::Forget(key.clone()))
            }
            (Custody::Borrowed(_), PlugState::Restored) => self
                .is_time(plug.observed.restored + LENDER_RETURNS_WITHIN)
                .then_some(unplug),
        }
    }

    fn traces(&self, key: &PlugKey, plug: &Plug) -> Traces {
        let deleted = (self.facts.requests.values())
            .any(|request| request.verb == Verb::Del && request.sandbox == key.sandbox);
        if deleted || plug.observed.liveness == Liveness::Dead {
            return Traces::Leave;
        }
        Traces::Remove
    }
}
