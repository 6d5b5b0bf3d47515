//! Every story of a few containers on one bridge that has so few addresses that they are used up, up to a number of events.
//!
//! What a random story finds by luck in many containers is found here by trying all orders of few.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
    hash::{Hash, Hasher},
    mem::take,
};

use node_agent_core::{
    facts::{Facts, Liveness, Retry, Survey, Verb},
    plan::{Answer, LONGEST_ADD, Order, PortOrder, plan},
    port::{PortAsked, PortKey, PortSeen, PortState},
};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{
    a_pool, on_bridge,
    world::{Event, World, name},
};

/// It is always now: what lies behind or ahead is moved instead, so that stories that differ in their time only are one.
const NOW: u64 = 1_000_000;
const EVERYTHING_ENDS: &str = "if all goes well from now on, every address can be given again";

struct Node {
    containers: u8,
    /// What containers ask for, and for how many of them there is room.
    configurations: Vec<PortAsked>,
    room: Vec<u8>,
    /// So many things go wrong.
    faults: u8,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    world: World,
    /// What no world may do.
    broken: Option<String>,
    faults: u8,
}

/// Facts have no hash. Their text has all of them, so that states that are taken for the same are the same: what makes no difference
/// is not left out here, but removed from the state itself by [`fold`].
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        write!(Text(hasher), "{self:?}").unwrap();
    }
}

/// Takes in a text bit by bit: to put it together first takes longer than all else.
struct Text<'a, H>(&'a mut H);

impl<H: Hasher> Write for Text<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Makes one of what differs in nothing that matters, or their number would have no end.
fn fold(world: &mut World) {
    world.answers.clear();
    // Of requests the order alone counts. One that is gone may have an order that is carried out.
    let requests = take(&mut world.facts.requests);
    let ids: BTreeMap<u64, u64> = requests.keys().copied().zip(1..).collect();
    world.facts.requests = (1..).zip(requests.into_values()).collect();
    world.last = ids.len() as u64;
    for order in &mut world.running {
        if let Order::Port(PortOrder::Add { request, port, .. }) = order {
            *request = ids.get(request).copied().unwrap_or_default();
            // It is what was seen when that was ordered; the facts know better.
            port.seen = PortSeen::default();
        }
    }
    // A dead container of which nothing is left is as good as one that never was.
    let there: BTreeSet<String> = world
        .dead
        .iter()
        .filter(|name| is_there(world, name))
        .cloned()
        .collect();
    world.dead = there;
    fold_times(world);
}

/// Of times behind counts which came first, and whether an ADD since then waits too long. One that waits for less than that
/// begins to wait anew: it may wait for longer than it would, for as long as deletions are tried again.
fn fold_times(world: &mut World) {
    let now = world.now;
    let Facts {
        requests, ports, ..
    } = &mut world.facts;
    let mut times: Vec<&mut u64> = Vec::new();
    for request in requests.values_mut() {
        times.extend([&mut request.since, &mut request.progress]);
    }
    for survey in ports.surveys.values_mut() {
        if let Survey::Ended { at, .. } = survey {
            times.push(at);
        }
    }
    let distinct: BTreeSet<u64> = times.iter().map(|time| **time).collect();
    let moved: BTreeMap<u64, u64> = (distinct.into_iter().rev().zip(0..))
        .map(|(time, rank)| {
            let is_late = time + LONGEST_ADD <= now;
            (time, NOW - rank - if is_late { LONGEST_ADD } else { 0 })
        })
        .collect();
    for time in times {
        *time = moved[time];
    }
    // An event takes no time beside a pause, which is of whole seconds.
    for port in ports.all.values_mut() {
        let Retry { at, .. } = &mut port.seen.retry;
        *at = match at.saturating_sub(now) {
            0 => 0,
            pause => NOW + pause.next_multiple_of(1_000),
        };
    }
    world.now = NOW;
}

/// Whether anything is left of a container.
fn is_there(world: &World, container: &str) -> bool {
    let known = world.facts.ports.all.values();
    let ports = known.chain(world.journal.values());
    let requests = world.facts.requests.values();
    let mut sandboxes = (ports.map(|port| &port.sandbox)).chain(requests.map(|one| &one.sandbox));
    let mut holders = world.kernel.values();
    sandboxes.any(|sandbox| sandbox.container_id == container)
        || holders.any(|holders| holders.contains(container))
}

impl Node {
    /// Whether nothing is left once all containers are deleted, and all addresses can be given to others then.
    fn finish(&self, world: &World) -> Result<(), String> {
        let mut world = world.clone();
        world.finish(self.containers)?;
        for i in 0..self.containers {
            world.happen(Event::Dies(i), &self.configurations)?;
        }
        for (which, room) in self.room.iter().enumerate() {
            let all = self.containers + room;
            for i in self.containers..all {
                world.happen(Event::Add(i, which), &self.configurations)?;
            }
            world.end_all()?;
            let given = world.journal.len();
            if given != usize::from(*room) {
                return Err(format!("{given} of {room} new containers have an address"));
            }
            world.finish(all)?;
        }
        Ok(())
    }

    /// Whether a container that asks now is told that all addresses are in use.
    fn is_used_up(&self, world: &World) -> bool {
        let mut world = world.clone();
        let asks = Event::Add(self.containers, 0);
        let is_possible = world.happen(asks, &self.configurations).is_ok();
        let refused =
            |answer: &Answer| matches!(answer, Answer::Later(why) if why.contains("all addresses"));
        is_possible && world.answers.iter().any(refused)
    }

