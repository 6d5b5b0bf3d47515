//! The lock beside the agent's socket: one process at a time changes the node, be it an agent or the one that uninstalls.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::error::Error;

/// Takes the lock of the agent with this socket, and makes file and folder where they are missing. None: somebody holds it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(Error::file(folder))?;
    }
    loop {
        let file = File::create(path).map_err(Error::file(path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(Error::file(path)(errno.into())),
        }
        // Who uninstalls removes the file that it holds: the next one would hold another.
        if is_still(&file, path).map_err(Error::file(path))? {
            return Ok(Some(file));
        }
    }
}

fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_a_removed_file_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/agent.lock");
        let held = try_lock(&path).unwrap().unwrap();
        assert!(is_still(&held, &path).unwrap());
        assert!(try_lock(&path).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        assert!(!is_still(&held, &path).unwrap());
        let next = try_lock(&path).unwrap().unwrap();
        assert!(is_still(&next, &path).unwrap() && !is_still(&held, &path).unwrap());
    }

    #[test]
    fn file_that_cannot_be_locked_is_not_held_by_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let error = try_lock(folder.path()).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
    }
}
