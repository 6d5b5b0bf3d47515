//! What a client that was away does with the lease that it had.

use super::{Step, timing};
use crate::dhcp::{
    Boot, BootTime, Loss,
    v6::{
        Mode,
        lease::{Exchange, State},
        parameters::Resources,
    },
};

impl Step<'_> {
    /// The journal's deadlines hold, so that an agent that restarts again and again asks no more often than one that does not. What was
    /// overdue is spread, because all leases of the node are.
    pub(super) fn resume(&mut self, boot: Boot) {
        match boot {
            Boot::Same => self.postpone(),
            // No time of the lease means anything; what it was for is asked for again.
            Boot::Other if self.lease.state == State::Released => {}
            Boot::Other => self.lease.state = self.init(),
        }
        self.drop_unwanted();
    }

    fn init(&self) -> State {
        State::Init {
            until: timing::start(self.at),
        }
    }

    fn postpone(&mut self) {
        let (now, soon) = (self.at.now, timing::start(self.at));
        let postpone = |time: &mut BootTime| {
            if *time < now {
                *time = soon;
            }
        };
        match &mut self.lease.state {
            State::Init { until } | State::Informed { until, .. } => postpone(until),
            State::Soliciting(exchange, _)
            | State::Requesting(exchange, _)
            | State::Confirming(exchange, _)
            | State::Rebinding(exchange, _)
            | State::Informing(exchange, _) => postpone(&mut exchange.next_at),
            State::Renewing(exchange, binding) => {
                postpone(&mut exchange.next_at);
                binding.rebind_at.iter_mut().for_each(postpone);
            }
            State::Bound(binding) => {
                binding.renew_at.iter_mut().for_each(postpone);
                binding.rebind_at.iter_mut().for_each(postpone);
            }
            State::Probing {
                binding, unproven, ..
            } => {
                let (binding, unproven) = (binding.clone(), unproven.clone());
                self.probe(binding, unproven);
            }
            State::Released => {}
        }
    }

    /// What is leased or asked for and is not what the claim has now.
    fn drop_unwanted(&mut self) {
        let Mode::Maintain(claimed) = &self.client.mode else {
            return;
        };
        let wanted = |had: &Resources| {
            had.addresses.is_subset(&claimed.addresses) && had.prefixes.is_subset(&claimed.prefixes)
        };
        let binding = self.lease.binding();
        if binding.is_some_and(|binding| !wanted(&binding.resources(self.at.now))) {
            self.give_back();
            self.lose(Loss::Unwanted);
        }
        if !wanted(&self.lease.remembered) {
            self.lease.remembered = Resources::default();
        }
        self.lease.differing = self.lease.differing.take().filter(|had| !wanted(had));
        let asks_for_information = matches!(
            self.lease.state,
            State::Informing(..) | State::Informed { .. }
        );
        let asks_for_leases = matches!(
            self.lease.state,
            State::Soliciting(..) | State::Requesting(..)
        );
        if asks_for_information && !claimed.is_empty() || asks_for_leases && claimed.is_empty() {
            self.lease.state = self.init();
        }
    }

    /// CONFIRM. Who asks already asks on: a link that blinks makes nobody ask more often.
    pub(super) fn verify(&mut self) {
        if let State::Bound(binding) = &self.lease.state {
            let exchange = Exchange::waiting(timing::start(self.at), self.at);
            self.lease.state = State::Confirming(exchange, binding.clone());
        }
    }
}
