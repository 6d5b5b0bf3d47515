//! What the clients of both families have in common, so that one keeper and one thread serve both.

mod families;

use std::{fmt::Debug, net::IpAddr, ops::ControlFlow};

use node_agent_core::dhcp::{Boot, BootTime, Change, Ignored, Loss, Moment, Standing, Times};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    exchange::{Exchange, Summary},
    probe::Found,
};
use crate::error::Error;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// DHCPv4.
    V4,
    /// DHCPv6.
    V6,
}

impl Family {
    /// As the API, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// What happens to a lease beside packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The agent has read it from its file, or its client is another one than before.
    Resumed(Boot),
    /// A deadline may have passed.
    Timer,
    /// The interface is in another place than before.
    Moved,
    /// The claim goes.
    Release,
}

/// What follows from something that happened.
#[derive(Debug)]
pub enum Outcome<Send> {
    /// Send a packet, and hear the answers.
    Send(Send),
    /// Find out whether another host uses the address.
    Probe(IpAddr),
    /// The lease is another one than before.
    Changed(Change),
    /// A packet was dropped.
    Ignored(Ignored),
}

/// A client of one family.
pub trait Client:
    Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static
{
    /// Its family.
    const FAMILY: Family;
    /// Its lease.
    type Lease: Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static;
    /// A packet that comes.
    type Packet;
    /// A packet that is sent, and where it goes.
    type Send: Debug;

    /// A lease that is not there yet.
    fn begin(&self, at: Moment) -> Self::Lease;
    /// What follows from an event.
    fn step(
        &self,
        lease: Self::Lease,
        event: Event,
        at: Moment,
    ) -> (Self::Lease, Vec<Outcome<Self::Send>>);
    /// What follows from a packet.
    fn hear(
        &self,
        lease: Self::Lease,
        packet: Self::Packet,
        at: Moment,
    ) -> (Self::Lease, Vec<Outcome<Self::Send>>);
    /// Whether the interface has no IPv4 address before there is a lease.
    fn lacks_address(&self, lease: &Self::Lease, now: BootTime) -> bool;
    /// What follows from a probe.
    fn probed(
        &self,
        lease: Self::Lease,
        address: IpAddr,
        found: Found,
        at: Moment,
    ) -> (Self::Lease, Vec<Outcome<Self::Send>>);
    /// Sends a packet, and gives each answer to `hear` until it has what it waits for. It blocks.
    fn exchange(
        &self,
        exchange: &Exchange<'_>,
        send: &Self::Send,
        hear: impl FnMut(Self::Packet) -> ControlFlow<()>,
    ) -> Result<Summary, Error>;
    /// When [`Event::Timer`] is due.
    fn wake_at(lease: &Self::Lease) -> Option<BootTime>;
    /// How the ENI stands with the servers.
    fn standing(lease: &Self::Lease, now: BootTime, lost: Option<Loss>) -> Option<Standing>;
    /// When the lease is prolonged and ends.
    fn times(lease: &Self::Lease) -> Option<Times>;
    /// The name of its state in the RFC.
    fn state(lease: &Self::Lease) -> &'static str;
    /// The type of a message that is sent.
    fn message(send: &Self::Send) -> &'static str;
}
