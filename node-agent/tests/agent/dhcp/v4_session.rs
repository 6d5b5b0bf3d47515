//! A client of DHCPv4 in a pod: the machine over the agent's sockets, with the pod's interface as the lease says.

use std::{io::pipe, net::Ipv4Addr, ops::ControlFlow, time::Instant};

use node_agent::dhcp::exchange::{Exchange, LONGEST};
use node_agent_core::dhcp::{
    Change,
    v4::{Client, Input, Lease, MessageType, Mode, Output, Packet, Parameters, State, To},
};

use super::{Clock, DEADLINE, INTERFACE};
use crate::world::{MAC, World};

pub struct Session<'a> {
    world: &'a World,
    pub client: Client,
    pub lease: Lease,
    pub clock: Clock,
    configured: Option<Ipv4Addr>,
    /// What was sent and heard, and what came of it, since it was looked at last.
    pub sent: Vec<(MessageType, To)>,
    pub heard: Vec<MessageType>,
    pub changes: Vec<Change>,
}

impl<'a> Session<'a> {
    pub fn new(world: &'a World, mode: Mode) -> Self {
        let client = Client {
            mac: MAC.parse().unwrap(),
            host_name: Some("web-0".into()),
            mode,
        };
        let clock = Clock::new();
        Self {
            lease: client.begin(clock.moment()),
            world,
            client,
            clock,
            configured: None,
            sent: Vec::new(),
            heard: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub fn held(&self) -> Option<&Parameters> {
        self.lease.held(self.clock.now())
    }

    pub fn is_bound(&self) -> bool {
        matches!(self.lease.state, State::Bound(_))
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
        while !self.is_bound() {
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
                Output::Send(packet, to) => self.exchange(&packet, to),
                Output::Probe(address) => self.input(Input::Free(address)),
                Output::Changed(change) => self.changes.push(change),
                Output::Ignored(_) => {}
            }
        }
        self.configure();
    }

    fn exchange(&mut self, packet: &Packet, to: To) {
        self.sent.push((packet.message_type, to));
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
            let input = Input::Received(Box::new(packet));
            let (next, outputs) = client.step(lease.clone(), input, clock.moment());
            *lease = next;
            following = outputs;
            let ignored = following
                .iter()
                .all(|output| matches!(output, Output::Ignored(_)));
            if ignored {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let summary = exchange.v4(packet, to, hear).unwrap();
        assert!(summary.dropped.is_empty(), "{summary:?}");
        self.act(following);
    }

    /// The interface has the address of the lease.
    fn configure(&mut self) {
        let held = self.held().map(|held| (held.address, held.prefix));
        let wanted = held.map(|(address, _)| address);
        if wanted == self.configured {
            return;
        }
        self.world
            .ip("pod", &format!("-4 addr flush dev {INTERFACE}"));
        if let Some((address, prefix)) = held {
            self.world.ip(
                "pod",
                &format!("addr add {address}/{prefix} dev {INTERFACE}"),
            );
        }
        self.configured = wanted;
    }
}
