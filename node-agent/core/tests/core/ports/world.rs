//! A node with one bridge: containers that come and go, what their kernel has, and the journal of an agent that may be killed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

use node_agent_core::{
    facts::{Facts, Liveness, Verb, Wanted},
    plan::{Answer, Order, PortOrder, plan},
    port::{Port, PortAsked, PortKey, PortSeen, PortState},
};

use crate::makers::a_sandbox;

/// What can happen. Containers have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A container asks for what the configuration with this index says.
    Add(u8, usize),
    Del(u8),
    /// The plugin that asked first waits no longer.
    HangUp,
    Dies(u8),
    /// The oldest order ends, well or not.
    Ends(bool),
    /// The agent is killed and another one starts. Orders are carried out one after the other: so many steps of the oldest are done.
    Killed(u8),
    /// The journal is lost as well.
    JournalLost(u8),
    Scan,
    /// Nothing happens until the plan is to be made again.
    Wait,
}

/// What there is outside of the agent, and what it knows of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    pub facts: Facts,
    /// The files of the journal.
    pub journal: BTreeMap<PortKey, Port>,
    /// Which containers have an address in the kernel.
    pub kernel: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Addresses of containers that were in a journal which was lost: they end with their containers alone.
    pub forgotten: BTreeSet<IpAddr>,
    /// Orders that are carried out, the oldest first.
    pub running: VecDeque<Order>,
    pub dead: BTreeSet<String>,
    /// What was answered since the last event.
    pub answers: Vec<Answer>,
    /// The last request.
    pub last: u64,
    pub now: u64,
}

impl World {
    /// Takes in an event, and does what the agent orders then.
    pub fn happen(&mut self, event: Event, configurations: &[PortAsked]) -> Result<(), String> {
        self.now += 100;
        self.answers.clear();
        match event {
            Event::Add(i, which) if !self.dead.contains(&name(i)) => {
                let asked = Box::new(configurations[which].clone());
                self.ask(i, Verb::Add(Wanted::Port(asked)));
            }
            Event::Del(i) => self.ask(i, Verb::Del),
            Event::HangUp => drop(self.facts.requests.pop_first()),
            Event::Dies(i) => self.die(i),
            Event::Ends(well) => {
                if let Some(order) = self.running.pop_front() {
                    self.end(order, well);
                }
            }
            Event::Killed(steps) => self.killed(steps),
            Event::JournalLost(steps) => {
                self.killed(steps);
                self.journal.clear();
                self.facts.ports.all.clear();
                self.forgotten = self.kernel.keys().copied().collect();
            }
            Event::Scan => self.scan(),
            Event::Wait => {
                let wake_at = plan(&self.facts, self.now).wake_at;
                self.now = wake_at.unwrap_or(self.now);
            }
            Event::Add(..) => {}
        }
        self.settle()
    }

    fn ask(&mut self, container: u8, verb: Verb) {
        self.last += 1;
        let sandbox = a_sandbox(&name(container));
        self.facts.ask(self.last, sandbox, verb, self.now);
    }

    /// A namespace takes its interfaces with it.
    fn die(&mut self, container: u8) {
        for holders in self.kernel.values_mut() {
            holders.remove(&name(container));
        }
        self.clean();
        self.dead.insert(name(container));
    }

    fn clean(&mut self) {
        self.kernel.retain(|_, holders| !holders.is_empty());
        let kernel = &self.kernel;
        self.forgotten.retain(|ip| kernel.contains_key(ip));
    }

    /// The next agent knows the journal alone.
    fn killed(&mut self, steps: u8) {
        match self.running.pop_front() {
            // The journal is written first.
            Some(Order::Port(PortOrder::Add { key, port, .. })) if steps > 0 => {
                if !self.journal.contains_key(&key) {
                    self.write(key, &port, port.state);
                }
                if steps > 1 {
                    self.enter(&port);
                }
            }
            // And forgets last.
            Some(Order::Port(PortOrder::Delete(key))) if steps > 0 => self.leave(key),
            _ => {}
        }
        self.running.clear();
        self.facts = Facts::default();
        self.facts.ports.all = self.journal.clone();
    }

