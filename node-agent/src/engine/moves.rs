//! Moves a device into its pod or back to the host, and keeps the journal ahead of it.

use std::path::Path;

use node_agent_core::{
    claim::Interface,
    custody::{Custody, Loan},
    facts::{Liveness, Plug, PlugKey, PlugState},
    plan::Traces,
};

use crate::{
    engine::{leases::Release, search::search_or_gone},
    error::Error,
    journal::Journal,
    kernel::{hardware, namespace::Namespace},
    plug::{
        Deferred, Eni, Failed, Node, Plugged, Unplugged, configure, forget, plug_as, restore,
        unplug,
    },
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
    /// Leases that are being given back, by the interface while it is in the pod.
    pub release: Option<Release>,
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
            custody: Box::default(),
        };
        self.entry.netns = netns.identify().map_err(nothing_done)?;
        let (eni, slot) = (self.eni(), self.entry.slot);
        let before = known.then(|| self.entry.custody.clone());
        let node = self.node.clone();
        let intend = |custody: &Custody| self.intend(custody);
        let plugged = plug_as(&node, netns, &eni, interface, slot, before.as_ref(), intend)
            .map_err(|failed| self.undone(known, failed))?;
        self.entry.state = PlugState::Plugged;
        self.entry.observed.without_ipv6 = plugged.without_ipv6;
        self.entry.observed.configured = Some(Box::new(interface.clone()));
        self.entry.hardware = hardware::identify(&plugged.device).unwrap_or_else(|error| {
            tracing::warn!(claim = self.entry.origin.claim().map(display), pod = self.pod, eni = self.entry.eni, %error, "a detached device will not be known to be gone while its pod lives");
            None
        });
        match self.write() {
            Ok(()) => Ok((self.entry, plugged)),
            Err(error) => {
                let undo = match &self.entry.custody {
                    Custody::Ours => unplug(&node, Some(netns), &eni, slot, Traces::Remove).err(),
                    Custody::Borrowed(loan) => restore(&node, netns, &eni, slot, loan).err(),
                };
                let custody = Box::new(self.entry.custody.clone());
                let failed = Failed {
                    error,
                    undo,
                    custody,
                };
                Err(self.undone(known, failed))
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
        self.release.iter().for_each(Release::wait);
        self.write_return();
        let netns = self.netns(netns)?;
        let (eni, slot) = (self.eni(), self.entry.slot);
        let mut unplugged = unplug(&self.node, netns.as_ref(), &eni, slot, traces)?;
        if !unplugged.found {
            let liveness = netns.map_or(Liveness::Dead, |_| Liveness::Alive);
            unplugged.found = search_or_gone(&self.node, namespaces, &eni, &self.entry, liveness)?;
        }
        self.journal.remove(&self.key)?;
        Ok(unplugged)
    }

    /// Makes the device in its pod look as the interface wants it; what the journal says of it then.
    pub fn configure(mut self, interface: &Interface) -> Result<(Plug, Deferred), Error> {
        let mut deferred = Deferred::default();
        // Where the pod is gone there is nothing to set.
        if let Some(netns) = self.netns(None)? {
            let (node, eni, slot) = (self.node.clone(), self.eni(), self.entry.slot);
            let before = self.entry.custody.clone();
            let intend = |custody: &Custody| self.intend(custody);
            deferred = configure(&node, &netns, &eni, interface, slot, &before, intend)?;
        }
        self.entry.observed.configured = Some(Box::new(interface.clone()));
        Ok((self.entry, deferred))
    }

    /// Leaves a borrowed device where it is, as it was found; what could not be taken off it.
    pub fn restore(
        mut self,
        loan: &Loan,
        netns: Option<Namespace>,
    ) -> Result<(Vec<Error>, Deferred), Error> {
        self.release.iter().for_each(Release::wait);
        self.write_return();
        let (eni, slot) = (self.eni(), self.entry.slot);
        let restored = match self.netns(netns)? {
            Some(netns) => restore(&self.node, &netns, &eni, slot, loan)?,
            // What was ours there died with it.
            None => Unplugged::default(),
        };
        self.entry.state = PlugState::Restored;
        self.write_return();
        Ok((restored.left, restored.deferred))
    }

    /// Forgets a borrowed device that is on the host again.
    pub fn forget(&self) -> Result<Unplugged, Error> {
        let unplugged = forget(&self.node, &self.eni())?;
        self.journal.remove(&self.key)?;
        Ok(unplugged)
    }

    /// The pod's namespace, by the request or by the journal, while it is there.
    fn netns(&self, asked: Option<Namespace>) -> Result<Option<Namespace>, Error> {
        match asked {
            Some(netns) => Ok(Some(netns)),
            None => Namespace::find(&self.entry.netns),
        }
    }

    /// Written down, so that a crash on the way does not make it look like a plug that is to stay. A full /run is no reason to leave
    /// the device where it is.
    fn write_return(&self) {
        if let Err(error) = self.write() {
            tracing::warn!(claim = self.entry.origin.claim().map(display), pod = self.pod, eni = self.entry.eni, %error, "the return of the device is not in the journal");
        }
    }

    /// Writes down who moved the device in, if the journal does not say so.
    fn intend(&mut self, custody: &Custody) -> Result<(), Error> {
        let written = self.entry.state == PlugState::Plugged && self.entry.custody == *custody;
        self.entry.custody.clone_from(custody);
        if written { Ok(()) } else { self.write() }
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
