//! Asking and asking again: what is due when a timer fires.

use super::Step;
use crate::dhcp::{
    BootTime, Moment,
    v6::{
        lease::{Advertiser, Binding, Exchange, State},
        parameters::{Duid, Parameters},
        timing::Schedule,
    },
};

impl Exchange {
    /// A transaction that begins now.
    pub(super) fn now(at: Moment) -> Self {
        Self::waiting(at.now, at)
    }

    /// A transaction whose first packet is sent later.
    pub(super) fn waiting(until: BootTime, at: Moment) -> Self {
        Self {
            xid: at.xid & 0xff_ffff,
            begun: until,
            sent: 0,
            pause: None,
            next_at: until,
        }
    }

    /// Counts a packet that is sent now, and is followed by such a pause.
    fn count(&mut self, pause: u64, at: Moment) {
        if self.sent == 0 {
            self.begun = at.now;
        }
        self.sent = self.sent.saturating_add(1);
        self.pause = Some(pause);
        self.next_at = at.now.after(pause);
    }

    /// Counts a packet by the schedule of its sort; `false`: it was sent often enough.
    fn count_by(&mut self, schedule: Schedule, at: Moment) -> bool {
        if schedule.most.is_some_and(|most| self.sent >= most) {
            return false;
        }
        self.count(schedule.pause(self.pause, at), at);
        true
    }
}

impl Step<'_> {
    /// Does what is due.
    pub(super) fn act(&mut self) {
        let now = self.at.now;
        let due = |time: BootTime| time <= now;
        match self.lease.state.clone() {
            State::Init { until } if due(until) => {
                let exchange = Exchange::now(self.at);
                if self.client.wants_information_only() {
                    self.ask_for_information(exchange, None);
                } else {
                    self.solicit(exchange);
                }
            }
            State::Soliciting(exchange, best) if due(exchange.next_at) => match best {
                Some(Advertiser { server, .. }) => self.request(Exchange::now(self.at), server),
                None => self.solicit(exchange),
            },
            State::Requesting(exchange, server) if due(exchange.next_at) => {
                self.request(exchange, server);
            }
            State::Probing {
                binding,
                unproven,
                until,
            } if due(until) => self.probe(binding, unproven),
            State::Bound(binding) => self.prolong(None, binding),
            State::Confirming(exchange, binding) if due(exchange.next_at) => {
                self.confirm(exchange, binding);
            }
            State::Renewing(exchange, binding) => self.prolong(Some(exchange), binding),
            State::Rebinding(exchange, binding) if due(exchange.next_at) => {
                self.rebind(exchange, binding);
            }
            State::Informing(exchange, known) if due(exchange.next_at) => {
                self.ask_for_information(exchange, known);
            }
            State::Informed { parameters, until } if due(until) => {
                self.ask_for_information(Exchange::now(self.at), Some(parameters));
            }
            State::Init { .. }
            | State::Soliciting(..)
            | State::Requesting(..)
            | State::Probing { .. }
            | State::Confirming(..)
            | State::Rebinding(..)
            | State::Informing(..)
            | State::Informed { .. }
            | State::Released => {}
        }
    }

    fn solicit(&mut self, mut exchange: Exchange) {
        let schedule = Schedule::solicit(self.lease.solicit_limit);
        let pause = match exchange.pause {
            None => schedule.first_pause_of_solicit(self.at),
            last => schedule.pause(last, self.at),
        };
        exchange.count(pause, self.at);
        let remembered = &self.lease.remembered;
        let packet = self.client.solicit(&exchange, remembered, self.at);
        self.send(packet);
        self.lease.state = State::Soliciting(exchange, None);
    }

    pub(super) fn request(&mut self, mut exchange: Exchange, server: Duid) {
        if !exchange.count_by(Schedule::REQUEST, self.at) {
            let until = self.failed();
            self.lease.state = State::Init { until };
            return;
        }
        let remembered = &self.lease.remembered;
        let packet = (self.client).request(&exchange, &server, remembered, self.at);
        self.send(packet);
        self.lease.state = State::Requesting(exchange, server);
    }

    /// Without an answer the leases are used until their end (RFC 8415 section 18.2.3).
    fn confirm(&mut self, mut exchange: Exchange, binding: Binding) {
        if !exchange.count_by(Schedule::CONFIRM, self.at) {
            self.lease.state = State::Bound(binding);
            return;
        }
        let packet = self.client.confirm(&exchange, &binding, self.at);
        self.send(packet);
        self.lease.state = State::Confirming(exchange, binding);
    }

    /// RENEW from T1 on, REBIND from T2 on.
    fn prolong(&mut self, exchange: Option<Exchange>, binding: Binding) {
        let now = self.at.now;
        let due = |time: Option<BootTime>| time.is_some_and(|time| time <= now);
        if due(binding.rebind_at) {
            self.rebind(Exchange::now(self.at), binding);
        } else if due(exchange.as_ref().map(|exchange| exchange.next_at))
            || exchange.is_none() && due(binding.renew_at)
        {
            let mut exchange = exchange.unwrap_or_else(|| Exchange::now(self.at));
            exchange.count_by(Schedule::PROLONG, self.at);
            let server = Some(&binding.parameters.server);
            let packet = self.client.prolong(&exchange, &binding, server, self.at);
            self.send(packet);
            self.lease.state = State::Renewing(exchange, binding);
        }
    }

    fn rebind(&mut self, mut exchange: Exchange, binding: Binding) {
        exchange.count_by(Schedule::PROLONG, self.at);
        let packet = self.client.prolong(&exchange, &binding, None, self.at);
        self.send(packet);
        self.lease.state = State::Rebinding(exchange, binding);
    }

    fn ask_for_information(&mut self, mut exchange: Exchange, known: Option<Parameters>) {
        exchange.count_by(Schedule::information(self.lease.information_limit), self.at);
        let packet = self.client.ask_for_information(&exchange, self.at);
        self.send(packet);
        self.lease.state = State::Informing(exchange, known);
    }
}
