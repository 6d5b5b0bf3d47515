//! The hardware behind devices, as sysfs shows it: every network namespace has the same.

use std::{fs, io, os::unix::fs::MetadataExt};

use node_agent_core::{absence::Whereabouts, facts::Hardware};

use crate::{error::Error, kernel::link::Device};

/// The hardware behind a device, so that it is known again. `None`: it has none, or was detached this moment.
pub fn identify(device: &Device) -> Result<Option<Hardware>, Error> {
    let Some(path) = device.sysfs.clone() else {
        return Ok(None);
    };
    Ok(inode(&path)?.map(|inode| Hardware { path, inode }))
}

/// Whether the hardware is still part of the machine.
pub fn whereabouts(hardware: Option<&Hardware>) -> Result<Whereabouts, Error> {
    let Some(Hardware { path, inode: known }) = hardware else {
        return Ok(Whereabouts::Unknown);
    };
    Ok(match inode(path)? {
        Some(found) if found == *known => Whereabouts::There,
        // Something else is attached in its place.
        Some(_) | None => Whereabouts::Gone,
    })
}

fn inode(path: &str) -> Result<Option<u64>, Error> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path)(error)),
    }
}
