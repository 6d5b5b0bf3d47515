//! Random lives of leases: forged, late and repeated packets, restarts, sleep.

use std::{collections::BTreeSet, net::Ipv6Addr};

use node_agent_core::dhcp::{
    Boot,
    v6::{Association, Duid, Input, MessageType, Mode, Options, Output, Packet, State, Status},
};
use proptest::prelude::*;

use super::{
    pace::Pace,
    server::{Books, Server},
    session::{ADDRESS, OTHER_ADDRESS, Session, association, maintain, other_server, resources},
};

#[derive(Debug, Clone)]
enum Event {
    /// The next deadline.
    Fire,
    /// A timer that fires for no reason, or late, so many milliseconds later.
    Timer(u64),
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
    Client,
    Server,
    Nothing,
    Short,
    Backwards,
    Other,
    NoBinding,
    Times(u32, u32),
    Limits(u32),
}

fn an_event() -> impl Strategy<Value = Event> {
    let forgery = prop_oneof![
        Just(Forgery::Xid),
        Just(Forgery::Client),
        Just(Forgery::Server),
        Just(Forgery::Nothing),
        Just(Forgery::Short),
        Just(Forgery::Backwards),
        Just(Forgery::Other),
        Just(Forgery::NoBinding),
        (0..900_u32, 0..900_u32).prop_map(|(t1, t2)| Forgery::Times(t1, t2)),
        (0..200_u32).prop_map(Forgery::Limits),
    ];
    prop_oneof![
        8 => Just(Event::Fire),
        2 => (0..100_000_u64).prop_map(Event::Timer),
        1 => (0..1_000_000_u64).prop_map(Event::Timer),
        8 => (0..4_usize).prop_map(Event::Answer),
        3 => (0..4_usize, forgery).prop_map(|(i, forgery)| Event::Forged(i, forgery)),
        1 => any::<bool>().prop_map(Event::OtherServer),
        2 => Just(Event::Restart),
        1 => (0..1_000_000_u64).prop_map(Event::Boot),
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
    free: BTreeSet<Ipv6Addr>,
}

impl World {
    fn new(mode: Mode, jitter: u32) -> Self {
        Self {
            session: Session::with_jitter(mode, jitter),
            server: Server::first(),
            wire: Vec::new(),
            books: Books::new(),
            booted: 0,
            pace: Pace::default(),
            free: BTreeSet::new(),
        }
    }

    fn pass(&mut self, millis: u64) {
        self.session.now += millis;
        self.pace.pass(millis);
    }

    fn fire(&mut self) -> Result<(), TestCaseError> {
        self.pass(self.session.pause());
        self.input(Input::Timer)
    }

    fn input(&mut self, input: Input) -> Result<(), TestCaseError> {
        if let Input::Free(address) = &input {
            self.free.insert(*address);
        }
        if matches!(input, Input::Received(_)) {
            self.pace.answer();
        }
        for output in self.session.input(input) {
            if let Output::Send(packet) = output {
                prop_assert_eq!(self.pace.send(&packet), Ok(()));
                let now = self.booted + self.session.now;
                let answer = self.server.answer(&packet, &mut self.books, now);
                self.wire.splice(0..0, answer);
            } else if let Output::Probe(address) = output {
                self.free.remove(&address);
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let now = self.booted + self.session.now;
        let has = self.session.has();
        let addresses = has.addresses.iter().map(|address| (*address).into());
        for net in addresses.chain(has.prefixes.iter().copied()) {
            let until = self.books.get(&net).copied();
            prop_assert!(
                until.is_some_and(|until| until > now),
                "{:?}",
                self.session.lease
            );
        }
        match &self.session.client.mode {
            Mode::Maintain(claimed) => {
                prop_assert!(has.addresses.is_subset(&claimed.addresses));
                prop_assert!(has.prefixes.is_subset(&claimed.prefixes));
            }
            Mode::Configure { .. } => prop_assert!(has.addresses.is_subset(&self.free)),
        }
        Ok(())
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Fire => self.fire(),
            Event::Timer(millis) => {
                self.pass(*millis);
                self.input(Input::Timer)
            }
            Event::Answer(i) => match self.wire.get(*i).cloned() {
                Some(packet) => self.input(Input::Received(Box::new(packet))),
                None => Ok(()),
            },
            Event::Forged(i, forgery) => match self.wire.get(*i).cloned() {
                Some(packet) => {
                    let packet = Box::new(forge(packet, *forgery));
                    self.input(Input::Received(packet))
                }
                None => Ok(()),
            },
            Event::OtherServer(other) => {
                self.server = if *other {
                    Server {
                        id: other_server(),
                        address: OTHER_ADDRESS,
                    }
                } else {
                    Server::first()
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
            Event::Probed { free } => self.probed(*free),
        }
    }

    fn probed(&mut self, free: bool) -> Result<(), TestCaseError> {
        let State::Probing { unproven, .. } = self.session.lease.state.clone() else {
            return Ok(());
        };
        for address in unproven {
            self.input(if free {
                Input::Free(address)
            } else {
                Input::Conflict(address)
            })?;
        }
        Ok(())
    }
}

/// Somebody who sees the packets makes an answer of his own. He gives nothing for longer than the server: what he gives is given, and
/// nobody can tell.
fn forge(mut packet: Packet, forgery: Forgery) -> Packet {
    let options = &mut packet.options;
    let associations = |options: &mut Options, change: fn(&mut Association)| {
        let both = [&mut options.addresses, &mut options.prefixes];
        both.into_iter().flatten().for_each(change);
    };
    match forgery {
        Forgery::Xid => packet.xid ^= 0x100,
        Forgery::Client => options.client_id = Some(other_server()),
        Forgery::Server => options.server_id = Some(Duid(vec![9; 12])),
        Forgery::Nothing => (options.addresses, options.prefixes) = (None, None),
        Forgery::Short => associations(options, |association| {
            for leased in &mut association.leased {
                (leased.preferred, leased.valid) = (1, 3);
            }
        }),
        Forgery::Backwards => associations(options, |association| {
            for leased in &mut association.leased {
                (leased.preferred, leased.valid) = (leased.valid, leased.preferred);
            }
        }),
        Forgery::Other => {
            if packet.message_type == MessageType::Advertise {
                options.addresses = Some(association(&["2001:db8:1::99/128".parse().unwrap()]));
            }
        }
        Forgery::NoBinding => associations(options, |association| {
            association.status = Status::NoBinding;
        }),
        Forgery::Times(t1, t2) => {
            let both = [&mut options.addresses, &mut options.prefixes];
            for association in both.into_iter().flatten() {
                (association.renewal_time, association.rebinding_time) = (t1, t2);
            }
        }
        Forgery::Limits(secs) => {
            options.solicit_limit = Some(secs);
            options.information_limit = Some(secs);
            options.refresh_time = Some(secs);
        }
    }
    packet
}

fn a_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        Just(maintain()),
        Just(Mode::Maintain(resources(&[ADDRESS], &[]))),
        Just(Mode::Maintain(resources(&[], &[]))),
        Just(Mode::Configure { prefixes: false }),
        Just(Mode::Configure { prefixes: true }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_used_that_is_over_nobody_is_asked_too_often_and_a_server_that_answers_is_enough(
        mode in a_mode(),
        jitter in any::<u32>(),
        events in prop::collection::vec(an_event(), 0..80),
    ) {
        let mut world = World::new(mode, jitter);
        for event in &events {
            world.happen(event)?;
        }
        // From now on all goes well.
        world.server = Server::first();
        let mut fires = 0;
        while !matches!(world.session.lease.state, State::Bound(_) | State::Informed { .. }) {
            prop_assert!(fires < 60, "{:?}", world.session.lease);
            fires += 1;
            world.fire()?;
            // Advertisement, reply, probe.
            for _ in 0..2 {
                world.happen(&Event::Answer(0))?;
            }
            world.happen(&Event::Probed { free: true })?;
        }
        prop_assert!(world.session.held().is_some());
    }
}
