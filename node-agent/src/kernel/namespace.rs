//! Network namespaces, and the threads that go there and come back.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use cni::netns::NSFS_MAGIC;
use node_agent_core::facts::{Liveness, Netns};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketType, socket},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::error::Error;

/// A network namespace. Whoever keeps one of a pod beyond an exchange keeps the namespace alive, and its ENI in it.
#[derive(Debug, Clone)]
pub struct Namespace {
    fd: Arc<OwnedFd>,
    name: String,
}

impl Namespace {
    /// The one that this process is in.
    pub fn own() -> Result<Self, Error> {
        Self::open("/proc/self/ns/net")
    }

    /// The one at `path`.
    pub fn open(path: &str) -> Result<Self, Error> {
        let file = File::open(path).map_err(refuse(path))?;
        Self::from_fd(file.into(), path)
    }

    /// The one that a descriptor leads to; `name` is for messages.
    pub fn from_fd(fd: OwnedFd, name: &str) -> Result<Self, Error> {
        if !is_namespace(&fd).map_err(refuse(name))? {
            return Err(refuse(name)(not_a_network_namespace(fd.as_fd())));
        }
        Ok(Self {
            fd: Arc::new(fd),
            name: name.to_owned(),
        })
    }

    /// The one that the journal names, or nothing once it died: no file at its path, the empty one that was its mount point, or
    /// another namespace.
    ///
    /// Any other failure is not taken for a death: a device may still be in there.
    pub fn find(netns: &Netns) -> Result<Option<Self>, Error> {
        let path = netns.path.as_str();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(refuse(path)(error)),
        };
        if !is_namespace(&file).map_err(refuse(path))? {
            return Ok(None);
        }
        let found = Self::from_fd(file.into(), path)?;
        let another = netns.cookie.is_some() && found.cookie()? != netns.cookie;
        Ok((!another).then_some(found))
    }

    /// Whether the namespace that the journal names lives; an error: it is not known.
    pub fn liveness(netns: &Netns) -> Result<Liveness, Error> {
        Ok(match Self::find(netns)? {
            Some(_) => Liveness::Alive,
            None => Liveness::Dead,
        })
    }

    /// What the journal keeps of it. Its path must lead to it: by the path the agent comes back for the device.
    pub fn identify(&self) -> Result<Netns, Error> {
        let cookie = self.cookie()?;
        let at_path = File::open(&self.name).map_err(refuse(&self.name))?;
        if !is_namespace(&at_path).map_err(refuse(&self.name))? {
            return Err(refuse(&self.name)(io::Error::other(
                "nothing is mounted there for the agent; its mount of the folder needs mountPropagation: HostToContainer",
            )));
        }
        // Both are open, so both live: their inodes tell them apart.
        if inode(&at_path).map_err(refuse(&self.name))?
            != inode(&self.fd).map_err(refuse(&self.name))?
        {
            return Err(refuse(&self.name)(io::Error::other(
                "the path leads to another namespace than the one that the runtime handed over",
            )));
        }
        Ok(Netns {
            path: self.name.clone(),
            cookie,
        })
    }

    /// Whether its path still leads to it.
    pub fn is_at_its_path(&self) -> bool {
        let at_path = rustix::fs::stat(self.name.as_str());
        let at_path = at_path.map(|status| (status.st_dev, status.st_ino));
        at_path.ok() == inode(&self.fd).ok()
    }

    /// Its cookie; `None` before Linux 5.14.
    pub fn cookie(&self) -> Result<Option<u64>, Error> {
        let socket = self.inside(|| socket(AddressFamily::UNIX, SocketType::DGRAM, None))?;
        let socket = socket
            .map_err(io::Error::from)
            .map_err(refuse(&self.name))?;
        match netns_cookie::netns_cookie(socket.as_fd()) {
            Err(error) if error.raw_os_error() == Some(Errno::NOPROTOOPT.raw_os_error()) => {
                Ok(None)
            }
            cookie => cookie.map(Some).map_err(refuse(&self.name)),
        }
    }

    /// Its path, or what it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its descriptor.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Runs `work` inside the namespace: the calling thread goes there and comes back, also when `work` panics.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let own = File::open("/proc/thread-self/ns/net");
        let _visit = own
            .and_then(|own| Visit::begin(self.as_fd(), own.into()))
            .map_err(refuse(&self.name))?;
        Ok(work())
    }
}

/// A thread that is in a namespace; it comes back when this value goes.
struct Visit {
    own: OwnedFd,
}

impl Visit {
    fn begin(namespace: BorrowedFd<'_>, own: OwnedFd) -> io::Result<Self> {
        enter(namespace)?;
        Ok(Self { own })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Err(error) = enter(self.own.as_fd()) {
            // What the thread does next would happen in the pod's network. The next agent goes on from the journal.
            tracing::error!(%error, "a thread cannot leave a pod's network namespace; the agent ends");
            std::process::abort();
        }
    }
}

/// Moves the calling thread into a network namespace.
fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    let entered = move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network));
    entered.map_err(|error| match error {
        // A namespace of another kind: the filesystem is the same.
        Errno::INVAL => not_a_network_namespace(namespace),
        error => error.into(),
    })
}

fn refuse(path: &str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Namespace { path, source }
}

fn is_namespace(fd: impl AsFd) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(fd)?.f_type;
    Ok(u64::try_from(kind) == Ok(NSFS_MAGIC))
}

fn not_a_network_namespace(fd: BorrowedFd<'_>) -> io::Error {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let what = fs::read_link(link).map_or_else(
        |_| "something else".to_owned(),
        |what| what.display().to_string(),
    );
    io::Error::other(format!(
        "what was opened is {what}, not a network namespace"
    ))
}

fn inode(fd: impl AsFd) -> io::Result<(u64, u64)> {
    let status = rustix::fs::fstat(fd)?;
    Ok((status.st_dev, status.st_ino))
}

/// No such file; or `/proc/<pid>` of a process that ends (ESRCH).
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}
