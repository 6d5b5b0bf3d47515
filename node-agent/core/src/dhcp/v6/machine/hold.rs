//! What a client has: from a reply over probes to its end.

use std::{collections::BTreeSet, net::Ipv6Addr};

use ipnet::Ipv6Net;

use super::Step;
use crate::dhcp::{
    Change, Loss,
    v6::{
        Mode, Output,
        lease::{Binding, State},
        parameters::Parameters,
        timing::{LEAST_REFRESH, PROBE_TIMEOUT, REFRESH},
    },
};

impl Step<'_> {
    /// The end of what is leased goes before whatever else happens.
    pub(super) fn expire(&mut self) {
        let now = self.at.now;
        let Some(binding) = self.lease.binding_mut() else {
            return;
        };
        binding.addresses.retain(|item| !item.is_over(now));
        binding.prefixes.retain(|item| !item.is_over(now));
        if binding.items().next().is_none() {
            self.lose(Loss::Expired);
        }
        self.settle();
    }

    /// Addresses that are not in use yet are probed first (RFC 8415 section 18.2.10.1). In `Maintain` EC2 says whose they are.
    pub(super) fn leased(&mut self, binding: Binding) {
        let now = self.at.now;
        let held = self.lease.held(now).map(|held| held.resources.addresses);
        let unproven = match self.client.mode {
            Mode::Maintain(_) => BTreeSet::new(),
            Mode::Configure { .. } => &binding.resources(now).addresses - &held.unwrap_or_default(),
        };
        self.prolonged = true;
        self.lease.remembered = binding.resources(now);
        self.probe(binding, unproven);
    }

    pub(super) fn probe(&mut self, binding: Binding, unproven: BTreeSet<Ipv6Addr>) {
        let probes = unproven.iter().copied().map(Output::Probe);
        self.outputs.extend(probes);
        self.lease.state = State::Probing {
            binding,
            unproven,
            until: self.at.now.after(PROBE_TIMEOUT),
        };
        self.settle();
    }

    /// Probing ends with the last address that needs a proof; what is not leased any more needs none.
    fn settle(&mut self) {
        let State::Probing {
            binding, unproven, ..
        } = &mut self.lease.state
        else {
            return;
        };
        let leased = binding.resources(self.at.now).addresses;
        unproven.retain(|address| leased.contains(address));
        if unproven.is_empty() {
            self.lease.state = State::Bound(binding.clone());
            self.lease.failures = 0;
        }
    }

    pub(super) fn informed(&mut self, parameters: Parameters, refresh: Option<u32>) {
        let refresh = refresh.map_or(REFRESH, |secs| u64::from(secs) * 1_000);
        let refresh = refresh.max(LEAST_REFRESH);
        self.prolonged = true;
        self.lease.state = State::Informed {
            parameters,
            until: self.at.now.after(refresh - self.at.part(refresh / 16)),
        };
        self.lease.failures = 0;
    }

    pub(super) fn free(&mut self, address: Ipv6Addr) {
        if let State::Probing { unproven, .. } = &mut self.lease.state {
            unproven.remove(&address);
        }
        self.settle();
    }

    /// DECLINE. What else is leased stays. In `Maintain` EC2 says whose the address is, whoever else answers for it.
    pub(super) fn conflict(&mut self, address: Ipv6Addr) {
        let (Mode::Configure { .. }, Some(binding)) = (&self.client.mode, self.lease.binding_mut())
        else {
            return;
        };
        let is_it = |net: Ipv6Net| net.addr() == address;
        if !binding.addresses.iter().any(|item| is_it(item.net)) {
            return;
        }
        let packet = self.client.decline(binding, address, self.at);
        binding.addresses.retain(|item| !is_it(item.net));
        let nothing_left = binding.items().next().is_none();
        self.send(packet);
        self.lease.remembered.addresses.remove(&address);
        if nothing_left {
            self.lose(Loss::Conflict);
        }
        self.settle();
    }

    /// What became of what was held before the step.
    pub(super) fn report(&mut self, before: Option<&Parameters>) {
        let after = self.lease.held(self.at.now);
        let change = match (before, &after) {
            (None, None) => None,
            (None, Some(_)) => Some(Change::Obtained),
            (Some(_), None) => self.loss.map(Change::Lost),
            (Some(before), Some(after)) if before == after => {
                self.prolonged.then_some(Change::Renewed)
            }
            (Some(_), Some(_)) => Some(Change::Altered),
        };
        self.outputs.extend(change.map(Output::Changed));
    }
}
