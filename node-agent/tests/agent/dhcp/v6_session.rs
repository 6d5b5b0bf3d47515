//! A client of DHCPv6 in a pod: the machine over the agent's sockets, with the pod's interface as the lease says.

use std::{collections::BTreeSet, io::pipe, net::Ipv6Addr, ops::ControlFlow, time::Instant};

use node_agent::dhcp::exchange::{Exchange, LONGEST};
use node_agent_core::dhcp::{
    Change,
    v6::{Client, Input, Lease, MessageType, Mode, Output, Packet, Parameters, State},
};

use super::{Clock, DEADLINE, INTERFACE};
use crate::world::{MAC, World};

pub struct Session<'a> {
    world: &'a World,
    pub client: Client,
    pub lease: Lease,
    pub clock: Clock,
    configured: BTreeSet<Ipv6Addr>,
    /// What was sent and heard, and what came of it, since it was looked at last.
    pub sent: Vec<MessageType>,
    pub heard: Vec<MessageType>,
    pub changes: Vec<Change>,
}

impl<'a> Session<'a> {
    pub fn new(world: &'a World, mode: Mode) -> Self {
        let mac = MAC.parse().unwrap();
        let client = Client { mac, mode };
        let clock = Clock::new();
        Self {
            lease: client.begin(clock.moment()),
            world,
            client,
            clock,
            configured: BTreeSet::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub fn held(&self) -> Option<Parameters> {
        self.lease.held(self.clock.now())
    }

    pub fn addresses(&self) -> BTreeSet<Ipv6Addr> {
        self.held()
            .map(|held| held.resources.addresses)
            .unwrap_or_default()
    }

    pub fn has_what_it_wants(&self) -> bool {
        matches!(self.lease.state, State::Bound(_) | State::Informed { .. })
    }

    /// Lets time pass until the next deadline, then does what is due. A wait is real, or the machine is suspended meanwhile.
    pub fn fire(&mut self, suspended: bool) {
        let due = self.lease.wake_at().unwrap();
        if suspended {
            self.clock.sleep_until(due);
        } else {
            std::thread::sleep(self.clock.until(due));
        }
        self.input(Input::Timer);
    }

    /// Forgets what was seen, and lets deadline after deadline come until there is a lease that was not there before.
    pub fn go_on_until_bound(&mut self) {
        (self.sent, self.heard, self.changes) = Default::default();
        self.fire(true);
        self.wait_until_bound();
    }

    pub fn wait_until_bound(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.has_what_it_wants() {
            assert!(Instant::now() < deadline, "{:?}", self.lease);
            self.fire(true);
        }
    }

    pub fn input(&mut self, input: Input) {
        let (lease, outputs) = self
            .client
            .step(self.lease.clone(), input, self.clock.moment());
        self.lease = lease;
        self.act(outputs);
    }

    fn act(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(packet) => self.exchange(&packet),
                Output::Probe(address) => self.input(Input::Free(address)),
                Output::Changed(change) => self.changes.push(change),
                Output::Ignored(_) => {}
            }
        }
        self.configure();
    }

    fn exchange(&mut self, packet: &Packet) {
        self.sent.push(packet.message_type);
        let (stop, _running) = pipe().unwrap();
        let wake = self.lease.wake_at();
        let exchange = Exchange {
            namespace: &self.world.netns("pod"),
            interface: INTERFACE,
            unspecified: false,
            wait: wake.map_or(LONGEST, |wake| self.clock.until(wake)),
            stop: &stop,
        };
        let mut following = Vec::new();
        let Self {
            client,
            lease,
            clock,
            heard,
            ..
        } = self;
        let hear = |packet: Packet| {
            heard.push(packet.message_type);
            let advertised = matches!(lease.state, State::Soliciting(..));
            let input = Input::Received(Box::new(packet));
            let (next, outputs) = client.step(lease.clone(), input, clock.moment());
            *lease = next;
            following = outputs;
            let ignored = following
                .iter()
                .all(|output| matches!(output, Output::Ignored(_)));
            let waits_for_a_better_one = advertised && matches!(lease.state, State::Soliciting(..));
            if ignored && !following.is_empty() || waits_for_a_better_one {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let summary = exchange.v6(packet, client.iaid(), hear).unwrap();
        assert!(summary.dropped.is_empty(), "{summary:?}");
        self.act(following);
    }

    /// The interface has the addresses of the lease.
    fn configure(&mut self) {
        let wanted = self.addresses();
        for address in self.configured.difference(&wanted) {
            self.world
                .ip("pod", &format!("addr del {address}/128 dev {INTERFACE}"));
        }
        for address in wanted.difference(&self.configured) {
            self.world.ip(
                "pod",
                &format!("addr add {address}/128 dev {INTERFACE} nodad"),
            );
        }
        self.configured = wanted;
    }
}
