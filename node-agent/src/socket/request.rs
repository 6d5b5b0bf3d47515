//! One request: who sends it, its line, and the descriptor beside it.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use cni::protocol::{Envelope, EnvelopeVersion, LONGEST_LINE, Request, VERSION};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use tokio::{io::Interest, net::UnixStream, time::timeout};

use crate::{error::Error, socket::LINE_TIMEOUT, status::StatusEnvelope};

/// What somebody asks.
pub(super) enum Asked {
    /// The plugin, with the network namespace that came along.
    Plugin(Box<Request>, Option<OwnedFd>),
    /// A person, for the status.
    Status,
}

/// The request of one connection.
pub(super) async fn receive(stream: &UnixStream) -> Result<Asked, Error> {
    let refuse = |why: &str| Error::Request(why.to_owned());
    let peer = stream
        .peer_cred()
        .map_err(|e| Error::Request(format!("cannot tell whose it is: {e}")))?;
    if peer.uid() != 0 {
        return Err(refuse("only root may ask the agent"));
    }
    let (line, netns) = timeout(LINE_TIMEOUT, read(stream))
        .await
        .map_err(|_| refuse("the line did not end in time"))?
        .map_err(|e| Error::Request(e.to_string()))?;
    let envelope: EnvelopeVersion =
        serde_json::from_slice(&line).map_err(|e| Error::Request(e.to_string()))?;
    if envelope.version != VERSION {
        return Err(Error::Request(format!(
            "the plugin speaks protocol version {} and the agent version {VERSION}; the agent installs the plugin that fits when it starts, and the runtime tries again",
            envelope.version
        )));
    }
    if serde_json::from_slice::<StatusEnvelope>(&line).is_ok() {
        return Ok(Asked::Status);
    }
    let envelope: Envelope =
        serde_json::from_slice(&line).map_err(|e| Error::Request(e.to_string()))?;
    Ok(Asked::Plugin(Box::new(envelope.request), netns))
}

/// One line, and the descriptor that came with its first part.
async fn read(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut line = Vec::new();
    let mut netns = None;
    loop {
        stream.readable().await?;
        let mut chunk = [0; 4096];
        let count = match stream.try_io(Interest::READABLE, || take(stream, &mut chunk, &mut netns))
        {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            outcome => outcome?,
        };
        line.extend_from_slice(chunk.get(..count).unwrap_or_default());
        match line.last() {
            _ if count == 0 => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the line has no end",
                ));
            }
            Some(b'\n') => return Ok((line, netns)),
            _ if line.len() > LONGEST_LINE => return Err(io::Error::other("the line is too long")),
            _ => {}
        }
    }
}

fn take(stream: &UnixStream, chunk: &mut [u8], netns: &mut Option<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        stream,
        &mut [IoSliceMut::new(chunk)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    // The kernel leaves out what finds no free descriptor in this process (`scm_detach_fds` in net/core/scm.c).
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other(
            "the pod's network namespace was lost on the way: the agent has no descriptors left, or more than one was sent",
        ));
    }
    for descriptor in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = descriptor {
            *netns = descriptors.next();
        }
    }
    Ok(message.bytes)
}
