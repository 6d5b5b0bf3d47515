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

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
        SocketFlags, SocketType, connect, sendmsg, socket_with,
    },
};

use crate::{
    error::{CniError, code},
    protocol::{Envelope, LONGEST_LINE, Reply, Request, VERSION},
    reply::parse,
};

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
            Self::NotThere => f.write_str("nobody listens there"),
            Self::TooSlow => f.write_str("it did not answer in time"),
            Self::Garbled(why) => write!(f, "its answer is malformed: {why}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl NoReply {
    /// What the user of the plugin has to know.
    pub fn explain(&self, socket: &Path) -> CniError {
        let code = match self {
            Self::NotThere | Self::TooSlow => code::TRY_LATER,
            Self::Garbled(_) => code::PROTOCOL,
            Self::Io(_) => code::IO,
        };
        let socket = socket.display();
        CniError::new(
            code,
            format!(
                "no answer from the eniclaim agent at {socket}: {self}; look at this node's pod of the eniclaim-agent DaemonSet"
            ),
        )
    }
}

/// Asks the agent. One that is not there, or goes away before it answers (its upgrade), is tried again for `absent`: every request may
/// be repeated. All of it ends after `answer`.
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
    path: &Path,
    line: &[u8],
    netns: Option<BorrowedFd<'_>>,
    answered_by: Instant,
) -> Result<Reply, NoReply> {
    let mut stream = connected(path, answered_by)?;
    send(&mut stream, line, netns).map_err(classify)?;
    let reply = receive(&mut stream, answered_by)?;
    parse(&reply).map_err(NoReply::Garbled)
}

/// An agent that is stopped accepts nobody, and connecting to it would wait for ever: the send time-out bounds that, too
/// (`unix_stream_connect` in `net/unix/af_unix.c`).
fn connected(path: &Path, answered_by: Instant) -> Result<UnixStream, NoReply> {
    let io = |error: rustix::io::Errno| classify(error.into());
    let address = SocketAddrUnix::new(path).map_err(io)?;
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(io)?;
    let stream = UnixStream::from(socket);
    loop {
        stream
            .set_write_timeout(Some(turn(answered_by)?))
            .map_err(NoReply::Io)?;
        match connect(&stream, &address) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => break outcome.map_err(io)?,
        }
    }
    stream
        .set_write_timeout(Some(left(answered_by)?))
        .map_err(NoReply::Io)?;
    Ok(stream)
}

/// How long the kernel may wait at a time. It rounds a long time-out up, one of 18 seconds by up to two (the timer wheel's levels,
/// `kernel/time/timer.c`), and the runtime's lock is held meanwhile.
fn turn(answered_by: Instant) -> Result<Duration, NoReply> {
    Ok(left(answered_by)?.min(Duration::from_secs(1)))
}

fn left(answered_by: Instant) -> Result<Duration, NoReply> {
    let left = answered_by.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(NoReply::TooSlow);
    }
    Ok(left)
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
        stream
            .set_read_timeout(Some(turn(answered_by)?))
            .map_err(NoReply::Io)?;
        let read = match stream.read(&mut chunk) {
            Ok(0) => return Err(NoReply::NotThere),
            Ok(read) => read,
            Err(e) if is_no_end(&e) => continue,
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

fn is_no_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
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
