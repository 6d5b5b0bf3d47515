//! A client with its lease and a clock, and a server that answers it.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use node_agent_core::dhcp::{
    BootTime, Change, Ignored, Moment,
    v6::{
        Association, Client, Duid, Input, Lease, Leased, MessageType, Mode, Options, Output,
        Packet, Parameters, Resources, State,
    },
};

use crate::makers::mac;

pub const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x50);
pub const OTHER_ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x77);
pub const MIDDLE: u32 = u32::MAX / 2;

pub fn prefix() -> Ipv6Net {
    "2001:db8:1:0:8000::/80".parse().unwrap()
}

pub fn server() -> Duid {
    Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1])
}

pub fn other_server() -> Duid {
    Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 2])
}

pub fn resources(addresses: &[Ipv6Addr], prefixes: &[Ipv6Net]) -> Resources {
    Resources {
        addresses: addresses.iter().copied().collect(),
        prefixes: prefixes.iter().copied().collect(),
    }
}

/// An address and a prefix of the claim.
pub fn maintain() -> Mode {
    Mode::Maintain(resources(&[ADDRESS], &[prefix()]))
}

pub const CONFIGURE: Mode = Mode::Configure { prefixes: false };

pub fn a_client(mode: Mode) -> Client {
    Client { mac: mac(), mode }
}

/// A client at work.
#[derive(Clone)]
pub struct Session {
    pub client: Client,
    pub lease: Lease,
    /// Milliseconds.
    pub now: u64,
    pub jitter: u32,
    xid: u32,
}

impl Session {
    pub fn new(mode: Mode) -> Self {
        Self::with_jitter(mode, MIDDLE)
    }

    pub fn with_jitter(mode: Mode, jitter: u32) -> Self {
        let client = a_client(mode);
        let moment = Moment {
            now: BootTime(1_000_000),
            xid: 100,
            jitter,
        };
        Self {
            lease: client.begin(moment),
            client,
            now: moment.now.0,
            jitter,
            xid: moment.xid,
        }
    }

    /// One that asks for what a server advertised.
    pub fn requesting(mode: Mode) -> Self {
        let mut session = Self::new(mode);
        session.next_packet();
        session.answer(MessageType::Advertise, |packet| {
            packet.options.preference = 255;
        });
        assert!(matches!(session.lease.state, State::Requesting(..)));
        session
    }

    /// One that has what it wants, with the lifetimes of the VPC.
    pub fn bound(mode: Mode) -> Self {
        let mut session = Self::requesting(mode);
        session.answer(MessageType::Reply, |_| {});
        session.input(Input::Free(ADDRESS));
        assert!(matches!(session.lease.state, State::Bound(_)));
        session
    }

    pub fn input(&mut self, input: Input) -> Vec<Output> {
        self.xid += 1;
        let moment = Moment {
            now: BootTime(self.now),
            xid: self.xid,
            jitter: self.jitter,
        };
        let (lease, outputs) = self.client.step(self.lease.clone(), input, moment);
        self.lease = lease;
        outputs
    }

    /// Milliseconds until something is due.
    pub fn pause(&self) -> u64 {
        let wake = self.lease.wake_at().expect("nothing is due");
        wake.since(BootTime(self.now))
    }

    /// Waits for the next deadline.
    pub fn fire(&mut self) -> Vec<Output> {
        self.now += self.pause();
        self.input(Input::Timer)
    }

    /// Waits for the next packet.
    pub fn next_packet(&mut self) -> Packet {
        for _ in 0..20 {
            if let Some(packet) = sent(&self.fire()) {
                return packet;
            }
        }
        panic!("nothing is sent: {:?}", self.lease)
    }

    pub fn exchange_xid(&self) -> Option<u32> {
        match &self.lease.state {
            State::Soliciting(exchange, _)
            | State::Requesting(exchange, _)
            | State::Confirming(exchange, _)
            | State::Renewing(exchange, _)
            | State::Rebinding(exchange, _)
            | State::Informing(exchange, _) => Some(exchange.xid),
            State::Init { .. }
            | State::Probing { .. }
            | State::Bound(_)
            | State::Informed { .. }
            | State::Released => None,
        }
    }

    pub fn answer(
        &mut self,
        message_type: MessageType,
        change: impl FnOnce(&mut Packet),
    ) -> Vec<Output> {
        let mut packet = reply(message_type, self.exchange_xid().unwrap_or_default());
        change(&mut packet);
        self.input(Input::Received(Box::new(packet)))
    }

    pub fn held(&self) -> Option<Parameters> {
        self.lease.held(BootTime(self.now))
    }

    pub fn has(&self) -> Resources {
        self.held().map(|held| held.resources).unwrap_or_default()
    }
}

/// As the VPC answers: preferred for 140 s, valid for 450 s, T1 at 70 s, T2 at 112 s.
pub fn association(nets: &[Ipv6Net]) -> Association {
    let leased = nets.iter().map(|net| Leased {
        net: *net,
        preferred: 140,
        valid: 450,
    });
    Association {
        iaid: 10,
        renewal_time: 70,
        rebinding_time: 112,
        leased: leased.collect(),
        ..Association::default()
    }
}

/// An answer of `server` to the client.
pub fn reply(message_type: MessageType, xid: u32) -> Packet {
    Packet {
        message_type,
        xid,
        options: Options {
            client_id: Some(a_client(CONFIGURE).duid()),
            server_id: Some(server()),
            addresses: Some(association(&[ADDRESS.into()])),
            prefixes: Some(association(&[prefix()])),
            ..Options::default()
        },
    }
}

pub fn sent(outputs: &[Output]) -> Option<Packet> {
    let mut sent = outputs.iter().filter_map(|output| match output {
        Output::Send(packet) => Some((**packet).clone()),
        Output::Probe(_) | Output::Changed(_) | Output::Ignored(_) => None,
    });
    let first = sent.next();
    assert_eq!(sent.next(), None, "two packets at once");
    first
}

pub fn change(outputs: &[Output]) -> Option<Change> {
    outputs.iter().find_map(|output| match output {
        Output::Changed(change) => Some(*change),
        Output::Send(_) | Output::Probe(_) | Output::Ignored(_) => None,
    })
}

pub fn ignored(why: Ignored) -> Vec<Output> {
    vec![Output::Ignored(why)]
}
