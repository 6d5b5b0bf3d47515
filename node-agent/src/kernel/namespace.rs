//! Network namespaces, entered by threads that end with the exchange.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::Error;

/// `f_type` of nsfs (include/uapi/linux/magic.h).
const NSFS_MAGIC: u64 = 0x6e73_6673;

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
        let refuse = |source| Error::Namespace {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(refuse)?;
        Self::from_fd(file.into(), path)
    }

    /// The one that a descriptor leads to; `name` is for messages.
    pub fn from_fd(fd: OwnedFd, name: &str) -> Result<Self, Error> {
        let refuse = |source| Error::Namespace {
            path: name.to_owned(),
            source,
        };
        let kind = rustix::fs::fstatfs(&fd)
            .map_err(|e| refuse(e.into()))?
            .f_type;
        if u64::try_from(kind) != Ok(NSFS_MAGIC) {
            return Err(refuse(io::Error::other("not a namespace")));
        }
        Ok(Self {
            fd: Arc::new(fd),
            name: name.to_owned(),
        })
    }

    /// The one mounted at `path`, or nothing once it died: no file, or the empty one that was its mount point.
    ///
    /// Any other failure is not taken for a death: a device may still be in there.
    pub fn alive_at(path: &str) -> Result<Option<Self>, Error> {
        let refuse = |source| Error::Namespace {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error)),
        };
        let kind = rustix::fs::fstatfs(&file)
            .map_err(|e| refuse(e.into()))?
            .f_type;
        if u64::try_from(kind) != Ok(NSFS_MAGIC) {
            return Ok(None);
        }
        Self::from_fd(file.into(), path).map(Some)
    }

    /// Its path, or what it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its descriptor.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Runs `work` on a thread of its own inside the namespace, and waits for it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let refuse = |source| Error::Namespace {
            path: self.name.clone(),
            source,
        };
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok::<T, io::Error>(work())
            });
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread inside panicked")))
        })
        .map_err(refuse)
    }
}
