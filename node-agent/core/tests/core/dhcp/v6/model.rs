//! Every life of leases in which a few things go wrong: lost, late and repeated packets, restarts at any point, a server that is gone
//! or is another one.
//!
//! A crash between journal and wire is a lost packet, one before the journal is an outage.

use node_agent_core::dhcp::{
    Boot, BootTime, Moment,
    v6::{
        Binding, Exchange, Input, Lease, MessageType, Mode, Output, Packet, Resources, State as At,
        Status,
    },
};
use stateright::{Checker, Model, Property};

use super::{
    pace::Pace,
    server::{Books, Server},
    session::{ADDRESS, MIDDLE, OTHER_ADDRESS, a_client, maintain, other_server, reply, resources},
};

/// It is always now: what lies behind or ahead is moved instead, so that lives that differ in their time only are one.
const NOW: u64 = 1_000_000_000;
/// Times that lie further behind make no difference.
const PAST: u64 = NOW - 100_000_000;
/// From any state a lease is there after so many deadlines, if nothing more goes wrong.
const ENOUGH: usize = 40;

/// A client, its servers and the wire between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    lease: Lease,
    server: Option<Server>,
    /// Answers that did not arrive yet.
    wire: Vec<Packet>,
    books: Books,
    pace: Pace,
    asked_too_early: Option<String>,
    faults: u8,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    /// The next deadline comes.
    Fire,
    Deliver(usize),
    /// Probes find nobody.
    Free,
    /// From here on: what goes wrong.
    Lose(usize),
    Repeat(usize),
    Restart,
    /// No agent runs for so many milliseconds.
    Outage(u64),
    Sleep(u64),
    Boot,
    Blink,
    Conflict,
    /// Whoever sees the wire refuses.
    Refuse,
    Server(Option<Server>),
}

struct Lives {
    mode: Mode,
    jitter: u32,
    /// So many things go wrong.
    faults: u8,
}

impl Lives {
    /// The server that is there at first, and one that knows nothing of the lease. EC2 gives what the claim has by any.
    fn servers(&self) -> [Server; 2] {
        let address = match self.mode {
            Mode::Maintain(_) => ADDRESS,
            Mode::Configure { .. } => OTHER_ADDRESS,
        };
        let id = other_server();
        [Server::first(), Server { id, address }]
    }

    fn moment(&self, world: &World) -> Moment {
        let used = |xid: &u32| {
            let mut on_the_wire = world.wire.iter().map(|packet| packet.xid);
            let current = exchange(&world.lease).map(|exchange| exchange.xid);
            on_the_wire.any(|used| used == *xid)
                || current == Some(*xid)
                || world.pace.xid() == Some(*xid)
        };
        Moment {
            now: BootTime(NOW),
            xid: (1..100).find(|xid| !used(xid)).unwrap(),
            jitter: self.jitter,
        }
    }

    fn input(&self, world: &mut World, input: Input) {
        let moment = self.moment(world);
        if matches!(input, Input::Received(_)) {
            world.pace.answer();
        }
        let client = a_client(self.mode.clone());
        let (lease, outputs) = client.step(world.lease.clone(), input, moment);
        world.lease = lease;
        for output in outputs {
            let Output::Send(packet) = output else {
                continue;
            };
            if let Err(early) = world.pace.send(&packet) {
                world.asked_too_early = Some(early);
            }
            let server = world.server.as_ref();
            let answer = server.and_then(|server| server.answer(&packet, &mut world.books, NOW));
            world.wire.extend(answer);
        }
    }

    fn fire(&self, world: &mut World) {
        let pause = world.lease.wake_at().unwrap().since(BootTime(NOW));
        world.pass(pause);
        self.input(world, Input::Timer);
    }

    fn free(&self, world: &mut World) {
        if let At::Probing { unproven, .. } = world.lease.state.clone() {
            for address in unproven {
                self.input(world, Input::Free(address));
            }
        }
    }

    /// Whether leases are there soon if all goes well from now on.
    fn converges(&self, world: &World) -> bool {
        let mut world = world.clone();
        let [first, _] = self.servers();
        world.server.get_or_insert(first);
        for _ in 0..ENOUGH {
            while !world.wire.is_empty() {
                let packet = Box::new(world.wire.remove(0));
                self.input(&mut world, Input::Received(packet));
            }
            self.free(&mut world);
            if matches!(world.lease.state, At::Bound(_) | At::Informed { .. }) {
                return true;
            }
            self.fire(&mut world);
        }
        false
    }
}