    fn scan(&mut self) {
        for port in self.facts.ports.all.values_mut() {
            if self.dead.contains(&port.sandbox.container_id) {
                port.seen.liveness = Liveness::Dead;
            }
        }
    }

    fn write(&mut self, key: PortKey, port: &Port, state: PortState) {
        let port = Port {
            state,
            seen: PortSeen::default(),
            ..port.clone()
        };
        self.journal.insert(key, port);
    }

    /// The kernel gets the addresses of a port, unless its namespace is gone.
    fn enter(&mut self, port: &Port) {
        let container = &port.sandbox.container_id;
        if self.dead.contains(container) {
            return;
        }
        for address in &port.addresses {
            let holders = self.kernel.entry(address.address.addr()).or_default();
            holders.insert(container.clone());
        }
    }

    fn leave(&mut self, key: PortKey) {
        if let Some(port) = self.facts.ports.all.get(&key) {
            for address in &port.addresses {
                if let Some(holders) = self.kernel.get_mut(&address.address.addr()) {
                    holders.remove(&port.sandbox.container_id);
                }
            }
        }
        self.clean();
    }

    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            let orders = plan(&self.facts, self.now).orders;
            if orders.is_empty() {
                return Ok(());
            }
            for order in orders {
                self.obey(order)?;
            }
        }
        Err(format!("no end: {:?}", plan(&self.facts, self.now)))
    }

    fn obey(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Answer(id, answer) => self.answered(id, answer),
            Order::Port(PortOrder::Survey(bridge)) => {
                // It takes no time: who comes meanwhile is asked for in other tests.
                let found = self.kernel.keys().copied().collect();
                self.facts.ports.surveyed(&bridge, self.now, Ok(found));
                Ok(())
            }
            Order::Port(PortOrder::Add {
                request,
                key,
                ref port,
            }) => {
                can_be_given(port)?;
                if self.facts.ports.busy.contains(&key) {
                    return Err(format!("two orders on {key:?}"));
                }
                self.facts.ports.begin(key, (**port).clone());
                let asking = self.facts.requests.get_mut(&request);
                asking.ok_or("a port for nobody")?.port = Some(key);
                self.running.push_back(order);
                Ok(())
            }
            Order::Port(PortOrder::Delete(key)) => {
                let port = self.facts.ports.all.get_mut(&key);
                port.ok_or("no port is deleted")?.state = PortState::Deleting;
                if !self.facts.ports.busy.insert(key) {
                    return Err(format!("two orders on {key:?}"));
                }
                self.running.push_back(order);
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    }

    fn answered(&mut self, id: u64, answer: Answer) -> Result<(), String> {
        let request = self.facts.requests.remove(&id);
        let request = request.ok_or("an answer to nobody")?;
        let ports = &mut self.facts.ports;
        if let Answer::Port(key) = answer {
            let port = ports.all.get_mut(&key).ok_or("no port is the answer")?;
            if port.sandbox != request.sandbox {
                return Err(format!("{request:?} gets another's port: {port:?}"));
            }
            port.state = PortState::Added;
        }
        if let Answer::Deleted = answer
            && let Some((key, _)) =
                (ports.of(&request.sandbox)).find(|(_, port)| port.seen.retry.failures < 2)
        {
            return Err(format!("{key:?} is left of a container that is deleted"));
        }
        self.answers.push(answer);
        Ok(())
    }

    fn end(&mut self, order: Order, well: bool) {
        match order {
            Order::Port(PortOrder::Add { request, key, port }) => {
                self.facts.ports.busy.remove(&key);
                if well && !self.dead.contains(&port.sandbox.container_id) {
                    self.enter(&port);
                    self.write(key, &port, PortState::Added);
                    if let Some(request) = self.facts.requests.get_mut(&request) {
                        request.port_done = true;
                    }
                } else {
                    // Undone.
                    self.gone(key);
                    self.facts.requests.remove(&request);
                }
            }
            Order::Port(PortOrder::Delete(key)) => {
                self.facts.ports.busy.remove(&key);
                if well {
                    self.gone(key);
                } else if let Some(port) = self.facts.ports.all.get_mut(&key) {
                    port.seen.retry = port.seen.retry.failed(self.now);
                }
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn gone(&mut self, key: PortKey) {
        self.leave(key);
        self.journal.remove(&key);
        self.facts.ports.end(key);
    }

    /// No address has two holders.
    pub fn has_one_holder_each(&self) -> bool {
        self.kernel.values().all(|holders| holders.len() == 1)
    }

    /// The journal says of every address what the agent knows, unless it is about to be given.
    pub fn journal_is_known(&self) -> bool {
        let known = &self.facts.ports.all;
        let is_running = |key: &PortKey| {
            let mut running = self.running.iter();
            running.any(|order| matches!(order, Order::Port(PortOrder::Add { key: added, .. }) if added == key))
        };
        let same = |a: &Port, b: &Port| (&a.sandbox, &a.addresses) == (&b.sandbox, &b.addresses);
        let mut written = self.journal.iter();
        written.all(|(key, port)| known.get(key).is_some_and(|known| same(known, port)))
            && (known.keys()).all(|key| self.journal.contains_key(key) || is_running(key))
    }

    /// The agent knows who has an address, unless that was in a journal which was lost.
    pub fn kernel_is_known(&self) -> bool {
        self.kernel.iter().all(|(ip, holders)| {
            let mut ports = self.facts.ports.all.values();
            self.forgotten.contains(ip)
                || ports.any(|port| port.has(*ip) && holders.contains(&port.sandbox.container_id))
        })
    }

    /// A port stays only if its container lives and was told of it, or still asks: a runtime may never call DEL for what it did not get.
    pub fn deletes_what_nobody_has(&self) -> bool {
        let Facts {
            ports, requests, ..
        } = &self.facts;
        let is_asked_for = |port: &Port| {
            let mut requests = requests.values();
            requests.any(|one| one.sandbox == port.sandbox && matches!(one.verb, Verb::Add(_)))
        };
        ports.all.iter().all(|(key, port)| {
            let stays = match port.state {
                PortState::Adding => is_asked_for(port),
                PortState::Added => true,
                PortState::Deleting => return true,
            };
            ports.busy.contains(key) || stays && port.seen.liveness != Liveness::Dead
        })
    }

    /// All orders end, and all of so many containers are deleted: nothing is left.
    pub fn finish(&mut self, containers: u8) -> Result<(), String> {
        for i in 0..containers {
            self.ask(i, Verb::Del);
        }
        for _ in 0..500 {
            self.now += 31_000;
            self.scan();
            self.end_all()?;
            if self.facts.ports.all.is_empty() && self.facts.requests.is_empty() {
                return self.is_empty();
            }
        }
        let facts = &self.facts;
        Err(format!("left: {:?} {:?}", facts.ports.all, facts.requests))
    }

    /// All orders end well, and those that come of that.
    pub fn end_all(&mut self) -> Result<(), String> {
        self.settle()?;
        while let Some(order) = self.running.pop_front() {
            self.end(order, true);
            self.settle()?;
        }
        Ok(())
    }

    fn is_empty(&self) -> Result<(), String> {
        if !self.journal.is_empty() {
            return Err(format!("the journal has {:?}", self.journal));
        }
        if !self.kernel.keys().eq(&self.forgotten) {
            return Err(format!("the kernel has {:?}", self.kernel));
        }
        Ok(())
    }
}

/// Whether the addresses are those of hosts in their subnets.
fn can_be_given(port: &Port) -> Result<(), String> {
    for address in &port.addresses {
        let (ip, subnet) = (address.address.addr(), address.subnet);
        if !subnet.contains(&ip) || ip == address.gateway || ip == subnet.network() {
            return Err(format!("{ip} is given"));
        }
    }
    Ok(())
}

pub fn name(container: u8) -> String {
    format!("c{container}")
}