    fn containers(&self, world: &World, may_fail: bool, actions: &mut Vec<Event>) {
        let asks = |i: u8, is_meant: &dyn Fn(&Verb) -> bool| {
            let mut requests = world.facts.requests.values();
            requests.any(|one| one.sandbox.container_id == name(i) && is_meant(&one.verb))
        };
        let mut fresh = 0;
        for i in 0..self.containers {
            let is_alive = !world.dead.contains(&name(i));
            let is_there = is_there(world, &name(i));
            // Of those that are not there one is as good as another.
            fresh += u8::from(!is_there);
            if !is_there && fresh > 1 {
                continue;
            }
            if is_alive && !asks(i, &|verb| matches!(verb, Verb::Add(_))) {
                let configurations = 0..self.configurations.len();
                actions.extend(configurations.map(|which| Event::Add(i, which)));
            }
            if is_there && !asks(i, &|verb| *verb == Verb::Del) {
                actions.push(Event::Del(i));
            }
            if is_there && is_alive && may_fail {
                actions.push(Event::Dies(i));
            }
        }
    }
}

impl Model for Node {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let mut world = World::default();
        fold(&mut world);
        vec![State {
            world,
            broken: None,
            faults: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Event>) {
        let world = &state.world;
        if state.broken.is_some() {
            return;
        }
        let may_fail = state.faults < self.faults;
        self.containers(world, may_fail, actions);
        if plan(&world.facts, world.now).wake_at.is_some() {
            actions.push(Event::Wait);
        }
        let mut ports = world.facts.ports.all.values();
        if ports.any(|port| {
            port.seen.liveness == Liveness::Alive && world.dead.contains(&port.sandbox.container_id)
        }) {
            actions.push(Event::Scan);
        }
        let steps = match world.running.front() {
            Some(Order::Port(PortOrder::Add { .. })) => 2,
            Some(_) => 1,
            None => 0,
        };
        if steps > 0 {
            actions.push(Event::Ends(true));
        }
        if !may_fail {
            return;
        }
        if !world.facts.requests.is_empty() {
            actions.push(Event::HangUp);
        }
        if steps > 0 {
            actions.push(Event::Ends(false));
        }
        actions.extend((0..=steps).map(Event::Killed));
        actions.extend((0..=steps).map(Event::JournalLost));
    }

    fn next_state(&self, last: &State, event: Event) -> Option<State> {
        let mut state = last.clone();
        state.faults += match event {
            Event::Add(..) | Event::Del(_) | Event::Ends(true) | Event::Scan | Event::Wait => 0,
            Event::HangUp
            | Event::Dies(_)
            | Event::Ends(false)
            | Event::Killed(_)
            | Event::JournalLost(_) => 1,
        };
        state.broken = state.world.happen(event, &self.configurations).err();
        fold(&mut state.world);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no order or answer is wrong", |_, state: &State| {
                state.broken.is_none()
            }),
            Property::always("no address has two holders", |_, state: &State| {
                state.world.has_one_holder_each()
            }),
            Property::always("the journal is known", |_, state: &State| {
                state.world.journal_is_known()
            }),
            Property::always("the kernel is known", |_, state: &State| {
                state.world.kernel_is_known()
            }),
            Property::always("what nobody has is deleted", |_, state: &State| {
                state.broken.is_some() || state.world.deletes_what_nobody_has()
            }),
            Property::always(EVERYTHING_ENDS, |node: &Node, state: &State| {
                state.broken.is_some() || node.finish(&state.world).is_ok()
            }),
            Property::sometimes("all addresses are used up", |node: &Node, state: &State| {
                node.is_used_up(&state.world)
            }),
            Property::sometimes("an address is given again", |_, state: &State| {
                is_given_again(&state.world)
            }),
            // Else the journal has only what is added.
            Property::sometimes("a kill left half an ADD", |_, state: &State| {
                let mut ports = state.world.journal.values();
                ports.any(|port| port.state == PortState::Adding)
            }),
            Property::sometimes("a journal is lost", |_, state: &State| {
                !state.world.forgotten.is_empty()
            }),
            Property::sometimes("a deletion is tried again", |_, state: &State| {
                let known = &state.world.facts.ports;
                let mut ports = known.all.iter();
                ports.any(|(key, port)| port.seen.retry.failures > 0 && known.busy.contains(key))
            }),
        ]
    }
}

/// Whether an address is given for a second time: it is on its way to somebody while another one has the address behind it, which
/// is given first only if that one was in use.
fn is_given_again(world: &World) -> bool {
    let [first, second] = ["fd00::2", "fd00::3"].map(|ip| PortKey(ip.parse().unwrap()));
    world.facts.ports.busy.contains(&first)
        && !world.journal.contains_key(&first)
        && world.journal.contains_key(&second)
}

fn check(node: Node, depth: usize) {
    let checker = node
        .checker()
        .target_max_depth(depth)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    if let Some(path) = checker.discovery(EVERYTHING_ENDS) {
        let why = checker.model().finish(&path.last_state().world);
        panic!("{path}{}", why.unwrap_err());
    }
    checker.assert_properties();
}

/// Of four addresses the network and the node have one each.
fn two_addresses() -> PortAsked {
    on_bridge("fd00::/126")
}

#[test]
fn every_story_of_three_containers_and_two_addresses() {
    let node = Node {
        containers: 3,
        configurations: vec![two_addresses()],
        room: vec![2],
        faults: 2,
    };
    check(node, 9);
}

#[test]
fn every_story_of_two_containers_while_the_subnet_is_changed_and_changed_back() {
    let mut after = on_bridge("10.9.0.0/30");
    after.pools.push(a_pool("fd01::/126"));
    let node = Node {
        containers: 2,
        configurations: vec![two_addresses(), after],
        room: vec![2, 1],
        faults: 1,
    };
    check(node, 9);
}
