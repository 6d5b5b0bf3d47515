//! Has done what is ordered of ports, and takes in how it ended.

mod adding;
mod guarding;
pub(super) mod turns;

use std::{collections::BTreeSet, net::IpAddr};

use cni::{
    error::code,
    protocol::{Checked, Reply},
};
use crds::node::{LONGEST_ID, MOST, NodeAccess};
use node_agent_core::{
    facts::{Ports, Survey, ports::Wanted},
    plan::PortOrder,
    port::{Port, PortKey, PortState},
};

use crate::{
    engine::{Engine, RequestId, ports::adding::Adding, work::Done},
    error::Error,
    plug::Deferred,
    ports::{self, Failed, Left, files::Common},
};

/// How an order about a port ended.
pub(super) enum PortDone {
    /// It was to be added.
    Add {
        request: RequestId,
        key: PortKey,
        /// What its bridge was made.
        wanted: Option<Wanted>,
        /// As it is now, and what is answered.
        outcome: Result<(Box<Port>, Reply), Failed>,
    },
    /// It was to be compared.
    Check {
        request: RequestId,
        key: PortKey,
        outcome: Result<(), Error>,
    },
    /// It was to be deleted.
    Delete {
        key: PortKey,
        outcome: Result<(), Error>,
    },
    /// Its filters, rules and routes were to be made again; whether there was anything to be made.
    Guard {
        key: PortKey,
        outcome: Result<bool, Error>,
    },
    /// A bridge was to be looked at.
    Survey {
        bridge: String,
        at: u64,
        outcome: Result<BTreeSet<IpAddr>, Error>,
    },
}

impl Engine {
    pub(super) fn obey_port(&mut self, order: PortOrder) {
        match order {
            PortOrder::Add { request, key, port } => self.start_add_port(request, key, *port),
            PortOrder::Check { request, key } => self.start_check_port(request, key),
            PortOrder::Delete(key) => self.start_delete_port(key),
            PortOrder::Survey(bridge) => self.start_survey(bridge),
            PortOrder::Guard(key) => self.start_guard(key),
        }
    }

    fn start_add_port(&mut self, request: RequestId, key: PortKey, port: Port) {
        let wanted = self.facts.ports.bridge(&port);
        if let Some(wanted) = &wanted {
            let bridge = self.facts.ports.bridges.entry(wanted.name.clone());
            bridge.or_default().extend(&wanted.addresses);
        }
        self.facts.ports.begin(key, port.clone());
        if let Some(asking) = self.facts.requests.get_mut(&request) {
            asking.port = Some(key);
        }
        let (node, files) = (self.parts.node.clone(), self.parts.ports.clone());
        let (turn, common) = (self.turns.next(), Common::of(&self.facts.ports));
        let netns = self.callers.netns(request);
        let made = wanted.clone();
        let done = move |outcome| {
            Done::Port(PortDone::Add {
                request,
                key,
                wanted: made.clone(),
                outcome,
            })
        };
        let broken = |error| Failed {
            left: match error {
                Error::Thread(_) => Left::AsBefore,
                _ => Left::Unknown(Error::Unfinished),
            },
            error,
        };
        self.spawn(done, broken, move || {
            turn.wait();
            let adding = Adding {
                node: &node,
                files: &files,
                netns: netns.as_ref(),
            };
            let written = files.write_common(&common);
            let added = written
                .map_err(|error| Failed {
                    error,
                    left: Left::AsBefore,
                })
                .and_then(|()| adding.add(key, port, wanted.as_ref()));
            match added {
                Ok((port, reply, deferred)) => (Ok((Box::new(port), reply)), Some(deferred)),
                Err(failed) => (Err(failed), None),
            }
        });
    }

