//! The transitions of RFC 2131 figure 5.

use std::net::Ipv4Addr;

use super::{
    Client, Input, Mode, Output, To,
    accept::{Answer, judge},
    lease::{Binding, Exchange, Lease, Offer, State},
    packet::Packet,
    timing::{self, DECLINE_PAUSE, MOST_REQUESTS, PROBE_TIMEOUT},
};
use crate::dhcp::{Boot, BootTime, Change, Loss, Moment};

mod exchange;

impl Client {
    /// A lease that is not there yet. A pod that waits for its address asks at once, whoever has one as startup wants it.
    pub fn begin(&self, at: Moment) -> Lease {
        Lease::new(match self.mode {
            Mode::Maintain(_) => timing::start(at),
            Mode::Configure => at.now,
        })
    }

    /// What follows from an input: the next lease, and what is to be done. An input that is late, early, repeated or meant for another
    /// state changes nothing.
    pub fn step(&self, lease: Lease, input: Input, at: Moment) -> (Lease, Vec<Output>) {
        let mut step = Step {
            client: self,
            at,
            lease,
            outputs: Vec::new(),
        };
        step.expire();
        match input {
            Input::Resumed(boot) => step.resume(boot),
            Input::Timer => step.act(),
            Input::Received(packet) => step.receive(&packet),
            Input::LinkRestarted => step.verify(),
            Input::Free(address) => step.free(address),
            Input::Conflict(address) => step.conflict(address),
            Input::Release => step.release(),
        }
        (step.lease, step.outputs)
    }
}

/// One step.
struct Step<'a> {
    client: &'a Client,
    at: Moment,
    lease: Lease,
    outputs: Vec<Output>,
}