impl World {
    fn pass(&mut self, millis: u64) {
        let sooner = |time: &mut BootTime| time.0 = time.0.saturating_sub(millis).max(PAST);
        each_time(&mut self.lease, sooner);
        self.books.retain(|_, until| {
            *until = until.saturating_sub(millis);
            *until > NOW
        });
        self.pace.pass(millis);
    }

    /// Makes one of what differs in nothing that matters, or their number would have no end.
    fn fold(&mut self) {
        self.pass(0);
        self.lease.failures = self.lease.failures.min(6);
        match &mut self.lease.state {
            At::Soliciting(exchange, _) | At::Informing(exchange, _) => {
                exchange.begun = BootTime(NOW);
                exchange.sent = exchange.sent.min(2);
            }
            At::Renewing(exchange, _) | At::Rebinding(exchange, _) => exchange.sent = 1,
            At::Requesting(..)
            | At::Confirming(..)
            | At::Init { .. }
            | At::Probing { .. }
            | At::Bound(_)
            | At::Informed { .. }
            | At::Released => {}
        }
    }

    fn held(&self) -> Resources {
        let held = self.lease.held(BootTime(NOW));
        held.map(|held| held.resources).unwrap_or_default()
    }

    fn held_by_the_books(&self) -> bool {
        let held = self.held();
        let addresses = held.addresses.iter().map(|address| (*address).into());
        let mut all = addresses.chain(held.prefixes.iter().copied());
        all.all(|net| self.books.contains_key(&net))
    }
}

fn exchange(lease: &Lease) -> Option<&Exchange> {
    match &lease.state {
        At::Soliciting(exchange, _)
        | At::Requesting(exchange, _)
        | At::Confirming(exchange, _)
        | At::Renewing(exchange, _)
        | At::Rebinding(exchange, _)
        | At::Informing(exchange, _) => Some(exchange),
        At::Init { .. }
        | At::Probing { .. }
        | At::Bound(_)
        | At::Informed { .. }
        | At::Released => None,
    }
}

fn each_time(lease: &mut Lease, mut change: impl FnMut(&mut BootTime)) {
    let mut of = |exchange: Option<&mut Exchange>, binding: Option<&mut Binding>| {
        if let Some(exchange) = exchange {
            change(&mut exchange.begun);
            change(&mut exchange.next_at);
        }
        if let Some(binding) = binding {
            for item in binding.addresses.iter_mut().chain(&mut binding.prefixes) {
                item.preferred_until.iter_mut().for_each(&mut change);
                item.valid_until.iter_mut().for_each(&mut change);
            }
            binding.renew_at.iter_mut().for_each(&mut change);
            binding.rebind_at.iter_mut().for_each(&mut change);
        }
    };
    match &mut lease.state {
        At::Soliciting(exchange, _) | At::Requesting(exchange, _) | At::Informing(exchange, _) => {
            of(Some(exchange), None);
        }
        At::Confirming(exchange, binding)
        | At::Renewing(exchange, binding)
        | At::Rebinding(exchange, binding) => of(Some(exchange), Some(binding)),
        At::Bound(binding) => of(None, Some(binding)),
        At::Probing { binding, until, .. } => {
            of(None, Some(binding));
            change(until);
        }
        At::Init { until } | At::Informed { until, .. } => change(until),
        At::Released => {}
    }
}

