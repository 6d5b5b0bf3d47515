//! The state of one ENI's leases of IPv6, as a journal holds it.

use std::{collections::BTreeSet, net::Ipv6Addr};

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::{
    parameters::{Duid, Parameters, Resources},
    timing::LIMIT,
};
use crate::dhcp::BootTime;

/// The leases of one ENI, or how far it is from them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Where the client is.
    pub state: State,
    /// What was leased last and was not refused: it is asked for again.
    pub remembered: Resources,
    /// Attempts since the last lease that ended in a refusal, a conflict or silence after an advertisement. They lengthen the pause
    /// before the next one.
    pub failures: u32,
    /// What a server offered first that is not the claim's, since one offered nothing else.
    pub differing: Option<Resources>,
    /// `SOL_MAX_RT`: the longest pause of SOLICIT, in milliseconds.
    pub solicit_limit: u64,
    /// `INF_MAX_RT`: the longest pause of INFORMATION-REQUEST, in milliseconds.
    pub information_limit: u64,
}

/// What the client does (RFC 8415 section 18.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Does nothing yet.
    Init {
        /// When it asks.
        until: BootTime,
    },
    /// Asks for servers; the best one yet.
    Soliciting(Exchange, Option<Advertiser>),
    /// Asks one for what it advertised.
    Requesting(Exchange, Duid),
    /// Has leases, and finds out whether somebody else uses the addresses among them.
    Probing {
        /// The leases.
        binding: Binding,
        /// Addresses not to be used yet.
        unproven: BTreeSet<Ipv6Addr>,
        /// When the probes are asked for again.
        until: BootTime,
    },
    /// Has leases.
    Bound(Binding),
    /// Has leases, and asks whether they are right for this link.
    Confirming(Exchange, Binding),
    /// Asks its server to prolong them.
    Renewing(Exchange, Binding),
    /// Asks any server to prolong them.
    Rebinding(Exchange, Binding),
    /// Asks for information only; what it knows already.
    Informing(Exchange, Option<Parameters>),
    /// Has information only.
    Informed {
        /// What it says.
        parameters: Parameters,
        /// When it is asked for again.
        until: BootTime,
    },
    /// Gave its leases back, for good.
    Released,
}

impl State {
    /// What the client does, in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init",
            Self::Soliciting(..) => "soliciting",
            Self::Requesting(..) => "requesting",
            Self::Probing { .. } => "probing",
            Self::Bound(_) => "bound",
            Self::Confirming(..) => "confirming",
            Self::Renewing(..) => "renewing",
            Self::Rebinding(..) => "rebinding",
            Self::Informing(..) => "informing",
            Self::Informed { .. } => "informed",
            Self::Released => "released",
        }
    }
}

/// Packets of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exchange {
    /// Its id.
    pub xid: u32,
    /// When its first packet was sent. Lifetimes count from there, whichever packet was answered.
    pub begun: BootTime,
    /// How often the packet was sent.
    pub sent: u32,
    /// The pause after the last packet, in milliseconds; `None`: none was sent.
    pub pause: Option<u64>,
    /// When it is sent next.
    pub next_at: BootTime,
}

/// A server that advertised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Advertiser {
    /// The server.
    pub server: Duid,
    /// How much it wants to be taken.
    pub preference: u8,
}

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// What it says, without what is leased.
    pub parameters: Parameters,
    /// Addresses, each with 128 bits.
    pub addresses: Vec<Item>,
    /// Prefixes.
    pub prefixes: Vec<Item>,
    /// T1: its server is asked.
    pub renew_at: Option<BootTime>,
    /// T2: any server is asked.
    pub rebind_at: Option<BootTime>,
}

/// An address or a prefix that is leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Item {
    /// The prefix, or the address with 128 bits.
    pub net: Ipv6Net,
    /// Until when new connections should use it; `None`: for ever.
    pub preferred_until: Option<BootTime>,
    /// Until when it may be used; `None`: for ever.
    pub valid_until: Option<BootTime>,
}

impl Item {
    /// Whether its time is over.
    pub(super) fn is_over(&self, now: BootTime) -> bool {
        self.valid_until.is_some_and(|end| end <= now)
    }
}

