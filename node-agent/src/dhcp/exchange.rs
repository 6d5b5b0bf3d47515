//! One packet into a network and the answers to it, by a socket that is there no longer than the exchange.

use std::{
    collections::BTreeMap,
    io::{self, PipeReader},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::ControlFlow,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use node_agent_core::dhcp::{
    v4::{self, To},
    v6,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::codec::{self, Dropped};
use crate::{
    error::Error,
    kernel::{namespace::Namespace, nft::unspecified::broadcasts},
};

/// No exchange lasts longer.
pub const LONGEST: Duration = Duration::from_secs(10);
/// The namespace of a pod that ended is kept alive by an exchange for no longer.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Packets that are read at most: a pod can send its own interface as many as it likes.
pub const MOST_PACKETS: usize = 512;
/// More than the largest packet of UDP: none is cut off.
const BUFFER: usize = 64 << 10;

/// Where and how long.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The network namespace of the interface. An open socket keeps it alive, and the device in it.
    pub namespace: &'a Namespace,
    /// The interface.
    pub interface: &'a str,
    /// Whether the interface has no IPv4 address yet: its broadcasts leave from 0.0.0.0 (RFC 2131 section 4.1).
    pub unspecified: bool,
    /// How long answers are waited for; [`LONGEST`] at most.
    pub wait: Duration,
    /// The other end of a pipe that ends the exchange when it is dropped.
    pub stop: &'a PipeReader,
}

/// What came of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// Why it ended.
    pub end: End,
    /// How many packets did not get through the codec, and why.
    pub dropped: BTreeMap<Dropped, usize>,
}

/// Why an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The answer was there.
    Answered,
    /// The time was over.
    Silence,
    /// Nothing is waited for after a packet of this type.
    Sent,
    /// Whoever wanted it does not any more.
    Stopped,
    /// The runtime has unmounted the namespace: its pod has ended.
    Gone,
    /// [`MOST_PACKETS`] packets came, and not the answer.
    Flooded,
}

impl Exchange<'_> {
    /// Sends a packet of DHCPv4, and gives each answer to `hear` until it has what it waits for. It blocks.
    ///
    /// By UDP, without a raw socket: the kernel chooses the source of a broadcast (docs/decisions/0022), unless it is not to have one.
    pub fn v4(
        &self,
        packet: &v4::Packet,
        to: To,
        mut hear: impl FnMut(v4::Packet) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        let (from, to) = match to {
            To::Everybody => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
            To::Server { from, to } => (from, to),
        };
        let from = SocketAddr::from((from, v4::CLIENT_PORT));
        let to = SocketAddr::from((to, v4::SERVER_PORT));
        // It goes when the packet has left.
        let filter = if self.unspecified {
            let filter = self
                .namespace
                .inside(|| broadcasts(self.interface, v4::CLIENT_PORT))?;
            filter.map_err(self.refuse("send"))?
        } else {
            None
        };
        let socket = self.send(&codec::v4::encode(packet), from, to)?;
        drop(filter);
        match packet.message_type {
            v4::MessageType::Decline | v4::MessageType::Release => Ok(SENT),
            v4::MessageType::Discover
            | v4::MessageType::Offer
            | v4::MessageType::Request
            | v4::MessageType::Ack
            | v4::MessageType::Nak => {
                self.receive(&socket, |bytes| codec::v4::decode(bytes).map(&mut hear))
            }
        }
    }

    /// Sends a packet of DHCPv6, and gives each answer to the client with this association id to `hear`, likewise.
    ///
    /// The socket has no address of its own: the kernel takes the link-local one to send to servers (RFC 6724 rule 2).
    pub fn v6(
        &self,
        packet: &v6::Packet,
        iaid: u32,
        mut hear: impl FnMut(v6::Packet) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        let from = SocketAddr::from((Ipv6Addr::UNSPECIFIED, v6::CLIENT_PORT));
        let to = SocketAddr::from((v6::SERVERS, v6::SERVER_PORT));
        let socket = self.send(&codec::v6::encode(packet), from, to)?;
        match packet.message_type {
            // They are answered, but nothing follows from the answer.
            v6::MessageType::Decline | v6::MessageType::Release => Ok(SENT),
            v6::MessageType::Solicit
            | v6::MessageType::Advertise
            | v6::MessageType::Request
            | v6::MessageType::Confirm
            | v6::MessageType::Renew
            | v6::MessageType::Rebind
            | v6::MessageType::Reply
            | v6::MessageType::InformationRequest => self.receive(&socket, |bytes| {
                codec::v6::decode(bytes, iaid).map(&mut hear)
            }),
        }
    }

    /// A socket stays in the namespace that it was opened in; the thread goes there for no longer than that.
    fn send(&self, bytes: &[u8], from: SocketAddr, to: SocketAddr) -> Result<UdpSocket, Error> {
        let opened = self.namespace.inside(|| open(self.interface, from))?;
        let socket = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Error::PortTaken {
                interface: self.interface.to_owned(),
                port: from.port(),
            },
            _ => self.refuse("open a socket")(error),
        })?;
        let sent = socket.send_to(bytes, to);
        sent.map_err(self.refuse("send"))?;
        Ok(socket)
    }

    fn receive(
        &self,
        socket: &UdpSocket,
        mut hear: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Dropped>,
    ) -> Result<Summary, Error> {
        let deadline = Instant::now() + self.wait.min(LONGEST);
        let mut buffer = vec![0; BUFFER];
        let mut dropped = BTreeMap::new();
        for _ in 0..MOST_PACKETS {
            if let Some(end) = self.wait_until(deadline, socket)? {
                return Ok(Summary { end, dropped });
            }
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                // Its checksum was wrong.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(self.refuse("receive")(error)),
            };
            match hear(buffer.get(..length).unwrap_or_default()) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => {
                    let end = End::Answered;
                    return Ok(Summary { end, dropped });
                }
                Err(why) => *dropped.entry(why).or_default() += 1,
            }
        }
        let end = End::Flooded;
        Ok(Summary { end, dropped })
    }

    /// Waits for a packet; `Some`: there will be none.
    fn wait_until(&self, deadline: Instant, socket: &UdpSocket) -> Result<Option<End>, Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Some(End::Silence));
            }
            if !self.namespace.is_at_its_path() {
                return Ok(Some(End::Gone));
            }
            let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
            let mut fds = [readable(self.stop.as_fd()), readable(socket.as_fd())];
            let timeout = Timespec::try_from(left.min(LOOK_AGAIN)).ok();
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(self.refuse("receive")(error.into())),
            }
            let [stop, packet] = fds.map(|fd| !fd.revents().is_empty());
            if stop {
                return Ok(Some(End::Stopped));
            }
            if packet {
                return Ok(None);
            }
        }
    }

    fn refuse(&self, doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        let interface = self.interface.to_owned();
        move |source| Error::Dhcp {
            doing,
            interface,
            source,
        }
    }
}

const SENT: Summary = Summary {
    end: End::Sent,
    dropped: BTreeMap::new(),
};

/// A socket for one interface, in the namespace that the thread is in. Beside others that let it share their port.
fn open(interface: &str, from: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(from), Type::DGRAM, Some(Protocol::UDP))?;
    if from.is_ipv6() {
        socket.set_only_v6(true)?;
    } else {
        socket.set_broadcast(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&from.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
