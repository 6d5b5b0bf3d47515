//! Has orders done: each on a thread of its own that may block, and its outcome back as a fact.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use node_agent_core::{
    claim::{Claim, ClaimKey, Interface},
    facts::{Liveness, Netns, Origin, Plug, PlugKey, PlugState, RequestId, Retry, Verb},
    mac::Mac,
    picture::PodSlot,
    plan::Traces,
};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    engine::{
        Engine,
        scan::Scan,
        search::{search, search_or_gone},
    },
    error::Error,
    journal::Journal,
    kernel::{hardware, link::Device, namespace::Namespace},
    plug::{Deferred, Eni, Failed, Node, Plugged, Unplugged, check, plug, unplug},
};

/// Something that was ordered is over.
pub(super) enum Done {
    /// A look at the host.
    Scan(Result<Scan, Error>),
    /// A plug.
    Plug {
        request: RequestId,
        key: PlugKey,
        interface: Interface,
        since: Instant,
        /// What the journal says of it, and the device.
        outcome: Result<(Box<Plug>, Device), Failed>,
    },
    /// A comparison.
    Check {
        request: RequestId,
        key: PlugKey,
        interface: Interface,
        outcome: Result<(), Error>,
    },
    /// A return to the host.
    Unplug {
        key: PlugKey,
        /// Whether it is on the host now, and what could not be removed from it or from the pod.
        outcome: Result<(bool, Vec<Error>), Error>,
    },
    /// A search.
    Search {
        mac: Mac,
        /// Whether it was found, and is on the host now.
        outcome: Result<bool, Error>,
    },
}

impl Engine {
    pub(super) fn start_plug(
        &mut self,
        id: RequestId,
        claim: &ClaimKey,
        key: PlugKey,
        slot: PodSlot,
    ) {
        let (Some(claim), Some(netns)) = (self.facts.claims.get(claim), self.callers.netns(id))
        else {
            self.facts.requests.remove(&id);
            return;
        };
        let Some(entry) = entry(claim, &netns, slot) else {
            return;
        };
        let interface = claim.interface.clone();
        // An entry that is there stays as it is until the steps are done.
        let known = self.facts.plugs.contains_key(&key);
        let entry = self.facts.plugs.entry(key.clone()).or_insert(entry).clone();
        self.facts.busy.insert(key.mac);
        let (node, journal) = (self.parts.node.clone(), self.parts.journal.clone());
        let (since, of, wanted) = (Instant::now(), key.clone(), interface.clone());
        let done = move |outcome| Done::Plug {
            request: id,
            key: key.clone(),
            interface: interface.clone(),
            since,
            outcome,
        };
        let broken = |error| Failed {
            error,
            undo: Some(Error::Unfinished),
        };
        self.spawn(done, broken, move || {
            match plug_and_journal(&node, &journal, &of, (entry, known), &netns, &wanted) {
                Ok((entry, Plugged { device, deferred })) => {
                    (Ok((Box::new(entry), device)), Some(deferred))
                }
                Err(failed) => (Err(failed), None),
            }
        });
    }

    pub(super) fn start_check(
        &mut self,
        id: RequestId,
        claim: &ClaimKey,
        key: PlugKey,
        slot: PodSlot,
    ) {
        let (Some(claim), Some(netns), Some(plug)) = (
            self.facts.claims.get(claim),
            self.callers.netns(id),
            self.facts.plugs.get(&key),
        ) else {
            self.facts.requests.remove(&id);
            return;
        };
        self.facts.busy.insert(key.mac);
        let (node, interface, eni) = (
            self.parts.node.clone(),
            claim.interface.clone(),
            eni(&key, plug),
        );
        let wanted = interface.clone();
        let done = move |outcome| Done::Check {
            request: id,
            key: key.clone(),
            interface: interface.clone(),
            outcome,
        };
        self.spawn(
            done,
            |error| error,
            move || (check(&node, &netns, &eni, &wanted, slot), None),
        );
    }

    pub(super) fn start_unplug(&mut self, key: PlugKey, traces: Traces) {
        let Some(plug) = self.facts.plugs.get_mut(&key) else {
            return;
        };
        plug.state = PlugState::Unplugging;
        let plug = plug.clone();
        self.facts.busy.insert(key.mac);
        let mut dels = self.facts.requests.iter();
        let del =
            dels.find(|(_, request)| request.sandbox == key.sandbox && request.verb == Verb::Del);
        let netns = del.and_then(|(id, _)| self.callers.netns(*id));
        let (node, journal, of) = (
            self.parts.node.clone(),
            self.parts.journal.clone(),
            key.clone(),
        );
        let namespaces = self.parts.namespaces.clone();
        let done = move |outcome| Done::Unplug {
            key: key.clone(),
            outcome,
        };
        self.spawn(
            done,
            |error| error,
            move || match unplug_and_journal(
                &node,
                (&journal, &namespaces),
                (&of, &plug),
                netns,
                traces,
            ) {
                Ok(Unplugged {
                    found,
                    left,
                    deferred,
                }) => (Ok((found, left)), Some(deferred)),
                Err(error) => (Err(error), None),
            },
        );
    }

    pub(super) fn start_search(&mut self, mac: Mac) {
        let mut claims = self.facts.claims.values();
        let Some(eni) = claims.find_map(|claim| claim.eni.as_ref().filter(|eni| eni.mac == mac))
        else {
            return;
        };
        let eni = Eni {
            mac,
            id: eni.id.clone(),
        };
        self.facts.busy.insert(mac);
        let (node, namespaces) = (self.parts.node.clone(), self.parts.namespaces.clone());
        let done = move |outcome| Done::Search { mac, outcome };
        self.spawn(
            done,
            |error| error,
            move || (search(&node, &namespaces, &eni), None),
        );
    }

