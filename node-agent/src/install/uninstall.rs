//! Leaving the node's CNI chain: the configuration goes before the plugin that it names, and the agent's folder last.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    install::{
        decision::{CONFLIST, Change, DROP_IN},
        folder::Places,
        keep::READ_MARK,
    },
    lock::try_lock,
    ports::{Files, delete_bridges, files::COMMON},
};

/// Removes all files of ours. Refused while an agent holds the lock beside its `socket`: it would write them again.
pub fn uninstall(socket: &Path, places: &Places) -> Result<(), Error> {
    // Held to the end, so that no agent starts meanwhile.
    let lock = socket.with_extension("lock");
    let Some(_held) = try_lock(&lock)? else {
        return Err(Error::Install(
            "an agent runs on this node and would install the plugin again; delete the DaemonSet eniclaim-agent first"
                .to_owned(),
        ));
    };
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
    places.apply_links(&places.links(&[])?)?;
    places.remove_plugin()?;
    forget_all(socket, &lock)
}

/// Removes what the agent wrote beside its socket, by name, the lock last, and the folder unless something else is in it.
fn forget_all(socket: &Path, lock: &Path) -> Result<(), Error> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let journal = folder.join("journal");
    let ports = folder.join("ports");
    // An agent that is installed again has to know of a device that is still in a pod, and of who has addresses.
    let left = [&journal, &ports].map(|folder| files_below(folder).map_err(Error::file(folder)));
    let [devices, addresses] = left;
    if devices? > 0 || addresses? > 0 {
        tracing::warn!(path = %folder.display(), "devices are still in pods, or addresses of bridges; the journal stays");
        return Ok(());
    }
    if ports.exists() {
        let deleted = Files::open(ports.clone()).and_then(|files| delete_bridges(&files));
        if let Err(error) = deleted {
            tracing::warn!(%error, "a bridge of the agent's stays on the node");
        }
    }
    for path in [
        journal,
        ports,
        folder.join("leases"),
        cni::tombstone::folder(socket),
    ] {
        gone(fs::remove_dir_all(&path)).map_err(Error::file(&path))?;
    }
    let files = [
        socket.with_extension("new"),
        socket.to_owned(),
        folder.join(READ_MARK),
        // An agent that starts from now on holds a file of its own.
        lock.to_owned(),
    ];
    for path in files {
        gone(fs::remove_file(&path)).map_err(Error::file(&path))?;
    }
    match fs::remove_dir(folder) {
        // Somebody else's, or where the folder is mounted.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::ResourceBusy
            ) =>
        {
            Ok(())
        }
        removed => gone(removed).map_err(Error::file(folder)),
    }
}

fn files_below(folder: &Path) -> io::Result<usize> {
    let mut files = 0;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() != COMMON {
                files += 1;
            }
        }
    }
    Ok(files)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
