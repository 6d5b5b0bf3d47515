//! Moves a device into its pod or back to the host, and keeps the journal ahead of it.

use std::path::Path;

use node_agent_core::{
    claim::Interface,
    facts::{Liveness, Plug, PlugKey, PlugState},
    plan::Traces,
};

use crate::{
    engine::search::search_or_gone,
    error::Error,
    journal::Journal,
    kernel::{hardware, namespace::Namespace},
    plug::{Eni, Failed, Node, Plugged, Unplugged, plug, unplug},
};

/// A device that is to be moved.
pub(super) struct Move {
    pub node: Node,
    pub journal: Journal,
    pub key: PlugKey,
    /// What the journal says of it.
    pub entry: Plug,
    /// The pod, for the log.
    pub pod: Option<String>,
}

impl Move {
    /// The journal first: whatever happens then, the next agent knows where the device may be. `known`: its entry was there before, and
    /// its device may be in the pod already.
    pub fn plug(
        mut self,
        known: bool,
        netns: &Namespace,
        interface: &Interface,
    ) -> Result<(Plug, Plugged), Failed> {
        let nothing_done = |error| Failed {
            error,
            undo: known.then_some(Error::PluggedBefore),
        };
        self.entry.netns = netns.identify().map_err(nothing_done)?;
        if self.entry.state != PlugState::Plugged {
            self.write().map_err(nothing_done)?;
        }
        let (eni, slot) = (self.eni(), self.entry.slot);
        let plugged = plug(&self.node, netns, &eni, interface, slot)
            .map_err(|failed| self.undone(known, failed))?;
        self.entry.state = PlugState::Plugged;
        self.entry.observed.without_ipv6 = plugged.without_ipv6;
        self.entry.hardware = hardware::identify(&plugged.device).unwrap_or_else(|error| {
            tracing::warn!(claim = %self.entry.origin.claim(), pod = self.pod, eni = self.entry.eni, %error, "a detached device will not be known to be gone while its pod lives");
            None
        });
        match self.write() {
            Ok(()) => Ok((self.entry, plugged)),
            Err(error) => {
                let undo = unplug(&self.node, Some(netns), &eni, slot, Traces::Remove).err();
                Err(self.undone(known, Failed { error, undo }))
            }
        }
    }

    /// Returns the device to the host from wherever it is.
    pub fn unplug(
        &self,
        namespaces: &Path,
        netns: Option<Namespace>,
        traces: Traces,
    ) -> Result<Unplugged, Error> {
        // Written down, so that a crash on the way does not make it look like a plug that is to stay. A full /run is no reason to leave
        // the device where it is.
        if let Err(error) = self.write() {
            tracing::warn!(claim = %self.entry.origin.claim(), pod = self.pod, eni = self.entry.eni, %error, "the return of the device is not in the journal");
        }
        let netns = match netns {
            Some(netns) => Some(netns),
            None => Namespace::find(&self.entry.netns)?,
        };
        let (eni, slot) = (self.eni(), self.entry.slot);
        let mut unplugged = unplug(&self.node, netns.as_ref(), &eni, slot, traces)?;
        if !unplugged.found {
            let liveness = netns.map_or(Liveness::Dead, |_| Liveness::Alive);
            unplugged.found = search_or_gone(&self.node, namespaces, &eni, &self.entry, liveness)?;
        }
        self.journal.remove(&self.key)?;
        Ok(unplugged)
    }

    fn undone(&self, known: bool, mut failed: Failed) -> Failed {
        if failed.undo.is_none() {
            // A pod that had the device before may have moved it out of reach: that is for an unplug to find out.
            failed.undo = if known {
                Some(Error::PluggedBefore)
            } else {
                self.journal.remove(&self.key).err()
            };
        }
        failed
    }

    fn write(&self) -> Result<(), Error> {
        self.journal.write(&self.key, &self.entry)
    }

    fn eni(&self) -> Eni {
        Eni {
            mac: self.key.mac,
            id: self.entry.eni.clone(),
        }
    }
}
