//! Random lives of a lease: forged, late and repeated packets, restarts, sleep.

use std::{collections::BTreeSet, net::Ipv4Addr};

use node_agent_core::dhcp::{
    Boot,
    v4::{Input, MessageType, Mode, Output, Packet, State},
};
use proptest::prelude::*;

use super::{
    pace::Pace,
    server::{Books, Server},
    session::{ADDRESS, MAINTAIN, OTHER_ADDRESS, OTHER_SERVER, SERVER, Session},
};

const ONE: Server = Server {
    id: SERVER,
    address: ADDRESS,
};

#[derive(Debug, Clone)]
enum Event {
    /// The next deadline.
    Fire,
    /// A timer that fires for no reason, so many milliseconds later.
    Early(u64),
    /// The machine sleeps.
    Sleep(u64),
    /// An answer, to one of the last packets, comes; it stays on the wire and may come again.
    Answer(usize),
    /// An answer that somebody made up.
    Forged(usize, Forgery),
    /// The other server is there from now on, in place of this one.
    OtherServer(bool),
    Restart,
    /// So many milliseconds after the last packet.
    Boot(u64),
    Blink,
    Probed {
        free: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum Forgery {
    Xid,
    Mac,
    Server,
    OtherAddress,
    NoLeaseTime,
    Short,
    Forever,
    Nak,
    Times(u32, u32),
}

fn an_event() -> impl Strategy<Value = Event> {
    let forgery = prop_oneof![
        Just(Forgery::Xid),
        Just(Forgery::Mac),
        Just(Forgery::Server),
        Just(Forgery::OtherAddress),
        Just(Forgery::NoLeaseTime),
        Just(Forgery::Short),
        Just(Forgery::Forever),
        Just(Forgery::Nak),
        (0..8_000_u32, 0..8_000_u32).prop_map(|(t1, t2)| Forgery::Times(t1, t2)),
    ];
    prop_oneof![
        8 => Just(Event::Fire),
        2 => (0..100_000_u64).prop_map(Event::Early),
        1 => (0..8_000_000_u64).prop_map(Event::Sleep),
        8 => (0..4_usize).prop_map(Event::Answer),
        3 => (0..4_usize, forgery).prop_map(|(i, forgery)| Event::Forged(i, forgery)),
        1 => any::<bool>().prop_map(Event::OtherServer),
        2 => Just(Event::Restart),
        1 => (0..8_000_000_u64).prop_map(Event::Boot),
        1 => Just(Event::Blink),
        4 => any::<bool>().prop_map(|free| Event::Probed { free }),
    ]
}

/// A client, a wire, and what the servers wrote down.
struct World {
    session: Session,
    server: Server,
    /// Answers, the newest first.
    wire: Vec<Packet>,
    books: Books,
    /// What of the client's clock is not in the books': it begins anew at each boot.
    booted: u64,
    pace: Pace,
    /// Addresses that were probed since they were given.
    free: BTreeSet<Ipv4Addr>,
}

impl World {
    fn new(mode: Mode) -> Self {
        Self {
            session: Session::new(mode),
            server: ONE,
            wire: Vec::new(),
            books: Books::new(),
            booted: 0,
            pace: Pace::default(),
            free: BTreeSet::new(),
        }
    }

    fn true_time(&self) -> u64 {
        self.booted + self.session.now
    }

    fn pass(&mut self, millis: u64) {
        self.session.now += millis;
        self.pace.pass(millis);
    }

    fn fire(&mut self) -> Result<(), TestCaseError> {
        if self.session.lease.wake_at().is_some() {
            self.pass(self.session.pause());
        }
        self.input(Input::Timer)
    }

    fn input(&mut self, input: Input) -> Result<(), TestCaseError> {
        if let Input::Free(address) = &input {
            self.free.insert(*address);
        }
        for output in self.session.input(input) {
            if let Output::Send(packet, to) = output {
                let early = self.pace.send(&packet, to);
                prop_assert_eq!(early, Ok(()));
                let now = self.true_time();
                let answer = self.server.answer(&packet, &mut self.books, now);
                self.wire.splice(0..0, answer);
            } else if let Output::Probe(address) = output {
                self.free.remove(&address);
            }
        }
        let now = self.true_time();
        if let Some(held) = self.session.held() {
            let until = self.books.get(&held.address).copied();
            prop_assert!(
                until.is_some_and(|until| until > now),
                "{:?}",
                self.session.lease
            );
            match self.session.client.mode {
                Mode::Maintain(claimed) => prop_assert_eq!(held.address, claimed),
                Mode::Configure => prop_assert!(self.free.contains(&held.address)),
            }
        }
        Ok(())
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Fire => self.fire(),
            Event::Early(millis) | Event::Sleep(millis) => {
                self.pass(*millis);
                self.input(Input::Timer)
            }
            Event::Answer(i) => match self.wire.get(*i).cloned() {
                Some(packet) => self.input(Input::Received(Box::new(packet))),
                None => Ok(()),
            },
            Event::Forged(i, forgery) => match self.wire.get(*i).cloned() {
                Some(packet) => {
                    let packet = self.forge(packet, *forgery);
                    self.input(Input::Received(Box::new(packet)))
                }
                None => Ok(()),
            },
            Event::OtherServer(other) => {
                self.server = if *other {
                    Server {
                        id: OTHER_SERVER,
                        address: OTHER_ADDRESS,
                    }
                } else {
                    ONE
                };
                Ok(())
            }
            Event::Restart => self.input(Input::Resumed(Boot::Same)),
            Event::Boot(millis) => {
                self.pass(*millis);
                self.booted += self.session.now;
                self.session.now = 0;
                self.input(Input::Resumed(Boot::Other))
            }
            Event::Blink => self.input(Input::LinkRestarted),
            Event::Probed { free } => match &self.session.lease.state {
                State::Probing { binding, .. } => {
                    let address = binding.parameters.address;
                    self.input(if *free {
                        Input::Free(address)
                    } else {
                        Input::Conflict(address)
                    })
                }
                _ => Ok(()),
            },
        }
    }

    /// Somebody who sees the packets makes an answer of his own. What he gives is given: nobody can tell.
    fn forge(&mut self, mut packet: Packet, forgery: Forgery) -> Packet {
        match forgery {
            Forgery::Xid => packet.xid ^= 0x100,
            Forgery::Mac => packet.chaddr = [0; 6].into(),
            Forgery::Server => packet.options.server = Some(OTHER_ADDRESS),
            Forgery::OtherAddress => packet.yiaddr = Ipv4Addr::new(10, 0, 1, 99),
            Forgery::NoLeaseTime => packet.options.lease_time = None,
            Forgery::Short => packet.options.lease_time = Some(3),
            Forgery::Forever => {
                packet.options.lease_time = Some(u32::MAX);
                if packet.message_type == MessageType::Ack {
                    self.books.insert(packet.yiaddr, u64::MAX);
                }
            }
            Forgery::Nak => packet.message_type = MessageType::Nak,
            Forgery::Times(t1, t2) => {
                packet.options.renewal_time = Some(t1);
                packet.options.rebinding_time = Some(t2);
            }
        }
        packet
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_address_is_used_that_is_over_nobody_is_asked_too_often_and_a_server_that_answers_is_enough(
        maintain in any::<bool>(),
        jitter in any::<u32>(),
        events in prop::collection::vec(an_event(), 0..80),
    ) {
        let mut world = World::new(if maintain { MAINTAIN } else { Mode::Configure });
        world.session.jitter = jitter;
        for event in &events {
            world.happen(event)?;
        }
        // From now on all goes well.
        world.server = ONE;
        let mut fires = 0;
        while !matches!(world.session.lease.state, State::Bound(_)) {
            prop_assert!(fires < 60, "{:?}", world.session.lease);
            fires += 1;
            world.fire()?;
            // Offer, ACK, probe.
            for _ in 0..2 {
                world.happen(&Event::Answer(0))?;
            }
            world.happen(&Event::Probed { free: true })?;
        }
        prop_assert!(world.session.held().is_some());
    }
}
