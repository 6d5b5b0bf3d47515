//! The state of one ENI's lease, as a journal holds it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::dhcp::BootTime;

/// The lease of one ENI, or how far it is from one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Where the client is.
    pub state: State,
    /// The address that was leased last and was not refused: it is asked for again.
    pub remembered: Option<Ipv4Addr>,
    /// Attempts since the last lease that ended in a refusal, a conflict or silence after an offer. They lengthen the pause before the
    /// next one.
    pub failures: u32,
    /// The first offer of another address than the claim's since the last lease.
    pub differing: Option<Offer>,
}

/// The states of RFC 2131 figure 5. REBOOTING includes INIT-REBOOT, INIT is the pause before DISCOVER.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// INIT: does nothing yet.
    Init {
        /// When it asks.
        until: BootTime,
    },
    /// Asks for offers.
    Selecting(Exchange),
    /// Asks for what was offered.
    Requesting(Exchange, Offer),
    /// Asks whether the remembered address still is its own.
    Rebooting(Exchange, Option<Binding>),
    /// Has a lease, and finds out whether somebody else uses its address.
    Probing {
        /// The lease, not to be used yet.
        binding: Binding,
        /// When the probe is asked for again.
        until: BootTime,
    },
    /// Has a lease.
    Bound(Binding),
    /// Asks its server to prolong the lease.
    Renewing(Exchange, Binding),
    /// Asks any server to prolong the lease.
    Rebinding(Exchange, Binding),
    /// Gave the lease back, for good.
    Released,
}

impl State {
    /// As RFC 2131 figure 5 calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init",
            Self::Selecting(_) => "selecting",
            Self::Requesting(..) => "requesting",
            Self::Rebooting(..) => "rebooting",
            Self::Probing { .. } => "probing",
            Self::Bound(_) => "bound",
            Self::Renewing(..) => "renewing",
            Self::Rebinding(..) => "rebinding",
            Self::Released => "released",
        }
    }
}

/// Packets of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exchange {
    /// Its id.
    pub xid: u32,
    /// When its first packet was sent. A lease counts from there, whichever packet was answered.
    pub begun: BootTime,
    /// What the packets say about how long the client asks already. A request says what its discovery said (RFC 2131 section 4.4.1).
    pub secs: u16,
    /// How often the packet was sent.
    pub sent: u32,
    /// When it is sent next.
    pub next_at: BootTime,
}

/// What a server offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// The address.
    pub address: Ipv4Addr,
    /// The server.
    pub server: Ipv4Addr,
}

/// What a server acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// What it says.
    pub parameters: Parameters,
    /// How long it holds.
    pub term: Term,
}

/// How long a lease holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Term {
    /// It has no end.
    Forever,
    /// It has one.
    Until {
        /// T1: its server is asked.
        renew_at: BootTime,
        /// T2: any server is asked.
        rebind_at: BootTime,
        /// It is over.
        expires_at: BootTime,
    },
}

impl Term {
    /// T1.
    pub fn renew_at(self) -> Option<BootTime> {
        match self {
            Self::Forever => None,
            Self::Until { renew_at, .. } => Some(renew_at),
        }
    }

    /// T2.
    pub fn rebind_at(self) -> Option<BootTime> {
        match self {
            Self::Forever => None,
            Self::Until { rebind_at, .. } => Some(rebind_at),
        }
    }

    /// The end.
    pub fn expires_at(self) -> Option<BootTime> {
        match self {
            Self::Forever => None,
            Self::Until { expires_at, .. } => Some(expires_at),
        }
    }

    /// T1 is `soon` if it is overdue.
    pub(super) fn postpone_renewal(&mut self, now: BootTime, soon: BootTime) {
        if let Self::Until { renew_at, .. } = self
            && *renew_at < now
        {
            *renew_at = soon;
        }
    }

    /// T2 is `soon` if it is overdue.
    pub(super) fn postpone_rebinding(&mut self, now: BootTime, soon: BootTime) {
        if let Self::Until { rebind_at, .. } = self
            && *rebind_at < now
        {
            *rebind_at = soon;
        }
    }
}

impl Lease {
    /// None yet; the client asks at `until`.
    pub(super) fn new(until: BootTime) -> Self {
        Self {
            state: State::Init { until },
            remembered: None,
            failures: 0,
            differing: None,
        }
    }

    /// What may be used now. Not an address that is still being probed, and nothing that is over, however late the timer is.
    pub fn held(&self, now: BootTime) -> Option<&Parameters> {
        let binding = match &self.state {
            State::Bound(binding)
            | State::Renewing(_, binding)
            | State::Rebinding(_, binding)
            | State::Rebooting(_, Some(binding)) => binding,
            State::Init { .. }
            | State::Selecting(_)
            | State::Requesting(..)
            | State::Rebooting(_, None)
            | State::Probing { .. }
            | State::Released => return None,
        };
        (!binding.is_over(now)).then_some(&binding.parameters)
    }

    /// What a server has in its books for this client, used or not.
    pub(in crate::dhcp) fn binding(&self) -> Option<&Binding> {
        match &self.state {
            State::Bound(binding)
            | State::Probing { binding, .. }
            | State::Renewing(_, binding)
            | State::Rebinding(_, binding)
            | State::Rebooting(_, Some(binding)) => Some(binding),
            State::Init { .. }
            | State::Selecting(_)
            | State::Requesting(..)
            | State::Rebooting(_, None)
            | State::Released => None,
        }
    }

    /// When [`super::Input::Timer`] is due; `None`: only something else that happens changes anything.
    pub fn wake_at(&self) -> Option<BootTime> {
        let expiry = self.binding().and_then(|binding| binding.term.expires_at());
        let due = match &self.state {
            State::Init { until } | State::Probing { until, .. } => Some(*until),
            State::Selecting(exchange)
            | State::Requesting(exchange, _)
            | State::Rebooting(exchange, _)
            | State::Rebinding(exchange, _) => Some(exchange.next_at),
            State::Renewing(exchange, binding) => {
                earlier(Some(exchange.next_at), binding.term.rebind_at())
            }
            State::Bound(binding) => earlier(binding.term.renew_at(), binding.term.rebind_at()),
            State::Released => None,
        };
        earlier(due, expiry)
    }
}

impl Binding {
    /// Whether its time is over.
    pub(super) fn is_over(&self, now: BootTime) -> bool {
        self.term.expires_at().is_some_and(|end| end <= now)
    }
}

fn earlier(one: Option<BootTime>, other: Option<BootTime>) -> Option<BootTime> {
    one.into_iter().chain(other).min()
}
