//! A client with its lease and a clock, and a server that answers it.

use std::net::Ipv4Addr;

use node_agent_core::dhcp::{
    BootTime, Change, Ignored, Moment,
    v4::{Client, Input, Lease, MessageType, Mode, Options, Output, Packet, Parameters, State, To},
};

use crate::makers::mac;

pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 50);
pub const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 77);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
pub const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
/// As the VPC's.
pub const HOUR: u32 = 3_600;
/// In the middle of each random span.
pub const MIDDLE: u32 = u32::MAX / 2;

pub const MAINTAIN: Mode = Mode::Maintain(ADDRESS);

pub fn a_client(mode: Mode) -> Client {
    Client {
        mac: mac(),
        host_name: None,
        mode,
    }
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
        let client = a_client(mode);
        let moment = Moment {
            now: BootTime(1_000_000),
            xid: 100,
            jitter: MIDDLE,
        };
        Self {
            lease: client.begin(moment),
            client,
            now: moment.now.0,
            jitter: MIDDLE,
            xid: moment.xid,
        }
    }

    /// One that has its lease for an hour.
    pub fn bound(mode: Mode) -> Self {
        let mut session = Self::new(mode);
        session.fire();
        session.answer(MessageType::Offer, |_| {});
        session.answer(MessageType::Ack, |_| {});
        if mode == Mode::Configure {
            session.input(Input::Free(ADDRESS));
        }
        assert!(matches!(session.lease.state, State::Bound(_)));
        session
    }

    pub fn moment(&mut self) -> Moment {
        self.xid += 1;
        Moment {
            now: BootTime(self.now),
            xid: self.xid,
            jitter: self.jitter,
        }
    }

    pub fn input(&mut self, input: Input) -> Vec<Output> {
        let moment = self.moment();
        let (lease, outputs) = self.client.step(self.lease.clone(), input, moment);
        self.lease = lease;
        outputs
    }

    /// Milliseconds until something is due.
    pub fn pause(&self) -> u64 {
        self.lease
            .wake_at()
            .expect("nothing is due")
            .since(BootTime(self.now))
    }

    /// Waits for the next deadline.
    pub fn fire(&mut self) -> Vec<Output> {
        self.now += self.pause();
        self.input(Input::Timer)
    }

    /// Waits for the next packet.
    pub fn next_packet(&mut self) -> (Packet, To) {
        for _ in 0..20 {
            if let Some(sent) = sent(&self.fire()) {
                return sent;
            }
        }
        panic!("nothing is sent: {:?}", self.lease)
    }

    /// What the server that the client knows, or else `SERVER`, would answer now.
    pub fn reply(&self, message_type: MessageType) -> Packet {
        let xid = self.exchange_xid().unwrap_or_default();
        reply(message_type, xid)
    }

    pub fn exchange_xid(&self) -> Option<u32> {
        match &self.lease.state {
            State::Selecting(exchange)
            | State::Requesting(exchange, _)
            | State::Rebooting(exchange, _)
            | State::Renewing(exchange, _)
            | State::Rebinding(exchange, _) => Some(exchange.xid),
            State::Init { .. } | State::Probing { .. } | State::Bound(_) | State::Released => None,
        }
    }

    pub fn answer(
        &mut self,
        message_type: MessageType,
        change: impl FnOnce(&mut Packet),
    ) -> Vec<Output> {
        let mut packet = self.reply(message_type);
        change(&mut packet);
        self.input(Input::Received(Box::new(packet)))
    }

    pub fn held(&self) -> Option<&Parameters> {
        self.lease.held(BootTime(self.now))
    }
}

/// An answer of `SERVER` to the client.
pub fn reply(message_type: MessageType, xid: u32) -> Packet {
    Packet {
        message_type,
        xid,
        secs: 0,
        broadcast: false,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: if message_type == MessageType::Nak {
            Ipv4Addr::UNSPECIFIED
        } else {
            ADDRESS
        },
        chaddr: mac(),
        options: Options {
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            routers: vec![SERVER],
            lease_time: Some(HOUR),
            server: Some(SERVER),
            ..Options::default()
        },
    }
}

pub fn sent(outputs: &[Output]) -> Option<(Packet, To)> {
    let mut sent = outputs.iter().filter_map(|output| match output {
        Output::Send(packet, to) => Some(((**packet).clone(), *to)),
        Output::Probe(_) | Output::Changed(_) | Output::Ignored(_) => None,
    });
    let first = sent.next();
    assert_eq!(sent.next(), None, "two packets at once");
    first
}

pub fn change(outputs: &[Output]) -> Option<Change> {
    outputs.iter().find_map(|output| match output {
        Output::Changed(change) => Some(*change),
        Output::Send(..) | Output::Probe(_) | Output::Ignored(_) => None,
    })
}

pub fn ignored(why: Ignored) -> Vec<Output> {
    vec![Output::Ignored(why)]
}
