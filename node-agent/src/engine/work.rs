//! Has orders done: each on a thread that may block, and its outcome back as a fact.

use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use cni::protocol::{Added, AddedRoute};
use ipnet::IpNet;
use node_agent_core::{
    claim::Interface,
    custody::Custody,
    facts::{Netns, Observed, Origin, Plug, PlugKey, PlugState, RequestId, Verb},
    mac::Mac,
    picture::PodSlot,
    plan::Traces,
};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    engine::{
        Engine, addresses::added_addresses, moves::Move, ports::PortDone, scan::Scan,
        search::search,
    },
    error::Error,
    kernel::namespace::Namespace,
    plug::{Deferred, Eni, Failed, Plugged, Unplugged, check_as},
    threads::Threads,
};

/// Something that was ordered is over.
pub(super) enum Done {
    /// A look at the host.
    Scan(Result<Scan, Error>),
    /// A plug.
    Plug {
        request: RequestId,
        key: PlugKey,
        since: Instant,
        /// What the journal says of it, and what the answer says.
        outcome: Result<(Box<Plug>, Added), Failed>,
    },
    /// A comparison.
    Check {
        request: RequestId,
        key: PlugKey,
        interface: Interface,
        outcome: Result<(), Error>,
    },
    /// An interface was to be set as its leases say.
    Configure {
        key: PlugKey,
        /// What the journal says of it.
        outcome: Result<Box<Plug>, Error>,
    },
    /// A return to the host.
    Unplug {
        key: PlugKey,
        /// Whether it is on the host now, and what could not be removed from it or from the pod.
        outcome: Result<(bool, Vec<Error>), Error>,
    },
    /// A borrowed device was to be left as it was found.
    Restore {
        key: PlugKey,
        /// What could not be taken off it.
        outcome: Result<Vec<Error>, Error>,
    },
    /// Something about a port.
    Port(PortDone),
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
        origin: Origin,
        eni: String,
        key: PlugKey,
        slot: PodSlot,
    ) {
        let Some(netns) = self.callers.netns(id) else {
            self.facts.requests.remove(&id);
            return;
        };
        let Some(asked_for) = self.facts.asked_for(&origin).cloned() else {
            return;
        };
        let entry = Plug {
            origin,
            eni,
            slot,
            netns: Netns {
                path: netns.name().to_owned(),
                cookie: None,
            },
            position: self.callers.position(id),
            custody: Custody::Ours,
            hardware: None,
            state: PlugState::Plugging,
            observed: Observed::default(),
        };
        // An entry that is there stays as it is until the steps are done.
        let known = self.facts.plugs.contains_key(&key);
        let entry = self.facts.plugs.entry(key.clone()).or_insert(entry);
        if entry.state == PlugState::Restored {
            entry.state = PlugState::Plugging;
        }
        let entry = entry.clone();
        let interface = self.facts.interface(&key, &entry, &asked_for);
        self.facts.busy.insert(key.mac);
        let (since, into_pod) = (Instant::now(), self.move_of(key.clone(), entry));
        let done = move |outcome| Done::Plug {
            request: id,
            key: key.clone(),
            since,
            outcome,
        };
        let broken = move |error| Failed {
            undo: match error {
                // Nothing was done.
                Error::Thread(_) => known.then_some(Error::PluggedBefore),
                _ => Some(Error::Unfinished),
            },
            error,
            custody: Box::default(),
        };
        self.spawn(done, broken, move || {
            match into_pod.plug(known, &netns, &interface) {
                Ok((entry, plugged)) => {
                    let added = added(&plugged);
                    (Ok((Box::new(entry), added)), Some(plugged.deferred))
                }
                Err(failed) => (Err(failed), None),
            }
        });
    }

    pub(super) fn start_check(&mut self, id: RequestId, key: PlugKey) {
        let plug = self.facts.plugs.get(&key);
        let asked_for = plug.and_then(|plug| Some((plug, self.facts.asked_for(&plug.origin)?)));
        let (Some((plug, asked_for)), Some(netns)) = (asked_for, self.callers.netns(id)) else {
            self.facts.requests.remove(&id);
            return;
        };
        let interface = self.facts.interface(&key, plug, asked_for);
        let slot = plug.slot;
        self.facts.busy.insert(key.mac);
        let (node, custody) = (self.parts.node.clone(), plug.custody.clone());
        let eni = Eni {
            mac: key.mac,
            id: plug.eni.clone(),
        };
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
            move || {
                let checked = check_as(&node, &netns, &eni, &wanted, slot, &custody);
                (checked, None)
            },
        );
    }

    pub(super) fn start_unplug(&mut self, key: PlugKey, traces: Traces) {
        let release = self.release(&key);
        let Some(plug) = self.facts.plugs.get_mut(&key) else {
            return;
        };
        plug.take_back();
        let plug = plug.clone();
        self.facts.busy.insert(key.mac);
        let netns = self.netns_of_del(&key);
        let namespaces = self.parts.namespaces.clone();
        let out_of_pod = Move {
            release,
            ..self.move_of(key.clone(), plug)
        };
        let done = move |outcome| Done::Unplug {
            key: key.clone(),
            outcome,
        };
        self.spawn(
            done,
            |error| error,
            move || match out_of_pod.unplug(&namespaces, netns, traces) {
                Ok(Unplugged {
                    found,
                    left,
                    deferred,
                }) => (Ok((found, left)), Some(deferred)),
                Err(error) => (Err(error), None),
            },
        );
    }

    /// The namespace that came with the DEL of a plug's sandbox.
    fn netns_of_del(&self, key: &PlugKey) -> Option<Namespace> {
        let mut requests = self.facts.requests.iter();
        let (id, _) = requests
            .find(|(_, request)| request.sandbox == key.sandbox && request.verb == Verb::Del)?;
        self.callers.netns(*id)
    }

    pub(super) fn start_restore(&mut self, key: PlugKey) {
        let release = self.release(&key);
        let Some(plug) = self.facts.plugs.get_mut(&key) else {
            return;
        };
        plug.state = PlugState::Unplugging;
        let plug = plug.clone();
        let Custody::Borrowed(loan) = plug.custody.clone() else {
            return;
        };
        self.facts.busy.insert(key.mac);
        let netns = self.netns_of_del(&key);
        let in_pod = Move {
            release,
            ..self.move_of(key.clone(), plug)
        };
        let done = move |outcome| Done::Restore {
            key: key.clone(),
            outcome,
        };
        self.spawn(
            done,
            |error| error,
            move || match in_pod.restore(&loan, netns) {
                Ok((left, deferred)) => (Ok(left), Some(deferred)),
                Err(error) => (Err(error), None),
            },
        );
    }

    pub(super) fn start_forget(&mut self, key: PlugKey) {
        let Some(plug) = self.facts.plugs.get(&key).cloned() else {
            return;
        };
        self.facts.busy.insert(key.mac);
        let on_host = self.move_of(key.clone(), plug);
        let done = move |outcome| Done::Unplug {
            key: key.clone(),
            outcome,
        };
        self.spawn(
            done,
            |error| error,
            move || {
                let forgotten = on_host.forget();
                (
                    forgotten.map(|unplugged| (unplugged.found, unplugged.left)),
                    None,
                )
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

    pub(super) fn move_of(&self, key: PlugKey, entry: Plug) -> Move {
        Move {
            node: self.parts.node.clone(),
            journal: self.parts.journal.clone(),
            key,
            pod: self.pod(&entry.origin),
            entry,
            release: None,
        }
    }

    /// Has `work` done; its outcome comes back to [`Engine::finish`].
    pub(super) fn spawn<T: 'static, E: 'static>(
        &self,
        done: impl Fn(Result<T, E>) -> Done + Clone + Send + 'static,
        broken: impl Fn(Error) -> E + Copy + Send + 'static,
        work: impl FnOnce() -> (Result<T, E>, Option<Deferred>) + Send + 'static,
    ) {
        spawn(&self.threads, &self.done.0, done, broken, work);
    }
}

/// Whatever happens to the thread, the outcome comes back. What is deferred is done after that, on the same thread.
fn spawn<T: 'static, E: 'static>(
    threads: &Threads,
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
    if let Err(source) = threads.run(Box::new(run)) {
        drop(outcomes.send(done_here(Err(broken(Error::Thread(source))))));
    }
}

fn added(plugged: &Plugged) -> Added {
    let Plugged {
        device,
        addresses,
        routes,
        ..
    } = plugged;
    Added {
        name: device.name.clone(),
        on_node: false,
        mac: device.mac.to_string(),
        mtu: device.mtu,
        pci_id: device.pci.clone(),
        addresses: added_addresses(addresses),
        routes: routes.iter().copied().map(route).collect(),
    }
}

/// A route as the plugin hands it on.
pub(super) fn route((to, via): (IpNet, IpAddr)) -> AddedRoute {
    AddedRoute {
        to: to.to_string(),
        gateway: Some(via.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How an order ends that does this on such threads.
    fn ended(threads: &Threads, work: fn()) -> Result<bool, Error> {
        let (outcomes, mut ended) = mpsc::unbounded_channel();
        let mac: Mac = "02:00:00:00:00:0a".parse().unwrap();
        let done = move |outcome| Done::Search { mac, outcome };
        let work = move || {
            work();
            (Ok(true), None)
        };
        spawn(threads, &outcomes, done, |error| error, work);
        drop(outcomes);
        match ended.blocking_recv() {
            Some(Done::Search { outcome, .. }) => outcome,
            _ => panic!("another order ended"),
        }
    }

    #[test]
    fn panic_is_the_outcome_of_its_order_and_the_thread_goes_on() {
        let threads = Threads::default();
        let outcome = ended(&threads, || panic!("a fault"));
        assert!(matches!(outcome, Err(Error::Panicked)), "{outcome:?}");
        assert!(matches!(ended(&threads, || ()), Ok(true)));
    }

    #[test]
    fn refused_thread_is_the_outcome_of_its_order() {
        let error = ended(&Threads::refused(), || ()).unwrap_err().to_string();
        let words = ["cannot start a thread", "at its limit of processes"];
        assert!(words.iter().all(|part| error.contains(part)), "{error}");
    }
}