    fn start_check_port(&mut self, request: RequestId, key: PortKey) {
        let Some(port) = self.facts.ports.all.get(&key).cloned() else {
            return;
        };
        self.facts.ports.busy.insert(key);
        let (node, netns) = (self.parts.node.clone(), self.callers.netns(request));
        let done = move |outcome| {
            Done::Port(PortDone::Check {
                request,
                key,
                outcome,
            })
        };
        self.spawn(
            done,
            |error| error,
            move || {
                let checked = match (&port.bridge, netns) {
                    (Some(bridge), Some(netns)) => {
                        ports::check(&node, &netns, key, &port, &bridge.name)
                    }
                    // The journal is all that there is.
                    (None, _) | (_, None) => Ok(()),
                };
                (checked, None)
            },
        );
    }

    fn start_delete_port(&mut self, key: PortKey) {
        let Some(port) = self.facts.ports.all.get_mut(&key) else {
            return;
        };
        port.state = PortState::Deleting;
        let port = port.clone();
        self.facts.ports.begin(key, port.clone());
        let (node, files) = (self.parts.node.clone(), self.parts.ports.clone());
        let (turn, common) = (self.turns.next(), Common::of(&self.facts.ports));
        let done = move |outcome| Done::Port(PortDone::Delete { key, outcome });
        self.spawn(
            done,
            |error| error,
            move || {
                turn.wait();
                let deferred = match port.bridge {
                    Some(_) => ports::delete(&node, key, &port).map(Deferred::from),
                    None => Ok(Deferred::default()),
                };
                let forget = |deferred| {
                    // A full /run is no reason to keep an address: the next agent gives it a little sooner again.
                    if let Err(error) = files.write_common(&common) {
                        tracing::warn!(%error, "the order in which addresses are given is not in the journal");
                    }
                    files.remove(key).map(|()| deferred)
                };
                match deferred.and_then(forget) {
                    Ok(deferred) => (Ok(()), Some(deferred)),
                    Err(error) => (Err(error), None),
                }
            },
        );
    }

    fn start_survey(&mut self, bridge: String) {
        self.facts
            .ports
            .surveys
            .insert(bridge.clone(), Survey::Begun);
        let (node, at, name) = (self.parts.node.clone(), self.now(), bridge.clone());
        let known = self.facts.ports.all.keys();
        let known = known.map(|key| key.host_end()).collect();
        let done = move |outcome| {
            Done::Port(PortDone::Survey {
                bridge: bridge.clone(),
                at,
                outcome,
            })
        };
        self.spawn(
            done,
            |error| error,
            move || (ports::survey(&node, &name, &known), None),
        );
    }

    /// Says who has addresses, if that has changed.
    pub(super) fn show_ports(&mut self) {
        if std::mem::take(&mut self.ports_changed) {
            // That of a pod is in its claim.
            let shown = shown(&self.facts.ports, |port| port.pod.is_none());
            self.parts.access.send_if_modified(|before| {
                let differs = *before != shown;
                *before = shown;
                differs
            });
        }
    }

    pub(super) fn finish_port(&mut self, done: PortDone) {
        self.ports_changed = true;
        match done {
            PortDone::Add {
                request,
                key,
                wanted,
                outcome,
            } => {
                self.facts.ports.busy.remove(&key);
                if let (Ok((port, _)), Some(wanted)) = (&outcome, &wanted) {
                    self.facts.ports.settled(port, wanted);
                }
                self.port_added(request, key, outcome);
            }
            PortDone::Check {
                request,
                key,
                outcome,
            } => {
                self.facts.ports.busy.remove(&key);
                self.port_checked(request, key, outcome);
            }
            PortDone::Delete { key, outcome } => {
                self.facts.ports.busy.remove(&key);
                self.port_deleted(key, outcome);
            }
            PortDone::Guard { key, outcome } => {
                self.facts.ports.busy.remove(&key);
                self.port_guarded(key, outcome);
            }
            PortDone::Survey {
                bridge,
                at,
                outcome,
            } => {
                let found = outcome.map_err(|error| {
                    format!("who has addresses on the bridge {bridge} is not known: {error}")
                });
                self.facts.ports.surveyed(&bridge, at, found);
            }
        }
    }

