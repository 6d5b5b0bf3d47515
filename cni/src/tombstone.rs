//! A DEL that found no agent, kept as a file until the agent reads it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::protocol::Del;

/// The folder of tombstones that belongs to a socket.
pub fn folder(socket: &Path) -> PathBuf {
    socket.parent().unwrap_or(Path::new("/")).join("tombstones")
}

/// Makes sure that the tombstone is there.
pub fn write(folder: &Path, del: &Del) -> io::Result<()> {
    let sandbox = &del.sandbox;
    // A folder for each network: all three parts do not fit into one file name. None has a '/', and the container id has no '+'.
    let folder = folder.join(&sandbox.network);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let mut name = format!("{}+{}", sandbox.container_id, sandbox.if_name);
    // Each gives back what it names, of the same container.
    if del.configuration.is_some() {
        name = format!("{name}+{}", std::process::id());
    }
    name.push_str(".json");
    // By temporary file and rename, so that the agent never reads half of one.
    let draft = folder.join(format!(".{name}"));
    fs::write(&draft, serde_json::to_vec(del)?)?;
    fs::rename(&draft, folder.join(name))
}

/// All tombstones of a folder, each with what it says or why it cannot be read. No folder: none.
pub fn read(folder: &Path) -> io::Result<Vec<(PathBuf, io::Result<Del>)>> {
    let mut found = Vec::new();
    for network in paths(folder)? {
        // Version 1 had its tombstones here.
        let files = if network.is_dir() {
            paths(&network)?
        } else {
            vec![network]
        };
        for path in files {
            let del = fs::read(&path)
                .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
            found.push((path, del));
        }
    }
    Ok(found)
}

/// What is in a folder, sorted, without the drafts. No folder, or none any more: nothing.
fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}
