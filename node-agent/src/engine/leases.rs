//! What the engine says to the keeper of leases.

use std::{sync::mpsc::Receiver, time::Duration};

use node_agent_core::{
    dhcp::{Leases, Standing},
    facts::{Liveness, PlugKey},
    mac::Mac,
    plan::leases,
};

use super::Engine;

/// A device is not kept from its way home for longer. A packet that cannot be sent is given up at once.
const LONGEST_RELEASE: Duration = Duration::from_secs(1);

/// A lease that is being given back.
pub(super) struct Release(Receiver<()>);

impl Release {
    /// Waits until it is. It blocks.
    pub fn wait(&self) {
        // The other end sends nothing: it goes.
        let _ = self.0.recv_timeout(LONGEST_RELEASE);
    }
}

impl Engine {
    /// Says which leases are to be kept, if that has changed.
    pub(super) fn keep_leases(&mut self) {
        let keep = leases(&self.facts);
        if self.keep.as_ref() == Some(&keep) {
            return;
        }
        self.facts.leases.retain(|mac, _| keep.contains_key(mac));
        self.facts
            .lease_news
            .retain(|mac, _| keep.contains_key(mac));
        self.parts.leases.keep(keep.clone());
        self.keep = Some(keep);
    }

    /// Whether the leases of a device were last asked to be kept.
    pub(super) fn keeps(&self, mac: Mac) -> bool {
        self.keep
            .as_ref()
            .is_some_and(|keep| keep.contains_key(&mac))
    }

    /// Gives the leases of a device back that leaves its pod, unless it leaves nobody whom a server could hear.
    pub(super) fn release(&self, key: &PlugKey) -> Option<Release> {
        let plug = self.facts.plugs.get(key)?;
        let Leases { ipv4, ipv6 } = self.facts.leases.get(&key.mac)?;
        let is_leased = [ipv4, ipv6]
            .iter()
            .any(|standing| matches!(standing, Some(Standing::Leased(_))));
        let is_there = plug.observed.liveness != Liveness::Dead;
        (is_leased && is_there).then(|| Release(self.parts.leases.release(key.mac)))
    }
}
