//! Random stories of containers that come and go on one bridge, with an agent that is killed at any step: no address is given
//! twice, none is lost, and what the journal says is what the kernel has.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use node_agent_core::{
    facts::{Facts, Liveness, Verb, Wanted},
    plan::{Answer, Order, PortOrder, plan},
    port::{Port, PortAsked, PortKey, PortState},
};
use proptest::prelude::*;

use super::{a_pool, on_bridge};
use crate::makers::a_sandbox;

const CONTAINERS: u8 = 8;

#[derive(Debug, Clone, Copy)]
enum Event {
    Add(u8, bool),
    Del(u8),
    HangUp,
    Dies(u8),
    /// The oldest step ends, well or not.
    Ends(bool),
    /// The agent is killed, with steps half done, and another one starts.
    Killed,
    /// The journal is lost as well.
    JournalLost,
    Scan,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..CONTAINERS, any::<bool>()).prop_map(|(i, other)| Event::Add(i, other)),
        4 => (0..CONTAINERS).prop_map(Event::Del),
        1 => Just(Event::HangUp),
        2 => (0..CONTAINERS).prop_map(Event::Dies),
        8 => prop::bool::weighted(0.85).prop_map(Event::Ends),
        1 => Just(Event::Killed),
        1 => Just(Event::JournalLost),
        2 => Just(Event::Scan),
    ]
}

/// What there is outside of the agent.
#[derive(Default)]
struct World {
    facts: Facts,
    /// The files of the journal.
    journal: BTreeMap<PortKey, Port>,
    /// Who has an address in the kernel.
    kernel: BTreeMap<IpAddr, String>,
    running: Vec<Order>,
    dead: BTreeSet<String>,
    next: u64,
    now: u64,
}

/// Two subnets: one is changed into the other and back, under load. The first has room for four.
fn asked(other: bool) -> PortAsked {
    let mut asked = on_bridge("10.0.0.0/29");
    asked.pools[0].gateway = "10.0.0.2".parse().unwrap();
    if other {
        asked.pools = vec![a_pool("10.9.0.0/28"), a_pool("fd00::/64")];
    }
    asked
}

impl World {
    fn ask(&mut self, container: &str, verb: Verb) {
        self.next += 1;
        let sandbox = a_sandbox(container);
        self.facts.ask(self.next, sandbox, verb, self.now);
    }

    fn happen(&mut self, event: Event) {
        self.now += 100;
        match event {
            Event::Add(i, other) if !self.dead.contains(&name(i)) => {
                self.ask(&name(i), Verb::Add(Wanted::Port(Box::new(asked(other)))));
            }
            Event::Del(i) => self.ask(&name(i), Verb::Del),
            Event::HangUp => drop(self.facts.requests.pop_first()),
            Event::Dies(i) => {
                self.kernel.retain(|_, container| *container != name(i));
                self.dead.insert(name(i));
            }
            Event::Ends(well) if !self.running.is_empty() => {
                let order = self.running.remove(0);
                self.end(order, well);
            }
            Event::Killed => self.killed(),
            Event::JournalLost => {
                self.journal.clear();
                self.killed();
            }
            Event::Scan => self.scan(),
            Event::Add(..) | Event::Ends(_) => {}
        }
        self.settle();
    }