    /// Has `work` done; its outcome comes back to [`Engine::finish`].
    pub(super) fn spawn<T: 'static, E: 'static>(
        &self,
        done: impl Fn(Result<T, E>) -> Done + Clone + Send + 'static,
        broken: impl Fn(Error) -> E + Copy + Send + 'static,
        work: impl FnOnce() -> (Result<T, E>, Option<Deferred>) + Send + 'static,
    ) {
        spawn(&self.done.0, done, broken, work);
    }
}

/// Whatever happens to the thread, the outcome comes back. What is deferred is done after that, on the same thread.
fn spawn<T: 'static, E: 'static>(
    outcomes: &mpsc::UnboundedSender<Done>,
    done: impl Fn(Result<T, E>) -> Done + Clone + Send + 'static,
    broken: impl Fn(Error) -> E + Copy + Send + 'static,
    work: impl FnOnce() -> (Result<T, E>, Option<Deferred>) + Send + 'static,
) {
    let (sender, done_here) = (outcomes.clone(), done.clone());
    let run = move || {
        let (outcome, deferred) = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| (Err(broken(Error::Panicked)), None));
        // The engine is gone when nobody listens.
        drop(sender.send(done(outcome)));
        drop(deferred);
    };
    if let Err(source) = thread::Builder::new().spawn(run) {
        drop(outcomes.send(done_here(Err(broken(Error::Thread(source))))));
    }
}

fn eni(key: &PlugKey, plug: &Plug) -> Eni {
    Eni {
        mac: key.mac,
        id: plug.eni.clone(),
    }
}

/// What the journal says of a plug that begins.
fn entry(claim: &Claim, netns: &Namespace, slot: PodSlot) -> Option<Plug> {
    Some(Plug {
        origin: Origin::Claim {
            claim: claim.key.clone(),
            attachment: claim.attachment.as_ref()?.id.clone(),
            pod_uid: claim.pod.as_ref()?.uid.clone(),
        },
        eni: claim.eni.as_ref()?.id.clone(),
        slot,
        netns: Netns {
            path: netns.name().to_owned(),
            cookie: None,
        },
        hardware: None,
        state: PlugState::Plugging,
        retry: Retry::default(),
        liveness: Liveness::Alive,
        hidden: None,
    })
}

/// The journal first: whatever happens then, the next agent knows where the device may be. With the entry comes whether it was there
/// before: then its device may be in the pod already.
fn plug_and_journal(
    node: &Node,
    journal: &Journal,
    key: &PlugKey,
    (mut entry, known): (Plug, bool),
    netns: &Namespace,
    interface: &Interface,
) -> Result<(Plug, Plugged), Failed> {
    let nothing_done = |error| Failed {
        error,
        undo: known.then_some(Error::Unfinished),
    };
    let eni = eni(key, &entry);
    entry.netns = netns.identify().map_err(nothing_done)?;
    if entry.state != PlugState::Plugged {
        journal.write(key, &entry).map_err(nothing_done)?;
    }
    let undone = |mut failed: Failed| {
        if failed.undo.is_none() {
            // A pod that had the device before may have moved it out of reach: that is for an unplug to find out.
            failed.undo = if known {
                Some(Error::Unfinished)
            } else {
                journal.remove(key).err()
            };
        }
        failed
    };
    let plugged = plug(node, netns, &eni, interface, entry.slot).map_err(undone)?;
    entry.state = PlugState::Plugged;
    entry.hardware = hardware::identify(&plugged.device).unwrap_or_else(|error| {
        tracing::warn!(%error, "a detached device will not be known to be gone while its pod lives");
        None
    });
    match journal.write(key, &entry) {
        Ok(()) => Ok((entry, plugged)),
        Err(error) => {
            let traces = Traces::Remove;
            let undo = unplug(node, Some(netns), &eni, entry.slot, traces).err();
            Err(undone(Failed { error, undo }))
        }
    }
}

fn unplug_and_journal(
    node: &Node,
    (journal, namespaces): (&Journal, &Path),
    (key, plug): (&PlugKey, &Plug),
    netns: Option<Namespace>,
    traces: Traces,
) -> Result<Unplugged, Error> {
    // Written down, so that a crash on the way does not make it look like a plug that is to stay. A full /run is no reason to leave
    // the device where it is.
    if let Err(error) = journal.write(key, plug) {
        tracing::warn!(claim = %plug.origin.claim(), %error, "the return of the device is not in the journal");
    }
    let netns = match netns {
        Some(netns) => Some(netns),
        None => Namespace::find(&plug.netns)?,
    };
    let eni = eni(key, plug);
    let mut unplugged = unplug(node, netns.as_ref(), &eni, plug.slot, traces)?;
    if !unplugged.found {
        let liveness = netns.map_or(Liveness::Dead, |_| Liveness::Alive);
        unplugged.found = search_or_gone(node, namespaces, &eni, plug, liveness)?;
    }
    journal.remove(key)?;
    Ok(unplugged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_the_outcome_of_its_order() {
        let (outcomes, mut ended) = mpsc::unbounded_channel();
        let mac: Mac = "02:00:00:00:00:0a".parse().unwrap();
        let done = move |outcome| Done::Search { mac, outcome };
        spawn(&outcomes, done, |error| error, || panic!("a fault"));
        drop(outcomes);
        let Some(Done::Search { outcome, .. }) = ended.blocking_recv() else {
            panic!("another order ended")
        };
        assert!(matches!(outcome, Err(Error::Panicked)), "{outcome:?}");
    }
}
