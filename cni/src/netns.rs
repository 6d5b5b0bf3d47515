//! The pod's network namespace, opened once and named so that the agent finds it again.

use std::{
    fs::{self, File},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use crate::error::{CniError, code};

/// `f_type` of nsfs (include/uapi/linux/magic.h).
pub const NSFS_MAGIC: u64 = 0x6e73_6673;

/// A network namespace: as a descriptor, because paths and inode numbers are used again, and as a path for later.
#[derive(Debug)]
pub struct Netns {
    file: File,
    /// Its path without symbolic links: the agent's mount namespace may know `/run/netns`, but not `/var/run`.
    pub path: String,
}

impl Netns {
    /// Opens the namespace at `path`, and makes sure that the path without symbolic links is the same namespace.
    pub fn open(path: &Path) -> Result<Self, CniError> {
        let refuse = |why: &str| {
            let path = path.display();
            CniError::new(code::ENVIRONMENT, format!("CNI_NETNS={path}: {why}"))
        };
        let file = File::open(path).map_err(|e| refuse(&e.to_string()))?;
        let status = rustix::fs::fstatfs(&file).map_err(|e| refuse(&e.to_string()))?;
        if u64::try_from(status.f_type) != Ok(NSFS_MAGIC) {
            return Err(refuse("not a network namespace"));
        }
        // A link of procfs leads to no path: it stays as it is.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (opened, named) = (file.metadata(), fs::metadata(&real));
        match (opened, named) {
            (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()) => {}
            _ => return Err(refuse("another namespace was put there meanwhile")),
        }
        let path = real.to_string_lossy().into_owned();
        Ok(Self { file, path })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