    /// What was being done is half done; the next agent knows the journal alone.
    fn killed(&mut self) {
        for order in std::mem::take(&mut self.running) {
            if let Order::Port(PortOrder::Add { key, port, .. }) = order {
                // The journal is written first.
                self.journal.entry(key).or_insert_with(|| (*port).clone());
                self.enter(&port);
            }
        }
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

    /// The kernel gets the addresses of a port, unless its namespace is gone.
    fn enter(&mut self, port: &Port) {
        let container = &port.sandbox.container_id;
        if self.dead.contains(container) {
            return;
        }
        for address in &port.addresses {
            let before = self
                .kernel
                .insert(address.address.addr(), container.clone());
            let theirs = before.as_ref().is_none_or(|before| before == container);
            assert!(
                theirs,
                "{} is given twice: {before:?} and {container}",
                address.address
            );
        }
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            let orders = plan(&self.facts, self.now).orders;
            if orders.is_empty() {
                return;
            }
            for order in orders {
                self.obey(order);
            }
        }
        panic!("no end: {:?}", plan(&self.facts, self.now));
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Answer(id, answer) => {
                let request = self
                    .facts
                    .requests
                    .remove(&id)
                    .expect("an answer to nobody");
                if let Answer::Port(key) = answer {
                    let port = self.facts.ports.all.get_mut(&key).unwrap();
                    assert_eq!(port.sandbox, request.sandbox, "another's port");
                    port.state = PortState::Added;
                }
                if let Answer::Deleted = answer {
                    let left = self.facts.ports.of(&request.sandbox).next();
                    assert!(
                        left.is_none_or(|(_, port)| port.seen.retry.failures >= 2),
                        "{left:?}"
                    );
                }
            }
            Order::Port(PortOrder::Survey(bridge)) => {
                // It takes no time: who comes meanwhile is asked for in other stories.
                let found = self.kernel.keys().copied().collect();
                self.facts.ports.surveyed(&bridge, self.now, Ok(found));
            }
            Order::Port(PortOrder::Add {
                request,
                key,
                ref port,
            }) => {
                for address in &port.addresses {
                    let ip = address.address.addr();
                    assert!(
                        address.subnet.contains(&ip),
                        "{ip} is not of {}",
                        address.subnet
                    );
                    assert_ne!(ip, address.gateway);
                    assert_ne!(ip, address.subnet.network());
                }
                self.facts.ports.begin(key, (**port).clone());
                self.facts.requests.get_mut(&request).unwrap().port = Some(key);
                self.running.push(order);
            }
            Order::Port(PortOrder::Delete(key)) => {
                let port = self.facts.ports.all.get_mut(&key).unwrap();
                port.state = PortState::Deleting;
                assert!(self.facts.ports.busy.insert(key), "two orders on one port");
                self.running.push(order);
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn end(&mut self, order: Order, well: bool) {
        match order {
            Order::Port(PortOrder::Add { request, key, port }) => {
                self.facts.ports.busy.remove(&key);
                let alive = !self.dead.contains(&port.sandbox.container_id);
                if well && alive {
                    self.enter(&port);
                    let added = Port {
                        state: PortState::Added,
                        ..*port
                    };
                    self.journal.insert(key, added);
                    if let Some(request) = self.facts.requests.get_mut(&request) {
                        request.port_done = true;
                    }
                } else {
                    // Undone.
                    let had = self.facts.ports.all.get(&key).cloned();
                    self.leave(had.as_ref());
                    self.journal.remove(&key);
                    self.facts.ports.end(key);
                    self.facts.requests.remove(&request);
                }
            }
            Order::Port(PortOrder::Delete(key)) => {
                self.facts.ports.busy.remove(&key);
                if well {
                    let had = self.facts.ports.all.get(&key).cloned();
                    self.leave(had.as_ref());
                    self.journal.remove(&key);
                    self.facts.ports.end(key);
                } else if let Some(port) = self.facts.ports.all.get_mut(&key) {
                    port.seen.retry = port.seen.retry.failed(self.now);
                }
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn leave(&mut self, port: Option<&Port>) {
        for address in port.into_iter().flat_map(|port| &port.addresses) {
            self.kernel.remove(&address.address.addr());
        }
    }

    /// All steps end, and all containers are deleted.
    fn finish(&mut self) {
        for i in 0..CONTAINERS {
            self.ask(&name(i), Verb::Del);
        }
        for _ in 0..500 {
            self.now += 31_000;
            self.scan();
            self.settle();
            while !self.running.is_empty() {
                let order = self.running.remove(0);
                self.end(order, true);
            }
            if self.facts.ports.all.is_empty() && self.facts.requests.is_empty() {
                return;
            }
        }
        panic!("left: {:?} {:?}", self.facts.ports.all, self.facts.requests);
    }
}

fn name(i: u8) -> String {
    format!("c{i}")
}

proptest! {
    #[test]
    fn no_address_is_given_twice_and_none_is_lost(events in prop::collection::vec(event(), 0..120)) {
        let mut world = World::default();
        let mut journal_lost = false;
        for event in events {
            journal_lost |= matches!(event, Event::JournalLost);
            world.happen(event);
        }
        world.finish();
        prop_assert!(world.journal.is_empty(), "the journal has {:?}", world.journal);
        // Ports that no journal knows end with their containers.
        prop_assert!(journal_lost || world.kernel.is_empty(), "the kernel has {:?}", world.kernel);
    }
}