impl Model for Lives {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let [server, _] = self.servers();
        let moment = Moment {
            now: BootTime(NOW),
            xid: 1,
            jitter: self.jitter,
        };
        vec![World {
            lease: a_client(self.mode.clone()).begin(moment),
            server: Some(server),
            wire: Vec::new(),
            books: Books::new(),
            pace: Pace::default(),
            asked_too_early: None,
            faults: 0,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let packets = 0..world.wire.len();
        actions.extend(packets.clone().map(Action::Deliver));
        let probing = matches!(world.lease.state, At::Probing { .. });
        if probing {
            actions.push(Action::Free);
        }
        if world.is_calm() || world.faults < self.faults {
            actions.push(Action::Fire);
        }
        if world.faults == self.faults {
            return;
        }
        actions.extend(packets.clone().map(Action::Lose));
        actions.extend(packets.map(Action::Repeat));
        let [one, other] = self.servers();
        let servers = [Some(one), Some(other), None].into_iter();
        let servers = servers.filter(|server| *server != world.server);
        actions.extend(servers.map(Action::Server));
        if probing || matches!(world.lease.state, At::Bound(_)) {
            actions.push(Action::Conflict);
        }
        if exchange(&world.lease).is_some() {
            actions.push(Action::Refuse);
        }
        actions.extend([Action::Restart, Action::Boot, Action::Blink]);
        for millis in [1, 80_000, 120_000, 500_000] {
            actions.extend([Action::Outage(millis), Action::Sleep(millis)]);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        let world = &mut next;
        world.faults += match action {
            Action::Fire if world.is_calm() => 0,
            Action::Deliver(_) | Action::Free => 0,
            _ => 1,
        };
        match action {
            Action::Fire => self.fire(world),
            Action::Deliver(i) => {
                let packet = world.wire.remove(i);
                self.input(world, Input::Received(Box::new(packet)));
            }
            Action::Free => self.free(world),
            Action::Conflict => self.input(world, Input::Conflict(ADDRESS)),
            Action::Lose(i) => {
                world.wire.remove(i);
            }
            Action::Repeat(i) => {
                let packet = world.wire[i].clone();
                self.input(world, Input::Received(Box::new(packet)));
            }
            Action::Restart => self.input(world, Input::Resumed(Boot::Same)),
            Action::Outage(millis) => {
                world.pass(millis);
                self.input(world, Input::Resumed(Boot::Same));
            }
            Action::Sleep(millis) => {
                world.pass(millis);
                self.input(world, Input::Timer);
            }
            Action::Boot => {
                world.pass(10_000);
                // The clock begins anew: what was written before lies in a future that means nothing.
                each_time(&mut world.lease, |time| time.0 += 50_000_000);
                self.input(world, Input::Resumed(Boot::Other));
            }
            Action::Blink => self.input(world, Input::LinkRestarted),
            Action::Refuse => {
                let mut packet = reply(MessageType::Reply, exchange(&world.lease)?.xid);
                packet.options.status = Status::NoBinding;
                world.wire.push(packet);
            }
            Action::Server(server) => world.server = server,
        }
        next.fold();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is used that is over", |_, world: &World| {
                world.held_by_the_books()
            }),
            Property::always("nobody is asked too often", |_, world: &World| {
                world.asked_too_early.is_none()
            }),
            Property::always("a server that answers is enough", |lives: &Lives, world| {
                lives.converges(world)
            }),
            Property::always(
                "in Maintain nothing else is used",
                |lives: &Lives, world: &World| {
                    let held = world.held();
                    match &lives.mode {
                        Mode::Configure { .. } => true,
                        Mode::Maintain(claimed) => {
                            held.addresses.is_subset(&claimed.addresses)
                                && held.prefixes.is_subset(&claimed.prefixes)
                        }
                    }
                },
            ),
            Property::sometimes("something is there", |_, world: &World| {
                world.lease.held(BootTime(NOW)).is_some()
            }),
            Property::sometimes("it is asked for again", |_, world: &World| {
                matches!(
                    world.lease.state,
                    At::Rebinding(..) | At::Informing(_, Some(_))
                )
            }),
        ]
    }
}

impl World {
    /// While packets or probes are on their way, a deadline is late.
    fn is_calm(&self) -> bool {
        self.wire.is_empty() && !matches!(self.lease.state, At::Probing { .. })
    }
}

fn check(mode: &Mode) {
    // Both ends of every random span and its middle. A third fault takes half a minute more, and found nothing.
    for jitter in [0, MIDDLE, u32::MAX] {
        let lives = Lives {
            mode: mode.clone(),
            jitter,
            faults: 2,
        };
        lives.checker().spawn_bfs().join().assert_properties();
    }
}

#[test]
fn every_life_of_leases_that_are_kept_beside_what_the_claim_has() {
    check(&maintain());
}

#[test]
fn every_life_of_leases_that_give_the_interface_its_addresses() {
    check(&Mode::Configure { prefixes: false });
}

#[test]
fn every_life_of_information_only() {
    check(&Mode::Maintain(resources(&[], &[])));
}
