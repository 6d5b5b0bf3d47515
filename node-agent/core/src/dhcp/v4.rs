//! The client of DHCPv4 (RFC 2131), as a function from a lease and an input to the next lease and what is to be done.

mod accept;
mod lease;
mod machine;
mod packet;
mod parameters;
mod send;
mod timing;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use self::{
    lease::{Binding, Exchange, Lease, Offer, State, Term},
    packet::{MessageType, Options, Packet},
    parameters::{Parameters, Route},
    timing::{DECLINE_PAUSE, LATEST_START, LEAST_LEASE, LEAST_RENEWAL_PAUSE, SOONEST_START},
};
use super::{Boot, Change, Ignored};
use crate::mac::Mac;

/// Where a server listens (RFC 2131 section 4.1).
pub const SERVER_PORT: u16 = 67;
/// Where a client listens.
pub const CLIENT_PORT: u16 = 68;

/// Who asks, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Client {
    /// The MAC address of the ENI. It is the client identifier, too.
    pub mac: Mac,
    /// The name that servers may enter into DNS.
    pub host_name: Option<String>,
    /// What a lease is for.
    pub mode: Mode,
}

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// The interface has this address from its claim, and a lease for it is kept beside. No other one is taken.
    Maintain(Ipv4Addr),
    /// The interface gets its address, routes and MTU from the lease, and loses them with it.
    Configure,
}

/// What happens to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The agent read the lease from its journal, or the client is another one than before: its mode changed, or its claim's address.
    Resumed(Boot),
    /// A deadline may have passed.
    Timer,
    /// A packet came. Truncated packets, and those of other clients' ports or hardware types, do not pass the codec.
    Received(Box<Packet>),
    /// The interface was down and is up again. While it is down packets get lost, as on any link.
    LinkRestarted,
    /// Nobody else answered for the address (RFC 5227 section 2.1.1).
    Free(Ipv4Addr),
    /// Another host uses the address, by a probe or later (RFC 5227 section 2.4).
    Conflict(Ipv4Addr),
    /// The claim goes, and its lease with it.
    Release,
}

/// What is to be done, or to be reported. The lease is written to the journal before anything is sent: whoever reads it back waits as
/// long as whoever sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a packet, and receive what comes within seconds.
    Send(Box<Packet>, To),
    /// Ask whether another host uses the address, and answer with [`Input::Free`] or [`Input::Conflict`].
    Probe(Ipv4Addr),
    /// The lease is another one than before. What it says is in [`Lease::held`].
    Changed(Change),
    /// A packet was dropped.
    Ignored(Ignored),
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum To {
    /// From 0.0.0.0 to 255.255.255.255.
    Everybody,
    /// From the leased address to a server.
    Server {
        /// The leased address.
        from: Ipv4Addr,
        /// The server's.
        to: Ipv4Addr,
    },
}