    fn port_added(
        &mut self,
        id: RequestId,
        key: PortKey,
        outcome: Result<(Box<Port>, Reply), Failed>,
    ) {
        match outcome {
            Ok((port, reply)) => {
                // The journal says Added already; a new one is so once the runtime is told.
                let before = self.facts.ports.all.get(&key);
                let state = before.map_or(PortState::Adding, |before| before.state);
                let port = Port { state, ..*port };
                self.facts.ports.all.insert(key, port);
                if let Some(request) = self.facts.requests.get_mut(&id) {
                    request.port_done = true;
                    self.callers.port_added(id, reply);
                }
            }
            Err(Failed { error, left }) => {
                let before = self.facts.ports.all.get(&key);
                let container = before.map(|port| port.sandbox.container_id.clone());
                let is_known = before.is_some_and(|port| port.state == PortState::Added);
                let why = error.to_string();
                match left {
                    Left::AsBefore if is_known => {}
                    Left::Nothing | Left::AsBefore => self.facts.ports.end(key),
                    Left::Unknown(undo) => {
                        let error = format!("{error}; {undo}");
                        tracing::warn!(container, error, address = %key.0, "a port was not added, and what is left of it is deleted");
                        self.port_left(key);
                    }
                }
                self.fail(id, code::KERNEL, why);
            }
        }
    }

    /// Takes in that a port was answered: from now on it stays whether somebody asks or not.
    pub(super) fn port_answered(&mut self, key: PortKey) {
        if let Some(port) = self.facts.ports.all.get_mut(&key)
            && port.state == PortState::Adding
        {
            port.state = PortState::Added;
            self.ports_changed = true;
        }
    }

    fn port_checked(&mut self, id: RequestId, key: PortKey, outcome: Result<(), Error>) {
        let Some(port) = self.facts.ports.all.get(&key) else {
            return;
        };
        match outcome {
            Ok(()) => {
                if port.bridge.is_some() {
                    let checked = Checked {
                        name: port.name().to_owned(),
                        mac: key.mac().to_string(),
                    };
                    self.callers.checked(id, checked);
                }
                if let Some(request) = self.facts.requests.get_mut(&id) {
                    request.port_done = true;
                }
            }
            Err(error) => {
                let name = port.name();
                let why = match error {
                    Error::NotAsWanted { differences } => format!(
                        "interface {name} with the address {} is not as it was set: {}",
                        key.0,
                        differences.join(", ")
                    ),
                    error => error.to_string(),
                };
                self.fail(id, code::DIFFERENT, why);
            }
        }
    }

    fn port_deleted(&mut self, key: PortKey, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => self.facts.ports.end(key),
            Err(error) => {
                let container = self.facts.ports.all.get(&key);
                let container = container.map(|port| port.sandbox.container_id.clone());
                tracing::warn!(container, %error, address = %key.0, "a port cannot be deleted");
                self.port_left(key);
            }
        }
    }

    fn port_left(&mut self, key: PortKey) {
        let now = self.now();
        if let Some(port) = self.facts.ports.all.get_mut(&key) {
            port.state = PortState::Deleting;
            port.seen.retry = port.seen.retry.failed(now);
        }
    }
}

/// Those that were answered, as people see them.
pub(super) fn shown(ports: &Ports, are: impl Fn(&Port) -> bool) -> Vec<NodeAccess> {
    let added = ports
        .all
        .values()
        .filter(|port| port.state == PortState::Added);
    let added = added.filter(|port| are(port));
    let shown = added.take(MOST).map(|port| NodeAccess {
        addresses: port.addresses.iter().map(|one| one.address).collect(),
        bridge: port.bridge.as_ref().map(|bridge| bridge.name.clone()),
        id: (port.id.as_ref()).map(|id| id.chars().take(LONGEST_ID).collect()),
        network: port.sandbox.network.clone(),
        container_id: port.sandbox.container_id.clone(),
        interface: port.name().to_owned(),
    });
    shown.collect()
}
