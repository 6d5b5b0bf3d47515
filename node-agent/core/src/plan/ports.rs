//! What is done about ports: addresses of the node's bridges.

use super::{
    Answer, DEL_ATTEMPTS, LONGEST_ADD, Liveness, Order, Request, RequestId, Round, Sandbox,
};
use crate::{
    facts::{
        Survey, Verb, Wanted,
        ports::{Unallocated, allocate, conflict, is_as_asked, same},
    },
    port::{Port, PortAsked, PortKey, PortSeen, PortState},
    replaced::Release,
};

/// Something to be done about a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortOrder {
    /// Give a container these addresses, and its interface on the bridge, or make sure that it is as it should be.
    Add {
        /// The request.
        request: RequestId,
        /// Names the port.
        key: PortKey,
        /// The port.
        port: Box<Port>,
    },
    /// Compare a port with what it should be.
    Check {
        /// The request.
        request: RequestId,
        /// Names the port.
        key: PortKey,
    },
    /// Delete a port, and give its addresses back.
    Delete(PortKey),
    /// Find out who has addresses on this bridge.
    Survey(String),
    /// Make again what the node has of a port beside its interface.
    Guard(PortKey),
}

impl Round<'_> {
    pub(super) fn add_port(&mut self, id: RequestId, request: &Request, asked: &PortAsked) {
        if let Some(key) = self.port(id, request, asked) {
            self.order(Order::Answer(id, Answer::Port(key)));
        }
    }

    /// The port that was added for a request. If there is none yet, that is ordered or answered.
    pub(super) fn port(
        &mut self,
        id: RequestId,
        request: &Request,
        asked: &PortAsked,
    ) -> Option<PortKey> {
        let ours = request.port.and_then(|key| self.facts.ports.all.get(&key));
        let same = match ours {
            Some(port) if is_as_asked(port, asked) => Ok(Some(port)),
            // A class that was edited meanwhile.
            Some(port) => Err(conflict(port, asked)),
            None => same(&self.ports(), &request.sandbox, asked),
        };
        match same {
            Err(why) => self.answer_later(id, &why),
            // Nothing says that it is the same interface which another plugin makes for it.
            Ok(Some(port)) if ours.is_none() && !asked.says_which() => {
                let why = conflict(port, asked);
                self.answer_later(id, &why);
            }
            Ok(Some(port)) => {
                let port = port.clone();
                return self.known(id, request, port);
            }
            Ok(None) => self.add_new(id, request, asked),
        }
        None
    }

    fn known(&mut self, id: RequestId, request: &Request, port: Port) -> Option<PortKey> {
        let key = port.key()?;
        let end = request.since + LONGEST_ADD;
        if self.is_taken(key) {
            self.wait_until(end, id, "its addresses are being set up or given back");
            return None;
        }
        match port.state {
            PortState::Deleting => {
                self.wait_until(end, id, "what is left of its interface is being deleted");
            }
            PortState::Adding | PortState::Added if request.port_done => return Some(key),
            PortState::Adding | PortState::Added => self.order_port(id, key, port),
        }
        None
    }

    fn add_new(&mut self, id: RequestId, request: &Request, asked: &PortAsked) {
        let bridge = asked.bridge.as_ref().map(|bridge| &*bridge.name);
        if let Some(bridge) = bridge
            && !self.is_surveyed(bridge, id, request)
        {
            return;
        }
        let mut given = Vec::new();
        for order in &self.plan.orders {
            if let Order::Port(PortOrder::Add { port, .. }) = order {
                given.push(&**port);
            }
        }
        let ports = &self.facts.ports;
        let known = ports.all.values().chain(given.iter().copied());
        let addresses = match allocate(ports, known, given.iter().copied(), asked) {
            Ok(addresses) => addresses,
            Err(unallocated) => return self.no_address(id, request, bridge, unallocated),
        };
        let port = Port {
            sandbox: request.sandbox.clone(),
            id: asked.id.clone(),
            bridge: asked.bridge.clone(),
            addresses,
            routes: asked.routes.clone(),
            pod: asked.pod.clone(),
            netns: None,
            state: PortState::Adding,
            seen: PortSeen::default(),
        };
        if let Some(key) = port.key() {
            self.order_port(id, key, port);
        }
    }

    fn order_port(&mut self, id: RequestId, key: PortKey, port: Port) {
        self.taken_ports.insert(key);
        self.order(Order::Port(PortOrder::Add {
            request: id,
            key,
            port: Box::new(port),
        }));
    }

    /// Addresses that the journal does not know may have been freed since the bridge was looked at.
    fn no_address(
        &mut self,
        id: RequestId,
        request: &Request,
        bridge: Option<&str>,
        why: Unallocated,
    ) {
        let is_new = bridge.is_none_or(|bridge| match self.facts.ports.surveys.get(bridge) {
            Some(Survey::Ended { at, .. }) => *at >= request.since,
            Some(Survey::Begun) | None => false,
        });
        match (bridge, why) {
            (Some(bridge), _) if !is_new => self.survey(bridge),
            (_, Unallocated::Exhausted(why)) => self.answer_later(id, &why.to_string()),
            (_, Unallocated::InUse(ip)) => {
                let bridge = bridge.unwrap_or_default();
                let why = format!(
                    "{ip} is in use on the bridge {bridge} by a container of another plugin; delete that first, or choose another address"
                );
                self.answer_later(id, &why);
            }
        }
    }

    /// Whether it is known who has addresses on a bridge.
    fn is_surveyed(&mut self, bridge: &str, id: RequestId, request: &Request) -> bool {
        match self.facts.ports.surveys.get(bridge) {
            Some(Survey::Ended { outcome: Ok(_), .. }) => return true,
            Some(Survey::Ended {
                at,
                outcome: Err(why),
            }) if *at >= request.since => {
                self.answer_later(id, why);
            }
            Some(Survey::Begun) => {
                let why = format!("who has addresses on the bridge {bridge} is not known yet");
                self.wait_until(request.since + LONGEST_ADD, id, &why);
            }
            Some(Survey::Ended { .. }) | None => self.survey(bridge),
        }
        false
    }

    fn survey(&mut self, bridge: &str) {
        let order = Order::Port(PortOrder::Survey(bridge.to_owned()));
        if !self.plan.orders.contains(&order) {
            self.order(order);
        }
    }

    pub(super) fn check_port(&mut self, id: RequestId, request: &Request, asked: &PortAsked) {
        let is_it = |port: &&Port| {
            let is_ours = port.sandbox == request.sandbox && port.state == PortState::Added;
            is_ours && is_as_asked(port, asked)
        };
        let port = self.facts.ports.all.values().find(is_it);
        match port.and_then(Port::key) {
            None => self.missing(
                id,
                "the container has no addresses of this network".to_owned(),
            ),
            Some(_) if request.port_done => self.order(Order::Answer(id, Answer::Checked)),
            Some(key) if self.is_taken(key) => {
                let why = "its addresses are being set up or given back";
                self.wait_until(request.since + LONGEST_ADD, id, why);
            }
            Some(key) => {
                self.taken_ports.insert(key);
                self.order(Order::Port(PortOrder::Check { request: id, key }));
            }
        }
    }

    /// Whether ports of the sandbox are left, which are being deleted.
    pub(super) fn del_ports(&mut self, sandbox: &Sandbox) -> bool {
        let facts = self.facts;
        self.delete_all(facts.ports.of(sandbox))
    }

    pub(super) fn release(&mut self, id: RequestId, sandbox: &Sandbox, release: &Release) {
        let facts = self.facts;
        if !self.delete_all(facts.ports.released(sandbox, release)) {
            self.order(Order::Answer(id, Answer::Deleted));
        }
    }

    fn delete_all<'b>(&mut self, ports: impl Iterator<Item = (&'b PortKey, &'b Port)>) -> bool {
        let mut left = false;
        for (key, port) in ports {
            if port.seen.retry.failures < DEL_ATTEMPTS {
                left = true;
                self.delete(*key, port);
            }
        }
        left
    }

    fn delete(&mut self, key: PortKey, port: &Port) {
        if !self.is_taken(key) && self.is_due(port.seen.retry) {
            self.taken_ports.insert(key);
            self.order(Order::Port(PortOrder::Delete(key)));
        }
    }

    /// Looks after a port that is, or was, in a container.
    pub(super) fn tend_port(&mut self, key: PortKey, port: &Port) {
        let goes = match port.state {
            PortState::Deleting => true,
            PortState::Adding | PortState::Added if port.seen.liveness == Liveness::Dead => true,
            // Its ADD ended with another answer or none: the runtime may never call DEL for what it did not get.
            PortState::Adding => !self.is_port_asked_for(&port.sandbox),
            PortState::Added => false,
        };
        if goes {
            self.delete(key, port);
        } else if port.seen.unguarded
            && port.state == PortState::Added
            && !self.is_taken(key)
            // What leads to the addresses of its pod is the newer one's.
            && self.facts.newer(&port.sandbox).is_none()
        {
            self.taken_ports.insert(key);
            self.order(Order::Port(PortOrder::Guard(key)));
        }
    }

    fn is_port_asked_for(&self, sandbox: &Sandbox) -> bool {
        let mut requests = self.facts.requests.values();
        requests.any(|request| {
            request.sandbox == *sandbox
                && matches!(request.verb, Verb::Add(Wanted::Port(_) | Wanted::Claims(_)))
        })
    }

    /// The ports that there are, those included that are ordered in this round.
    fn ports(&self) -> Vec<&Port> {
        let ordered = self.plan.orders.iter().filter_map(|order| match order {
            Order::Port(PortOrder::Add { port, .. }) => Some(&**port),
            _ => None,
        });
        let known = &self.facts.ports.all;
        let is_new = |port: &&Port| port.key().is_some_and(|key| !known.contains_key(&key));
        known.values().chain(ordered.filter(is_new)).collect()
    }

    pub(super) fn is_taken(&self, key: PortKey) -> bool {
        self.taken_ports.contains(&key) || self.facts.ports.busy.contains(&key)
    }
}
