//! Leaving the node's CNI chain: the configuration goes before the plugin that it names.

use std::{fs::File, io, path::Path};

use rustix::fs::{FlockOperation, flock};

use crate::{
    error::Error,
    install::{
        decision::{CONFLIST, Change, DROP_IN},
        folder::Places,
    },
};

/// Removes all files of ours. Refused while an agent holds the lock beside its `socket`: it would write them again.
pub fn uninstall(socket: &Path, places: &Places) -> Result<(), Error> {
    // Held to the end, so that no agent starts meanwhile.
    let _lock = no_agent(&socket.with_extension("lock"))?;
    let net_d = places.net_d()?;
    let list = net_d.top.contains_key(CONFLIST).then(|| CONFLIST.into());
    let drop_ins = net_d.drop_ins.keys();
    let drop_ins = drop_ins.map(|folder| Path::new(folder).join(DROP_IN));
    let changes: Vec<Change> = list
        .into_iter()
        .chain(drop_ins)
        .map(Change::Remove)
        .collect();
    places.forget_renamed()?;
    if places.apply(&changes)? {
        places.reload()?;
    }
    places.remove_plugin()
}

fn no_agent(lock: &Path) -> Result<Option<File>, Error> {
    let file = match File::open(lock) {
        Ok(file) => file,
        // No agent ran since the node started.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(lock)(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(Error::Install(
            "an agent runs on this node and would install the plugin again; delete the DaemonSet eniclaim-agent first"
                .to_owned(),
        )),
    }
}
