//! The socket that the plugin asks at: one request per connection, from root alone.

mod request;

use std::{
    fs::{self, File, Permissions},
    io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use cni::{
    CniError,
    error::code,
    protocol::{Reply, Request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use self::request::Asked;
use crate::{engine::Input, error::Error, instance_metadata, lock::try_lock, status::Status};

/// Connections at once: as many as kubelet lets a node have pods, and a few.
const MOST_CONNECTIONS: usize = 256;
/// The plugin sends its line at once, and takes ours at once.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
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
        let lock = lock(&path.with_extension("lock")).await?;
        // With the lock in hand, a socket that is there belongs to nobody. Without one, the plugin sees that nobody is there yet.
        remove(path)?;
        // Under another name until it is for root alone: nobody finds it before.
        let draft = path.with_extension("new");
        remove(&draft)?;
        let listener = UnixListener::bind(&draft).map_err(Error::file(&draft))?;
        fs::set_permissions(&draft, Permissions::from_mode(0o600)).map_err(Error::file(&draft))?;
        fs::rename(&draft, path).map_err(Error::file(path))?;
        Ok(Self {
            listener,
            _lock: lock,
        })
    }

    /// Accepts until the task is dropped. On a host alone, configurations may leave something to its instance metadata service.
    pub async fn serve(self, inputs: mpsc::Sender<Input>, alone: bool) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let (mut id, mut failing) = (0, false);
        // Who is not accepted yet waits in the kernel's queue, and no longer than the plugin may.
        while let Ok(place) = places.clone().acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    id += 1;
                    failing = false;
                    let conversation = converse(stream, id, inputs.clone(), alone);
                    tokio::spawn(async move {
                        conversation.await;
                        drop(place);
                    });
                }
                // Out of descriptors, perhaps: those who are served now give some back.
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "connections of the plugin cannot be accepted; trying on");
                    }
                    failing = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(e)),
        _ => Ok(()),
    }
}

async fn lock(path: &Path) -> Result<File, Error> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(Error::SecondAgent {
                path: path.to_owned(),
            });
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn converse(mut stream: UnixStream, id: u64, inputs: mpsc::Sender<Input>, alone: bool) {
    let line = match request::receive(&stream).await {
        Ok(Asked::Plugin(mut request, netns)) => {
            let completed = if alone {
                instance_metadata::complete(&mut request).await
            } else {
                Ok(())
            };
            let reply = match completed {
                Ok(()) => answer(&mut stream, id, request, netns, &inputs).await,
                Err(error) => Some(Reply::Failed(error)),
            };
            match reply {
                Some(reply) => serde_json::to_vec(&reply),
                None => return,
            }
        }
        Ok(Asked::Status) => match status(&inputs).await {
            Some(status) => serde_json::to_vec(&status),
            None => return,
        },
        Err(error) => {
            tracing::warn!(%error, "a request of the CNI plugin was refused");
            let refused = CniError::new(code::PROTOCOL, error.to_string());
            serde_json::to_vec(&Reply::Failed(refused))
        }
    };
    let Ok(mut line) = line else {
        return;
    };
    line.push(b'\n');
    match timeout(LINE_TIMEOUT, stream.write_all(&line)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%error, "the CNI plugin did not take its answer"),
        Err(_) => tracing::info!("the CNI plugin did not take its answer in time"),
    }
}

/// What the engine knows.
async fn status(inputs: &mpsc::Sender<Input>) -> Option<Status> {
    let (reply, answered) = oneshot::channel();
    inputs.send(Input::Status(reply)).await.ok()?;
    answered.await.ok()
}

/// Waits for the engine's answer, or for the plugin to hang up: then there is none.
async fn answer(
    stream: &mut UnixStream,
    id: u64,
    request: Box<Request>,
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
