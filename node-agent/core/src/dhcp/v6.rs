//! The client of DHCPv6 (RFC 8415), as a function from a lease and an input to the next lease and what is to be done.

mod accept;
mod association;
mod lease;
mod machine;
mod packet;
mod parameters;
mod send;
mod timing;

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

pub use self::{
    lease::{Advertiser, Binding, Exchange, Item, Lease, State},
    packet::{Association, Leased, MessageType, Options, Packet, Status},
    parameters::{Duid, Parameters, Resources},
    timing::{DECLINE_PAUSE, LATEST_START, LEAST_LIFETIME, SOONEST_START},
};
use super::{Boot, Change, Ignored};
use crate::mac::Mac;

/// Where a server listens (RFC 8415 section 7.2).
pub const SERVER_PORT: u16 = 547;
/// Where a client listens, at its link-local address.
pub const CLIENT_PORT: u16 = 546;
/// `All_DHCP_Relay_Agents_and_Servers` (RFC 8415 section 7.1): every packet of a client goes there.
pub const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Who asks, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Client {
    /// The MAC address of the ENI. The client identifier is made of it (DUID-LL), so that it is the same on every node.
    pub mac: Mac,
    /// What a lease is for.
    pub mode: Mode,
}

/// What a lease is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// The interface has these from its claim, and leases for them are kept beside. No others are taken. Without any, servers are asked
    /// for information only.
    Maintain(Resources),
    /// The interface gets its addresses from the lease, and loses them with it.
    Configure {
        /// Whether prefixes are asked for, too.
        prefixes: bool,
    },
}

/// What happens to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The agent read the lease from its journal, or the client is another one than before: its mode changed, or what its claim has.
    Resumed(Boot),
    /// A deadline may have passed.
    Timer,
    /// A packet came. Truncated packets do not pass the codec.
    Received(Box<Packet>),
    /// The interface was down and is up again. While it is down packets get lost, as on any link.
    LinkRestarted,
    /// Nobody else uses the address (RFC 4862 section 5.4).
    Free(Ipv6Addr),
    /// Another host uses the address.
    Conflict(Ipv6Addr),
    /// The claim goes, and its lease with it.
    Release,
}

/// What is to be done, or to be reported. The lease is written to the journal before anything is sent: whoever reads it back waits as
/// long as whoever sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a packet to [`SERVERS`], and receive what comes within seconds.
    Send(Box<Packet>),
    /// Ask whether another host uses the address, and answer with [`Input::Free`] or [`Input::Conflict`].
    Probe(Ipv6Addr),
    /// The lease is another one than before. What it says is in [`Lease::held`].
    Changed(Change),
    /// A packet was dropped.
    Ignored(Ignored),
}