impl Binding {
    /// Everything that is leased.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.addresses.iter().chain(&self.prefixes)
    }

    /// What is leased and not over.
    pub(super) fn resources(&self, now: BootTime) -> Resources {
        self.resources_that(|item| !item.is_over(now))
    }

    /// What is leased of the items that are meant.
    fn resources_that(&self, meant: impl Fn(&Item) -> bool) -> Resources {
        let nets = |items: &[Item]| -> BTreeSet<_> {
            let items = items.iter().filter(|item| meant(item));
            items.map(|item| item.net).collect()
        };
        Resources {
            addresses: nets(&self.addresses).iter().map(Ipv6Net::addr).collect(),
            prefixes: nets(&self.prefixes),
        }
    }

    /// The next end of one of its items.
    pub(in crate::dhcp) fn end(&self) -> Option<BootTime> {
        self.items().filter_map(|item| item.valid_until).min()
    }
}

impl Lease {
    /// None yet; the client asks at `until`.
    pub(super) fn new(until: BootTime) -> Self {
        Self {
            state: State::Init { until },
            remembered: Resources::default(),
            failures: 0,
            differing: None,
            solicit_limit: LIMIT,
            information_limit: LIMIT,
        }
    }

    /// What may be used now. Not an address that is still being probed, and nothing that is over, however late the timer is.
    pub fn held(&self, now: BootTime) -> Option<Parameters> {
        self.used(|item| !item.is_over(now))
    }

    /// What is used of the items that are meant.
    pub(super) fn used(&self, meant: impl Fn(&Item) -> bool) -> Option<Parameters> {
        let nothing = BTreeSet::new();
        let (binding, unproven) = match &self.state {
            State::Bound(binding)
            | State::Confirming(_, binding)
            | State::Renewing(_, binding)
            | State::Rebinding(_, binding) => (binding, &nothing),
            State::Probing {
                binding, unproven, ..
            } => (binding, unproven),
            State::Informing(_, parameters) => return parameters.clone(),
            State::Informed { parameters, .. } => return Some(parameters.clone()),
            State::Init { .. }
            | State::Soliciting(..)
            | State::Requesting(..)
            | State::Released => return None,
        };
        let mut resources = binding.resources_that(meant);
        (resources.addresses).retain(|address| !unproven.contains(address));
        (!resources.is_empty()).then(|| Parameters {
            resources,
            ..binding.parameters.clone()
        })
    }

    /// What a server has in its books for this client, used or not.
    pub(in crate::dhcp) fn binding(&self) -> Option<&Binding> {
        match &self.state {
            State::Bound(binding)
            | State::Probing { binding, .. }
            | State::Confirming(_, binding)
            | State::Renewing(_, binding)
            | State::Rebinding(_, binding) => Some(binding),
            State::Init { .. }
            | State::Soliciting(..)
            | State::Requesting(..)
            | State::Informing(..)
            | State::Informed { .. }
            | State::Released => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn binding_mut(&mut self) -> Option<&mut Binding> {
        match &mut self.state {
            State::Bound(binding)
            | State::Probing { binding, .. }
            | State::Confirming(_, binding)
            | State::Renewing(_, binding)
            | State::Rebinding(_, binding) => Some(binding),
            State::Init { .. }
            | State::Soliciting(..)
            | State::Requesting(..)
            | State::Informing(..)
            | State::Informed { .. }
            | State::Released => None,
        }
    }

    /// When [`super::Input::Timer`] is due; `None`: only something else that happens changes anything.
    pub fn wake_at(&self) -> Option<BootTime> {
        let due = match &self.state {
            State::Init { until }
            | State::Probing { until, .. }
            | State::Informed { until, .. } => Some(*until),
            State::Soliciting(exchange, _)
            | State::Requesting(exchange, _)
            | State::Confirming(exchange, _)
            | State::Rebinding(exchange, _)
            | State::Informing(exchange, _) => Some(exchange.next_at),
            State::Renewing(exchange, binding) => {
                earlier(Some(exchange.next_at), binding.rebind_at)
            }
            State::Bound(binding) => earlier(binding.renew_at, binding.rebind_at),
            State::Released => None,
        };
        earlier(due, self.binding().and_then(Binding::end))
    }
}

fn earlier(one: Option<BootTime>, other: Option<BootTime>) -> Option<BootTime> {
    one.into_iter().chain(other).min()
}
