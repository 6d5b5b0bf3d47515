//! Asking and asking again: what is due when a timer fires.

use super::{MOST_REQUESTS, Step, timing};
use crate::dhcp::{
    BootTime, Moment,
    v4::{
        To,
        lease::{Binding, Exchange, Offer, State},
    },
};

impl Exchange {
    /// A transaction that begins now.
    fn now(at: Moment) -> Self {
        Self::waiting(at.now, at)
    }

    /// A transaction whose first packet is sent later.
    pub(super) fn waiting(until: BootTime, at: Moment) -> Self {
        Self {
            xid: at.xid,
            begun: until,
            secs: 0,
            sent: 0,
            next_at: until,
        }
    }

    /// A request that answers an offer.
    pub(super) fn of_the_same_transaction(&self, at: Moment) -> Self {
        Self {
            xid: self.xid,
            begun: at.now,
            secs: self.secs,
            sent: 0,
            next_at: at.now,
        }
    }

    /// What is overdue is due at `soon`.
    pub(super) fn postpone(&mut self, now: BootTime, soon: BootTime) {
        if self.next_at < now {
            self.next_at = soon;
        }
    }

    /// Counts a packet that is sent now.
    fn count(&mut self, at: Moment) {
        if self.sent == 0 {
            self.begun = at.now;
        }
        self.sent = self.sent.saturating_add(1);
        self.next_at = timing::again(self.sent, at);
    }

    /// Seconds since its first packet.
    fn secs(&self, at: Moment) -> u16 {
        u16::try_from(at.now.since(self.begun) / 1_000).unwrap_or(u16::MAX)
    }
}

impl Step<'_> {
    /// Does what is due.
    pub(super) fn act(&mut self) {
        let now = self.at.now;
        let due = |time: BootTime| time <= now;
        match self.lease.state.clone() {
            State::Init { until } if due(until) => self.discover(Exchange::now(self.at)),
            State::Selecting(exchange) if due(exchange.next_at) => self.discover(exchange),
            State::Requesting(exchange, offer) if due(exchange.next_at) => {
                self.request(exchange, offer);
            }
            State::Rebooting(exchange, binding) if due(exchange.next_at) => {
                self.ask_whether(exchange, binding);
            }
            State::Probing { binding, until } if due(until) => self.probe(binding),
            State::Bound(binding) => self.prolong(None, binding),
            State::Renewing(exchange, binding) => self.prolong(Some(exchange), binding),
            State::Rebinding(exchange, binding) if due(exchange.next_at) => {
                self.rebind(exchange, binding);
            }
            State::Init { .. }
            | State::Selecting(_)
            | State::Requesting(..)
            | State::Rebooting(..)
            | State::Probing { .. }
            | State::Rebinding(..)
            | State::Released => {}
        }
    }

    fn discover(&mut self, mut exchange: Exchange) {
        exchange.count(self.at);
        exchange.secs = exchange.secs(self.at);
        let packet = self.client.discover(&exchange, self.lease.remembered);
        self.send(packet, To::Everybody);
        self.lease.state = State::Selecting(exchange);
    }

    pub(super) fn request(&mut self, mut exchange: Exchange, offer: Offer) {
        if exchange.sent >= MOST_REQUESTS {
            let until = self.failed();
            self.lease.state = State::Init { until };
            return;
        }
        exchange.count(self.at);
        let packet = self.client.request(&exchange, offer);
        self.send(packet, To::Everybody);
        self.lease.state = State::Requesting(exchange, offer);
    }

    /// Without an answer the lease is used until its end, as RFC 2131 section 3.2 allows; without a lease there is no use in asking
    /// for its address.
    fn ask_whether(&mut self, mut exchange: Exchange, binding: Option<Binding>) {
        let held = binding.as_ref().map(|binding| binding.parameters.address);
        let address = held.or(self.lease.remembered);
        let (Some(address), true) = (address, exchange.sent < MOST_REQUESTS) else {
            self.lease.state = match binding {
                Some(binding) => State::Bound(binding),
                None => State::Init {
                    until: self.failed(),
                },
            };
            return;
        };
        exchange.count(self.at);
        exchange.secs = exchange.secs(self.at);
        let packet = self.client.reboot(&exchange, address);
        self.send(packet, To::Everybody);
        self.lease.state = State::Rebooting(exchange, binding);
    }

    /// RENEWING from T1 on, REBINDING from T2 on.
    fn prolong(&mut self, exchange: Option<Exchange>, binding: Binding) {
        let now = self.at.now;
        let due = |time: Option<BootTime>| time.is_some_and(|time| time <= now);
        if due(binding.term.rebind_at()) {
            self.rebind(Exchange::now(self.at), binding);
        } else if due(exchange.as_ref().map(|exchange| exchange.next_at))
            || exchange.is_none() && due(binding.term.renew_at())
        {
            let exchange = exchange.unwrap_or_else(|| Exchange::now(self.at));
            let server = To::Server {
                from: binding.parameters.address,
                to: binding.parameters.server,
            };
            let end = binding.term.rebind_at();
            let exchange = self.ask_for_more(exchange, &binding, server, end);
            self.lease.state = State::Renewing(exchange, binding);
        }
    }

    fn rebind(&mut self, exchange: Exchange, binding: Binding) {
        let end = binding.term.expires_at();
        let exchange = self.ask_for_more(exchange, &binding, To::Everybody, end);
        self.lease.state = State::Rebinding(exchange, binding);
    }

    fn ask_for_more(
        &mut self,
        mut exchange: Exchange,
        binding: &Binding,
        to: To,
        end: Option<BootTime>,
    ) -> Exchange {
        exchange.count(self.at);
        exchange.secs = exchange.secs(self.at);
        exchange.next_at = timing::again_before(end, self.at);
        let packet = self.client.prolong(&exchange, binding.parameters.address);
        self.send(packet, to);
        exchange
    }
}
