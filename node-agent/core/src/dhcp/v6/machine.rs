//! What follows from an input.

use super::{
    Client, Input, Mode, Output,
    accept::{Answer, judge},
    lease::{Advertiser, Exchange, Lease, State},
    packet::{Options, Packet},
    parameters::Resources,
    timing::{self, DECLINE_PAUSE, MAX_DELAY, POSSIBLE_LIMITS},
};
use crate::dhcp::{BootTime, Change, Ignored, Loss, Moment};

mod exchange;
mod hold;
mod restart;

/// A server with this preference is taken at once (RFC 8415 section 18.2.1).
const TAKEN_AT_ONCE: u8 = 255;

impl Client {
    /// A lease that is not there yet. A pod that waits for its address asks within a second, whoever has one as startup wants it.
    pub fn begin(&self, at: Moment) -> Lease {
        Lease::new(match &self.mode {
            Mode::Maintain(_) => timing::start(at),
            Mode::Configure { .. } => at.within(0, MAX_DELAY),
        })
    }

    /// What follows from an input: the next lease, and what is to be done. An input that is late, early, repeated or meant for another
    /// state changes nothing.
    pub fn step(&self, lease: Lease, input: Input, at: Moment) -> (Lease, Vec<Output>) {
        let before = lease.used(|_| true);
        let mut step = Step {
            client: self,
            at,
            lease,
            outputs: Vec::new(),
            prolonged: false,
            loss: None,
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
        step.report(before.as_ref());
        (step.lease, step.outputs)
    }

    /// Whether there is nothing to lease.
    fn wants_information_only(&self) -> bool {
        match &self.mode {
            Mode::Maintain(claimed) => claimed.is_empty(),
            Mode::Configure { .. } => false,
        }
    }
}

/// One step.
struct Step<'a> {
    client: &'a Client,
    at: Moment,
    lease: Lease,
    outputs: Vec<Output>,
    /// A server said for how long.
    prolonged: bool,
    /// Why everything is lost, if it is.
    loss: Option<Loss>,
}

impl Step<'_> {
    fn receive(&mut self, packet: &Packet) {
        match judge(self.client, &self.lease, packet, self.at) {
            Ok(answer) => {
                self.take_limits(&packet.options);
                self.hear(answer);
            }
            Err(why) => self.outputs.push(Output::Ignored(why)),
        }
    }

    /// RFC 8415 section 18.2.9: also of a server that is not taken.
    fn take_limits(&mut self, options: &Options) {
        let possible = |secs: Option<u32>| secs.filter(|secs| POSSIBLE_LIMITS.contains(secs));
        if let Some(secs) = possible(options.solicit_limit) {
            self.lease.solicit_limit = u64::from(secs) * 1_000;
        }
        if let Some(secs) = possible(options.information_limit) {
            self.lease.information_limit = u64::from(secs) * 1_000;
        }
    }

    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Advertise(advertiser) => self.consider(advertiser),
            Answer::Nothing => self.outputs.push(Output::Ignored(Ignored::Incomplete)),
            Answer::Differs(resources) => self.differs(resources),
            Answer::Leases(binding, differing) => {
                self.leased(binding);
                if differing.is_empty() {
                    self.lease.differing = None;
                } else {
                    self.differs(differing);
                }
            }
            Answer::Confirmed => {
                if let State::Confirming(_, binding) = &self.lease.state {
                    self.lease.state = State::Bound(binding.clone());
                }
            }
            Answer::Refused => self.lose(Loss::Refused),
            Answer::Information(parameters, refresh) => self.informed(parameters, refresh),
        }
    }

    /// What differs first is kept: whoever offers one thing after the other is reported once.
    fn differs(&mut self, resources: Resources) {
        if self.lease.differing.is_none() {
            self.lease.differing = Some(resources);
            self.outputs.push(Output::Changed(Change::Differs));
        }
        // The server was asked for something else.
        if matches!(self.lease.state, State::Requesting(..)) {
            self.lose(Loss::Refused);
        }
    }

    /// Until the first pause is over the best advertisement is looked for; then the first one is taken.
    fn consider(&mut self, advertiser: Advertiser) {
        let State::Soliciting(exchange, best) = &mut self.lease.state else {
            return;
        };
        if exchange.sent > 1 || advertiser.preference == TAKEN_AT_ONCE {
            self.request(Exchange::now(self.at), advertiser.server);
        } else if best
            .as_ref()
            .is_none_or(|best| best.preference < advertiser.preference)
        {
            *best = Some(advertiser);
        }
    }

    fn release(&mut self) {
        if self.lease.binding().is_some() {
            self.give_back();
            self.lose(Loss::Released);
        }
        self.lease.state = State::Released;
    }

    /// RELEASE, once: the device is about to leave, and what is not given back ends by itself.
    fn give_back(&mut self) {
        if let Some(binding) = self.lease.binding() {
            let packet = self.client.release(binding, self.at);
            self.send(packet);
        }
    }

    /// Back to the beginning.
    fn lose(&mut self, loss: Loss) {
        self.loss = Some(loss);
        let until = match loss {
            Loss::Expired | Loss::Unwanted | Loss::Released => timing::start(self.at),
            Loss::Refused => self.failed(),
            Loss::Conflict => self.failed().max(self.at.now.after(DECLINE_PAUSE)),
        };
        if matches!(loss, Loss::Refused | Loss::Conflict) {
            self.lease.remembered = Resources::default();
        }
        self.lease.state = State::Init { until };
    }

    /// When the next attempt begins after one that failed.
    fn failed(&mut self) -> BootTime {
        self.lease.failures = self.lease.failures.saturating_add(1);
        timing::after_failures(self.lease.failures, self.at)
    }

    fn send(&mut self, packet: Packet) {
        self.outputs.push(Output::Send(Box::new(packet)));
    }
}
