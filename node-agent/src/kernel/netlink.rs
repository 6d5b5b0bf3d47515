//! A blocking netlink socket: one request, its answer, in the namespace of the thread that opened it.
//!
//! Blocking on purpose: a socket that an asynchronous task would close some time later keeps a dead namespace alive.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
    NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{
    Socket, SocketAddr,
    protocols::{NETLINK_NETFILTER, NETLINK_ROUTE},
};

/// The kernel sends dumps in parts of at most 32 KiB (`netlink_recvmsg` in `net/netlink/af_netlink.c`).
const LARGEST_PART: usize = 64 * 1024;
/// A dump during which the kernel's list changed is taken again.
const DUMP_ATTEMPTS: usize = 10;

/// A netlink socket.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// One message from the kernel, undecoded.
#[derive(Debug)]
pub(crate) struct Raw {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: Vec<u8>,
    whole: Vec<u8>,
}

impl Raw {
    /// What an acknowledgement says.
    pub fn verdict(&self) -> io::Result<()> {
        match self
            .payload
            .first_chunk::<4>()
            .map(|bytes| i32::from_ne_bytes(*bytes))
        {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            None => Err(truncated()),
        }
    }
}

impl Netlink {
    /// For links, addresses, routes and rules.
    pub fn route() -> io::Result<Self> {
        Self::open(NETLINK_ROUTE)
    }

    /// For nftables.
    pub fn netfilter() -> io::Result<Self> {
        Self::open(NETLINK_NETFILTER)
    }

    fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends one request and waits for its acknowledgement.
    pub fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let sequence = self.send_message(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        loop {
            if let Some(answer) = self
                .receive()?
                .iter()
                .find(|raw| raw.sequence == sequence && raw.kind == NLMSG_ERROR)
            {
                return answer.verdict();
            }
        }
    }

    /// Sends one request and gathers the list that answers it. What this program cannot decode is not its business.
    pub fn dump(&mut self, message: &RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.send_message(message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let (parts, interrupted) = self.gather(sequence)?;
            if !interrupted {
                return Ok(parts.iter().filter_map(decode).collect());
            }
        }
        Err(io::Error::other(
            "the kernel's list changed again and again while it was read",
        ))
    }

    /// All messages up to the end of the dump `sequence`, and whether the list changed meanwhile.
    pub(crate) fn gather(&mut self, sequence: u32) -> io::Result<(Vec<Raw>, bool)> {
        let mut parts = Vec::new();
        let mut interrupted = false;
        loop {
            for raw in self
                .receive()?
                .into_iter()
                .filter(|raw| raw.sequence == sequence)
            {
                interrupted |= raw.flags & NLM_F_DUMP_INTR != 0;
                match raw.kind {
                    NLMSG_DONE => return Ok((parts, interrupted)),
                    NLMSG_ERROR => raw.verdict()?,
                    _ => parts.push(raw),
                }
            }
        }
    }

    /// The next sequence number.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends bytes that are messages already.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.socket.send(bytes, 0)?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(truncated())
        }
    }

    /// The messages of one datagram.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<Raw>> {
        let mut datagram = Vec::with_capacity(LARGEST_PART);
        loop {
            match self.socket.recv(&mut datagram, 0) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    outcome?;
                    return split(&datagram);
                }
            }
        }
    }

    fn send_message(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<u32> {
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.next_sequence();
        header.flags = flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.send(&bytes)?;
        Ok(header.sequence_number)
    }
}

fn decode(raw: &Raw) -> Option<RouteNetlinkMessage> {
    match NetlinkMessage::deserialize(&raw.whole).ok()?.payload {
        NetlinkPayload::InnerMessage(message) => Some(message),
        _ => None,
    }
}

/// Takes a datagram apart.
fn split(mut datagram: &[u8]) -> io::Result<Vec<Raw>> {
    let mut messages = Vec::new();
    while !datagram.is_empty() {
        let buffer = NetlinkBuffer::new_checked(datagram).map_err(io::Error::other)?;
        let length = usize::try_from(buffer.length()).map_err(io::Error::other)?;
        messages.push(Raw {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            payload: buffer.payload().to_vec(),
            whole: datagram.get(..length).ok_or_else(truncated)?.to_vec(),
        });
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(messages)
}

fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "a netlink message was cut short",
    )
}
