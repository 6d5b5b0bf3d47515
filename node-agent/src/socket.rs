//! The socket that the plugin asks at: one request per connection, from root alone.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cni::{
    CniError,
    error::code,
    protocol::{Envelope, EnvelopeVersion, LONGEST_LINE, Reply, Request, VERSION},
};
use rustix::{
    fs::{FlockOperation, flock},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use crate::{engine::Input, error::Error};

/// The plugin sends its line at once.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// An agent that is being replaced ends soon.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// The socket, and the lock that admits one agent. Both go with this value.
pub struct Socket {
    listener: UnixListener,
    _lock: File,
}

impl Socket {
    /// Waits for the agent before us to end, and listens.
    pub async fn bind(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(Error::file(folder))?;
        }
        let lock = lock(&path.with_extension("lock")).await?;
        // With the lock in hand, a socket that is there belongs to nobody.
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::file(path)(e)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(Error::file(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Error::file(path))?;
        Ok(Self {
            listener,
            _lock: lock,
        })
    }

    /// Accepts until the task is dropped.
    pub async fn serve(self, inputs: mpsc::Sender<Input>) {
        let ids = Arc::new(AtomicU64::new(1));
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let id = ids.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(converse(stream, id, inputs.clone()));
                }
                // Out of descriptors, perhaps: those who are served now give some back.
                Err(error) => {
                    tracing::warn!(%error, "a connection of the plugin was not accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::file(path))?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            return Err(Error::SecondAgent {
                path: path.to_owned(),
            });
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(file)
}

async fn converse(mut stream: UnixStream, id: u64, inputs: mpsc::Sender<Input>) {
    let reply = match request(&mut stream).await {
        Ok((request, netns)) => match answer(&mut stream, id, request, netns, &inputs).await {
            Some(reply) => reply,
            None => return,
        },
        Err(error) => {
            tracing::warn!(%error, "a request was refused");
            Reply::Failed(CniError::new(code::PROTOCOL, error.to_string()))
        }
    };
    let Ok(mut line) = serde_json::to_vec(&reply) else {
        return;
    };
    line.push(b'\n');
    if let Err(error) = stream.write_all(&line).await {
        tracing::info!(%error, "the plugin did not read its answer");
    }
}

/// Waits for the engine's answer, or for the plugin to hang up: then there is none.
async fn answer(
    stream: &mut UnixStream,
    id: u64,
    request: Request,
    netns: Option<OwnedFd>,
    inputs: &mpsc::Sender<Input>,
) -> Option<Reply> {
    let (reply, answered) = oneshot::channel();
    inputs
        .send(Input::Ask {
            id,
            request,
            netns,
            reply,
        })
        .await
        .ok()?;
    let mut rest = [0; 1];
    tokio::select! {
        reply = answered => reply.ok(),
        // End of file, an error, or more than one line: in each case nobody waits for this answer.
        _ = stream.read(&mut rest) => {
            inputs.send(Input::HungUp(id)).await.ok()?;
            None
        }
    }
}

async fn request(stream: &mut UnixStream) -> Result<(Request, Option<OwnedFd>), Error> {
    let refuse = |why: &str| Error::Request(why.to_owned());
    let peer = stream
        .peer_cred()
        .map_err(|e| Error::Request(format!("who asks? {e}")))?;
    if peer.uid() != 0 {
        return Err(refuse("only root may ask"));
    }
    let (line, netns) = timeout(REQUEST_TIMEOUT, read(stream))
        .await
        .map_err(|_| refuse("the line did not end in time"))?
        .map_err(|e| Error::Request(e.to_string()))?;
    let envelope: EnvelopeVersion =
        serde_json::from_slice(&line).map_err(|e| Error::Request(e.to_string()))?;
    if envelope.version != VERSION {
        return Err(Error::Request(format!(
            "the plugin speaks version {} and this agent version {VERSION}; let the agent's init container install the plugin again",
            envelope.version
        )));
    }
    let envelope: Envelope =
        serde_json::from_slice(&line).map_err(|e| Error::Request(e.to_string()))?;
    Ok((envelope.request, netns))
}

/// One line, and the descriptor that came with its first part.
async fn read(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut line = Vec::new();
    let mut netns = None;
    loop {
        stream.readable().await?;
        let mut chunk = [0; 4096];
        let count = match stream.try_io(Interest::READABLE, || {
            receive(stream, &mut chunk, &mut netns)
        }) {
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

fn receive(
    stream: &UnixStream,
    chunk: &mut [u8],
    netns: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        stream,
        &mut [IoSliceMut::new(chunk)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for descriptor in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = descriptor {
            *netns = descriptors.next();
        }
    }
    Ok(message.bytes)
}
