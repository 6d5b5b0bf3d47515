//! A DEL that found no agent, kept as a file for the agent's next start.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::protocol::{Del, Sandbox};

/// The folder of tombstones that belongs to a socket.
pub fn folder(socket: &Path) -> PathBuf {
    socket.parent().unwrap_or(Path::new("/")).join("tombstones")
}

/// Makes sure that the tombstone is there.
pub fn lay(folder: &Path, del: &Del) -> io::Result<()> {
    let path = folder.join(file_name(&del.sandbox));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // By temporary file and rename, so that the agent never reads half of one.
    let draft = folder.join(format!(".{}", file_name(&del.sandbox)));
    fs::write(&draft, serde_json::to_vec(del)?)?;
    fs::rename(&draft, &path)
}

/// All tombstones of a folder, each with what it says or why it cannot be read. No folder: none.
pub fn read(folder: &Path) -> io::Result<Vec<(PathBuf, io::Result<Del>)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json")
            && !path
                .file_name()
                .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."))
        {
            let del = fs::read(&path)
                .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
            found.push((path, del));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Parts of a sandbox have no `/`, and no part but the last may hold a `+`.
fn file_name(sandbox: &Sandbox) -> String {
    format!("{}+{}.json", sandbox.container_id, sandbox.if_name)
}
