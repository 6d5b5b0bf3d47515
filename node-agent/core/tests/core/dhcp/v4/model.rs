//! Every life of a lease in which a few things go wrong: lost, late and repeated packets, restarts at any point, a server that is gone
//! or is another one.
//!
//! A crash between journal and wire is a lost packet, one before the journal is an outage.

use node_agent_core::dhcp::{
    Boot, BootTime, Moment,
    v4::{Binding, Exchange, Input, Lease, MessageType, Mode, Output, Packet, State as At, Term},
};
use stateright::{Checker, Model, Property};

use super::{
    pace::Pace,
    server::{Books, Server},
    session::{ADDRESS, MAINTAIN, MIDDLE, OTHER_ADDRESS, OTHER_SERVER, SERVER, a_client, reply},
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

#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    /// The next deadline comes.
    Fire,
    Deliver(usize),
    /// A probe finds nobody.
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
    /// The server that is there at first, and one that knows nothing of the lease. EC2 gives the claim's address by any.
    fn servers(&self) -> [Server; 2] {
        let other = match self.mode {
            Mode::Maintain(address) => address,
            Mode::Configure => OTHER_ADDRESS,
        };
        [(SERVER, ADDRESS), (OTHER_SERVER, other)].map(|(id, address)| Server { id, address })
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
        let (lease, outputs) = a_client(self.mode).step(world.lease.clone(), input, moment);
        world.lease = lease;
        for output in outputs {
            let Output::Send(packet, to) = output else {
                continue;
            };
            if let Err(early) = world.pace.send(&packet, to) {
                world.asked_too_early = Some(early);
            }
            let answer = world
                .server
                .and_then(|server| server.answer(&packet, &mut world.books, NOW));
            world.wire.extend(answer);
        }
    }

    fn fire(&self, world: &mut World) {
        let pause = world.lease.wake_at().unwrap().since(BootTime(NOW));
        world.pass(pause);
        self.input(world, Input::Timer);
    }

    /// Whether a lease is there soon if all goes well from now on.
    fn converges(&self, world: &World) -> bool {
        let mut world = world.clone();
        world.server = Some(world.server.unwrap_or(self.servers()[0]));
        for _ in 0..ENOUGH {
            while !world.wire.is_empty() {
                let packet = Box::new(world.wire.remove(0));
                self.input(&mut world, Input::Received(packet));
            }
            if let At::Probing { binding, .. } = &world.lease.state {
                let address = binding.parameters.address;
                self.input(&mut world, Input::Free(address));
            }
            if matches!(world.lease.state, At::Bound(_)) {
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
            At::Selecting(exchange) => {
                exchange.begun = BootTime(NOW);
                exchange.sent = exchange.sent.min(6);
                exchange.secs = 0;
            }
            At::Requesting(exchange, _) | At::Rebooting(exchange, _) => exchange.secs = 0,
            At::Renewing(exchange, _) | At::Rebinding(exchange, _) => {
                exchange.sent = 1;
                exchange.secs = 0;
            }
            At::Init { .. } | At::Probing { .. } | At::Bound(_) | At::Released => {}
        }
    }

    fn held_by_the_books(&self) -> bool {
        let held = self.lease.held(BootTime(NOW));
        held.is_none_or(|held| self.books.contains_key(&held.address))
    }
}

fn exchange(lease: &Lease) -> Option<&Exchange> {
    match &lease.state {
        At::Selecting(exchange)
        | At::Requesting(exchange, _)
        | At::Rebooting(exchange, _)
        | At::Renewing(exchange, _)
        | At::Rebinding(exchange, _) => Some(exchange),
        At::Init { .. } | At::Probing { .. } | At::Bound(_) | At::Released => None,
    }
}

fn each_time(lease: &mut Lease, mut change: impl FnMut(&mut BootTime)) {
    let mut of = |exchange: Option<&mut Exchange>, binding: Option<&mut Binding>| {
        if let Some(exchange) = exchange {
            change(&mut exchange.begun);
            change(&mut exchange.next_at);
        }
        if let Some(binding) = binding
            && let Term::Until {
                renew_at,
                rebind_at,
                expires_at,
            } = &mut binding.term
        {
            for time in [renew_at, rebind_at, expires_at] {
                change(time);
            }
        }
    };
    match &mut lease.state {
        At::Selecting(exchange) | At::Requesting(exchange, _) => of(Some(exchange), None),
        At::Rebooting(exchange, binding) => of(Some(exchange), binding.as_mut()),
        At::Renewing(exchange, binding) | At::Rebinding(exchange, binding) => {
            of(Some(exchange), Some(binding));
        }
        At::Bound(binding) => of(None, Some(binding)),
        At::Probing { binding, until } => {
            of(None, Some(binding));
            change(until);
        }
        At::Init { until } => change(until),
        At::Released => {}
    }
}

impl Model for Lives {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            lease: Lease {
                state: At::Released,
                remembered: None,
                failures: 0,
                differing: None,
            },
            server: Some(self.servers()[0]),
            wire: Vec::new(),
            books: Books::new(),
            pace: Pace::default(),
            asked_too_early: None,
            faults: 0,
        };
        world.lease = a_client(self.mode).begin(self.moment(&world));
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let packets = 0..world.wire.len();
        actions.extend(packets.clone().map(Action::Deliver));
        let probing = matches!(world.lease.state, At::Probing { .. });
        if probing {
            actions.push(Action::Free);
        }
        // While packets or a probe are on their way, a deadline is late.
        let calm = world.wire.is_empty() && !probing;
        if calm || world.faults < self.faults {
            actions.push(Action::Fire);
        }
        if world.faults == self.faults {
            return;
        }
        actions.extend(packets.clone().map(Action::Lose));
        actions.extend(packets.map(Action::Repeat));
        let [one, other] = self.servers();
        for server in [Some(one), Some(other), None] {
            if server != world.server {
                actions.push(Action::Server(server));
            }
        }
        let bound = matches!(world.lease.state, At::Bound(_));
        if bound || probing {
            actions.push(Action::Conflict);
        }
        if exchange(&world.lease).is_some() {
            actions.push(Action::Refuse);
        }
        actions.extend([Action::Restart, Action::Boot, Action::Blink]);
        for millis in [1, 20_000, 2_000_000, 4_000_000] {
            actions.extend([Action::Outage(millis), Action::Sleep(millis)]);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let world = &mut world;
        let calm = world.wire.is_empty() && !matches!(world.lease.state, At::Probing { .. });
        world.faults += match action {
            Action::Fire if calm => 0,
            Action::Deliver(_) | Action::Free => 0,
            _ => 1,
        };
        match action {
            Action::Fire => self.fire(world),
            Action::Deliver(i) => {
                let packet = world.wire.remove(i);
                self.input(world, Input::Received(Box::new(packet)));
            }
            Action::Free | Action::Conflict => {
                let (At::Probing { binding, .. } | At::Bound(binding)) = &world.lease.state else {
                    panic!("{world:?}")
                };
                let address = binding.parameters.address;
                let input = match action {
                    Action::Free => Input::Free(address),
                    _ => Input::Conflict(address),
                };
                self.input(world, input);
            }
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
                let mut packet = reply(MessageType::Nak, exchange(&world.lease)?.xid);
                packet.options.server = Some(SERVER);
                world.wire.push(packet);
            }
            Action::Server(server) => world.server = server,
        }
        world.fold();
        Some(world.clone())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no address is used that is over", |_, world: &World| {
                world.held_by_the_books()
            }),
            Property::always("nobody is asked too often", |_, world: &World| {
                world.asked_too_early.is_none()
            }),
            Property::always("a server that answers is enough", |lives: &Lives, world| {
                lives.converges(world)
            }),
            Property::always(
                "in Maintain there is no other address",
                |lives: &Lives, world: &World| {
                    let held = world.lease.held(BootTime(NOW));
                    lives.mode == Mode::Configure || held.is_none_or(|held| held.address == ADDRESS)
                },
            ),
            Property::sometimes("rebooting", |_, world: &World| {
                matches!(world.lease.state, At::Rebooting(_, None))
            }),
            Property::sometimes("verifying", |_, world: &World| {
                matches!(world.lease.state, At::Rebooting(_, Some(_)))
            }),
            Property::sometimes("rebinding", |_, world: &World| {
                matches!(world.lease.state, At::Rebinding(..))
            }),
            Property::sometimes("a server changed", |_, world: &World| {
                let held = world.lease.held(BootTime(NOW));
                held.is_some_and(|held| held.server == OTHER_SERVER)
            }),
        ]
    }
}

fn check(mode: Mode) {
    // Two faults at both ends of every random span, three in its middle.
    for (jitter, faults) in [(0, 2), (MIDDLE, 3), (u32::MAX, 2)] {
        let lives = Lives {
            mode,
            jitter,
            faults,
        };
        lives.checker().spawn_bfs().join().assert_properties();
    }
}

#[test]
fn every_life_of_a_lease_that_is_kept_beside_the_claims_address() {
    check(MAINTAIN);
}

#[test]
fn every_life_of_a_lease_that_gives_the_interface_its_address() {
    check(Mode::Configure);
}
