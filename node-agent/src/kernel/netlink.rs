//! A blocking netlink socket: requests and their answers, in the namespace of the thread that opened it.
//!
//! Blocking on purpose: a socket that an asynchronous task would close some time later keeps a dead namespace alive.

mod dump;

use std::{fmt, io, time::Duration};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{
    Socket, SocketAddr,
    protocols::{NETLINK_NETFILTER, NETLINK_ROUTE},
};
use rustix::{
    io::Errno,
    net::sockopt::{Timeout, set_socket_timeout},
};

/// The kernel sends dumps in parts of at most 32 KiB (`netlink_recvmsg` in `net/netlink/af_netlink.c`).
const LARGEST_PART: usize = 64 * 1024;
/// A request is done within the call that sends it; its answer waits in the socket already.
const ANSWER: Duration = Duration::from_secs(10);
/// Requests that are sent at once: their acknowledgements must fit into the receive buffer.
const BATCH: usize = 64;

/// A request and its flags.
pub type Request = (RouteNetlinkMessage, u16);

/// A message from the kernel, where it was received.
pub(crate) type Message<'a> = NetlinkBuffer<&'a [u8]>;

/// A netlink socket.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    /// What was received last: kept, since a new one for each answer costs as much as the answer.
    datagram: Vec<u8>,
}

/// A refusal with the kernel's own sentence.
#[derive(Debug)]
struct Refused {
    code: i32,
    sentence: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.code);
        write!(f, "{} ({error})", self.sentence)
    }
}

impl std::error::Error for Refused {}

/// The error number of a refusal, with or without a sentence.
pub(crate) fn errno(error: &io::Error) -> Option<Errno> {
    let refused = || error.get_ref()?.downcast_ref::<Refused>();
    error
        .raw_os_error()
        .or_else(|| refused().map(|refused| refused.code))
        .map(Errno::from_raw_os_error)
}

impl Netlink {
    /// For links, addresses, routes and rules.
    pub fn route() -> io::Result<Self> {
        let netlink = Self::open(NETLINK_ROUTE)?;
        netlink.socket.set_ext_ack(true)?;
        netlink.socket.set_cap_ack(true)?;
        // Linux 4.20: filters of dumps are obeyed. Without it every dump comes whole, and is filtered here all the same.
        netlink.socket.set_netlink_get_strict_chk(true).ok();
        Ok(netlink)
    }

    /// For nftables.
    pub fn netfilter() -> io::Result<Self> {
        Self::open(NETLINK_NETFILTER)
    }

    fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER))?;
        Ok(Self {
            socket,
            sequence: 0,
            datagram: Vec::with_capacity(LARGEST_PART),
        })
    }

    /// Sends one request and waits for its acknowledgement.
    pub fn request(&mut self, request: Request) -> io::Result<()> {
        self.request_all(vec![request])?.pop().unwrap_or(Ok(()))
    }

    /// Sends requests at once. The kernel does all of them in order, whatever becomes of those before: an outcome each.
    pub fn request_all(&mut self, requests: Vec<Request>) -> io::Result<Vec<io::Result<()>>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let (mut bytes, first, before) = (Vec::new(), self.sequence, outcomes.len());
            for (message, flags) in requests.by_ref().take(BATCH) {
                self.encode(message, NLM_F_REQUEST | NLM_F_ACK | flags, &mut bytes);
                outcomes.push(None);
            }
            let mut missing = outcomes.len() - before;
            self.send(&bytes)?;
            self.answers(|message| {
                let place = before + distance(first, message.sequence_number());
                if message.message_type() == NLMSG_ERROR
                    && let Some(outcome @ None) = outcomes.get_mut(place)
                {
                    *outcome = Some(verdict(message));
                    missing -= 1;
                }
                missing == 0
            })?;
        }
        Ok(outcomes.into_iter().map(|o| o.unwrap_or(Ok(()))).collect())
    }

    /// Asks for one thing: the payload of its message, or a refusal.
    pub(crate) fn get(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let sequence = self.encode(message, NLM_F_REQUEST, &mut bytes);
        self.send(&bytes)?;
        let mut answer = Err(truncated());
        self.answers(|message| {
            if message.sequence_number() != sequence {
                return false;
            }
            answer = match message.message_type() {
                NLMSG_ERROR => verdict(message).map(|()| Vec::new()),
                _ => Ok(message.payload().to_vec()),
            };
            true
        })?;
        answer
    }

    /// Reads messages until `each` says that it has seen enough.
    fn answers(&mut self, mut each: impl FnMut(&Message<'_>) -> bool) -> io::Result<()> {
        loop {
            self.receive_datagram()?;
            let mut rest = self.datagram.as_slice();
            while !rest.is_empty() {
                let (message, behind) = split(rest)?;
                if each(&message) {
                    return Ok(());
                }
                rest = behind;
            }
        }
    }

    fn receive_datagram(&mut self) -> io::Result<()> {
        loop {
            self.datagram.clear();
            match self.socket.recv(&mut self.datagram, 0) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("no answer from the kernel within {} s", ANSWER.as_secs()),
                    ));
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn encode(&mut self, message: RouteNetlinkMessage, flags: u16, bytes: &mut Vec<u8>) -> u32 {
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.next_sequence();
        header.flags = flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        if let Some(place) = bytes.get_mut(start..) {
            message.serialize(place);
        }
        header.sequence_number
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

    /// The messages of one datagram, for whoever decodes them by hand.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<Raw>> {
        self.receive_datagram()?;
        let (mut rest, mut messages) = (self.datagram.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (message, behind) = split(rest)?;
            messages.push(Raw {
                kind: message.message_type(),
                flags: message.flags(),
                sequence: message.sequence_number(),
                payload: message.payload().to_vec(),
            });
            rest = behind;
        }
        Ok(messages)
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
}

/// One message from the kernel, undecoded.
#[derive(Debug)]
pub(crate) struct Raw {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: Vec<u8>,
}

impl Raw {
    /// What an acknowledgement says.
    pub fn verdict(&self) -> io::Result<()> {
        match code(&self.payload)? {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// How many requests after `first` the one with this sequence number was sent, counted from 0.
fn distance(first: u32, sequence: u32) -> usize {
    let distance = sequence.wrapping_sub(first).wrapping_sub(1);
    usize::try_from(distance).unwrap_or(usize::MAX)
}

/// What an acknowledgement or the end of a dump says.
fn verdict(message: &Message<'_>) -> io::Result<()> {
    let code = code(message.payload())?;
    if code == 0 {
        return Ok(());
    }
    match sentence(message) {
        Some(sentence) => Err(io::Error::new(
            io::Error::from_raw_os_error(code).kind(),
            Refused { code, sentence },
        )),
        None => Err(io::Error::from_raw_os_error(code)),
    }
}

fn code(payload: &[u8]) -> io::Result<i32> {
    let bytes = payload.first_chunk::<4>().ok_or_else(truncated)?;
    Ok(i32::from_ne_bytes(*bytes).saturating_neg())
}

/// The extended acknowledgement (`NLMSGERR_ATTR_MSG`): behind the code, and in an error behind the request that it is about.
fn sentence(message: &Message<'_>) -> Option<String> {
    const NLMSG_HEADER: usize = 16;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    if message.flags() & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let mut attributes = message.payload().get(4..)?;
    if message.message_type() == NLMSG_ERROR {
        let length = match message.flags() & NLM_F_CAPPED {
            0 => usize::try_from(u32::from_ne_bytes(*attributes.first_chunk::<4>()?)).ok()?,
            _ => NLMSG_HEADER,
        };
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    let text = NlasIterator::new(attributes)
        .filter_map(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
    let text = text.value().split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The first message of a datagram, and what is behind it.
fn split(datagram: &[u8]) -> io::Result<(Message<'_>, &[u8])> {
    let message = NetlinkBuffer::new_checked(datagram).map_err(io::Error::other)?;
    let length = usize::try_from(message.length()).map_err(io::Error::other)?;
    let whole = datagram.get(..length).ok_or_else(truncated)?;
    let behind = datagram.get(length.next_multiple_of(4)..);
    Ok((NetlinkBuffer::new(whole), behind.unwrap_or_default()))
}

fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "a netlink message was cut short",
    )
}