impl Step<'_> {
    /// The end of a lease goes before whatever else happens.
    fn expire(&mut self) {
        let binding = self.lease.binding();
        if binding.is_some_and(|binding| binding.is_over(self.at.now)) {
            self.lose(Loss::Expired);
        }
    }

    /// The journal's deadlines hold, so that an agent that restarts again and again asks no more often than one that does not. What was
    /// overdue is spread, because all leases of the node are.
    fn resume(&mut self, boot: Boot) {
        match boot {
            Boot::Same => self.postpone(),
            Boot::Other => self.reboot(),
        }
        let Mode::Maintain(claimed) = self.client.mode else {
            return;
        };
        let wanted = |address: Ipv4Addr| address == claimed;
        let binding = self.lease.binding();
        if binding.is_some_and(|binding| !wanted(binding.parameters.address)) {
            self.give_back();
            self.lose(Loss::Unwanted);
        }
        self.lease.remembered = self.lease.remembered.filter(|last| wanted(*last));
        self.lease.differing = self.lease.differing.filter(|offer| !wanted(offer.address));
        if let State::Requesting(_, offer) = &self.lease.state
            && !wanted(offer.address)
        {
            self.lease.state = State::Init {
                until: timing::start(self.at),
            };
        }
    }

    fn postpone(&mut self) {
        let (now, soon) = (self.at.now, timing::start(self.at));
        match &mut self.lease.state {
            State::Init { until } => {
                if *until < now {
                    *until = soon;
                }
            }
            State::Selecting(exchange)
            | State::Requesting(exchange, _)
            | State::Rebooting(exchange, _)
            | State::Rebinding(exchange, _) => exchange.postpone(now, soon),
            State::Renewing(exchange, binding) => {
                exchange.postpone(now, soon);
                binding.term.postpone_rebinding(now, soon);
            }
            State::Bound(binding) => {
                binding.term.postpone_renewal(now, soon);
                binding.term.postpone_rebinding(now, soon);
            }
            State::Probing { binding, .. } => {
                let binding = binding.clone();
                self.probe(binding);
            }
            State::Released => {}
        }
    }

    /// No time of the lease means anything, its address may.
    fn reboot(&mut self) {
        if self.lease.state == State::Released {
            return;
        }
        let soon = timing::start(self.at);
        self.lease.state = match self.lease.remembered {
            Some(_) => State::Rebooting(Exchange::waiting(soon, self.at), None),
            None => State::Init { until: soon },
        };
    }

    /// INIT-REBOOT (RFC 2131 section 4.4.2). Who asks already asks on: a link that blinks makes nobody ask more often.
    fn verify(&mut self) {
        if let State::Bound(binding) = &self.lease.state {
            let exchange = Exchange::waiting(timing::start(self.at), self.at);
            self.lease.state = State::Rebooting(exchange, Some(binding.clone()));
        }
    }

    fn receive(&mut self, packet: &Packet) {
        match judge(self.client, &self.lease, packet, self.at) {
            Ok(Answer::Offer(offer)) => self.select(offer),
            // The first one is kept: whoever offers one address after the other is reported once.
            Ok(Answer::Differs(offer)) if self.lease.differing.is_none() => {
                self.lease.differing = Some(offer);
                self.outputs.push(Output::Changed(Change::Differs));
            }
            Ok(Answer::Differs(_)) => {}
            Ok(Answer::Ack(binding)) => self.acknowledged(binding),
            Ok(Answer::Nak) => self.lose(Loss::Refused),
            Err(why) => self.outputs.push(Output::Ignored(why)),
        }
    }

    /// An address that is not in use yet is probed first (RFC 2131 section 4.4.1). In `Maintain` EC2 says whose it is.
    fn acknowledged(&mut self, binding: Binding) {
        let held = self.lease.held(self.at.now);
        let held = held.map(|parameters| parameters.address);
        match self.client.mode {
            Mode::Configure if held != Some(binding.parameters.address) => self.probe(binding),
            Mode::Configure | Mode::Maintain(_) => self.bind(binding),
        }
    }

    fn probe(&mut self, binding: Binding) {
        let address = binding.parameters.address;
        self.outputs.push(Output::Probe(address));
        self.lease.remembered = Some(address);
        self.lease.state = State::Probing {
            binding,
            until: self.at.now.after(PROBE_TIMEOUT),
        };
    }

    fn bind(&mut self, binding: Binding) {
        let change = match self.lease.held(self.at.now) {
            None => Change::Obtained,
            Some(held) if *held == binding.parameters => Change::Renewed,
            Some(_) => Change::Altered,
        };
        self.outputs.push(Output::Changed(change));
        self.lease = Lease {
            remembered: Some(binding.parameters.address),
            state: State::Bound(binding),
            failures: 0,
            differing: None,
        };
    }

    fn free(&mut self, address: Ipv4Addr) {
        if let State::Probing { binding, .. } = &self.lease.state
            && binding.parameters.address == address
        {
            let binding = binding.clone();
            self.bind(binding);
        }
    }

    /// DHCPDECLINE. In `Maintain` EC2 says whose the address is, whoever else answers for it.
    fn conflict(&mut self, address: Ipv4Addr) {
        if let (Mode::Configure, Some(binding)) = (self.client.mode, self.lease.binding())
            && binding.parameters.address == address
        {
            let packet = self.client.decline(self.at.xid, binding);
            self.send(packet, To::Everybody);
            self.lose(Loss::Conflict);
        }
    }

    fn release(&mut self) {
        if self.lease.binding().is_some() {
            self.give_back();
            self.lose(Loss::Released);
        }
        self.lease.state = State::Released;
    }

    /// DHCPRELEASE.
    fn give_back(&mut self) {
        if let Some(binding) = self.lease.binding() {
            let to = To::Server {
                from: binding.parameters.address,
                to: binding.parameters.server,
            };
            let packet = self.client.release(self.at.xid, binding);
            self.send(packet, to);
        }
    }

    /// Back to INIT.
    fn lose(&mut self, loss: Loss) {
        let in_use = !matches!(self.lease.state, State::Probing { .. });
        if in_use && self.lease.binding().is_some() {
            self.outputs.push(Output::Changed(Change::Lost(loss)));
        }
        let until = match loss {
            Loss::Expired | Loss::Unwanted | Loss::Released => timing::start(self.at),
            Loss::Refused => self.failed(),
            Loss::Conflict => self.failed().max(self.at.now.after(DECLINE_PAUSE)),
        };
        if matches!(loss, Loss::Refused | Loss::Conflict) {
            self.lease.remembered = None;
        }
        self.lease.state = State::Init { until };
    }

    /// When the next attempt begins after one that failed.
    fn failed(&mut self) -> BootTime {
        self.lease.failures = self.lease.failures.saturating_add(1);
        timing::again(self.lease.failures, self.at)
    }

    fn send(&mut self, packet: Packet, to: To) {
        self.outputs.push(Output::Send(Box::new(packet), to));
    }

    fn select(&mut self, offer: Offer) {
        if let State::Selecting(exchange) = &self.lease.state {
            let exchange = exchange.of_the_same_transaction(self.at);
            self.request(exchange, offer);
        }
    }
}
