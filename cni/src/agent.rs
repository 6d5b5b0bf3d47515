//! The plugin's side of the socket: connect with patience, ask once, wait for the line.

use std::{
    fmt,
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::protocol::{Envelope, LONGEST_LINE, Reply, Request, VERSION};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no reply.
#[derive(Debug)]
pub enum NoReply {
    /// Nobody listens at the socket, for as long as we tried.
    NotThere,
    /// The agent took longer than we may wait.
    TooSlow,
    /// The reply is none.
    Garbled(String),
    /// Another failure of the socket.
    Io(io::Error),
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("nobody listens"),
            Self::TooSlow => f.write_str("no answer in time"),
            Self::Garbled(why) => write!(f, "the answer is malformed: {why}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

/// Asks the agent. An agent that is not there, or goes away before it answers (its upgrade), is tried again for `absent`
/// in all: both requests may be repeated. `answer` bounds the wait for a reply.
pub fn ask(
    socket: &Path,
    request: Request,
    netns: Option<BorrowedFd<'_>>,
    absent: Duration,
    answer: Duration,
) -> Result<Reply, NoReply> {
    let mut line = serde_json::to_vec(&Envelope {
        version: VERSION,
        request,
    })
    .map_err(|e| NoReply::Garbled(e.to_string()))?;
    line.push(b'\n');
    let answered_by = Instant::now() + answer;
    let mut missed = Duration::ZERO;
    loop {
        match exchange(socket, &line, netns, answered_by) {
            Err(NoReply::NotThere) if missed < absent => {
                thread::sleep(PAUSE);
                missed += PAUSE;
            }
            outcome => return outcome,
        }
    }
}

fn exchange(
    socket: &Path,
    line: &[u8],
    netns: Option<BorrowedFd<'_>>,
    answered_by: Instant,
) -> Result<Reply, NoReply> {
    let mut stream = UnixStream::connect(socket).map_err(classify)?;
    send(&mut stream, line, netns).map_err(classify)?;
    let reply = receive(&mut stream, answered_by)?;
    serde_json::from_slice(&reply).map_err(|e| NoReply::Garbled(e.to_string()))
}

/// The descriptor travels with the first byte that the kernel takes; the rest of the line may need more calls.
fn send(stream: &mut UnixStream, line: &[u8], netns: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = netns.map(|fd| [fd]);
    if let Some(descriptors) = &descriptors {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    // Without NOSIGNAL an agent that just went away would kill the plugin by SIGPIPE.
    let sent = sendmsg(
        stream.as_fd(),
        &[IoSlice::new(line)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    stream.write_all(line.get(sent..).unwrap_or_default())
}

fn receive(stream: &mut UnixStream, answered_by: Instant) -> Result<Vec<u8>, NoReply> {
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = answered_by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoReply::TooSlow);
        }
        stream.set_read_timeout(Some(left)).map_err(NoReply::Io)?;
        let read = match stream.read(&mut chunk) {
            Ok(0) => return Err(NoReply::NotThere),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(classify(e)),
        };
        reply.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if reply.last() == Some(&b'\n') {
            return Ok(reply);
        }
        if reply.len() > LONGEST_LINE {
            return Err(NoReply::Garbled("the line is too long".to_owned()));
        }
    }
}

/// An agent that is being replaced refuses, resets or has no socket file yet.
fn classify(error: io::Error) -> NoReply {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => NoReply::NotThere,
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoReply::TooSlow,
        _ => NoReply::Io(error),
    }
}
