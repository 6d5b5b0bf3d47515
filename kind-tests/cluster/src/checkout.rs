//! The checkout that the harness was built from: what root writes there belongs to the checkout's owner.

use std::{
    fs,
    os::unix::fs::{MetadataExt, lchown},
    path::{Path, PathBuf},
};

use crate::error::{Result, at};

/// A folder in `target/`, made if it is not there.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = root()?.join("target").join(name);
    at(&folder, fs::create_dir_all(&folder))?;
    give(&folder)?;
    Ok(folder)
}

/// Gives a file or folder to the owner of the checkout.
pub(crate) fn give(path: &Path) -> Result<()> {
    let root = root()?;
    let owner = at(&root, fs::metadata(&root))?;
    at(path, lchown(path, Some(owner.uid()), Some(owner.gid())))
}

/// Gives a folder and all below it to the owner of the checkout.
pub(crate) fn give_all(path: &Path) -> Result<()> {
    give(path)?;
    if !path.is_symlink() && path.is_dir() {
        for entry in at(path, fs::read_dir(path))?.flatten() {
            give_all(&entry.path())?;
        }
    }
    Ok(())
}

fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    at(&root, root.canonicalize())
}
