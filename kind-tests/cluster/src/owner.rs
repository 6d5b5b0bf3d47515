//! Who has a cluster: one process as long as it lives, or a person who kept it.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use crate::{
    down::state_dir,
    error::{ClusterError, Result, at},
    process::Daemons,
    vpc::beside,
};

/// In the file of a cluster that outlives the process that brought it up.
const KEPT: &str = "kept";

/// A lock on a cluster's name. The kernel releases it when this process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Owner {
    file: File,
    path: PathBuf,
}

impl Owner {
    /// Takes the name for this process, or says which process has it.
    pub(crate) fn claim(cluster: &str) -> Result<Self> {
        let state = state_dir(cluster);
        let path = owner_file(&state);
        loop {
            at(&state, fs::create_dir_all(&state))?;
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path);
            let mut file = match opened {
                // Another process has just taken the cluster down, and its folder away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => at(&path, opened)?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(taken(cluster, by_process(&mut file)));
                }
                Err(TryLockError::Error(source)) => return at(&path, Err(source)),
            }
            if is_at(&file, &path) {
                return Ok(Self { file, path });
            }
        }
    }

    /// Fails when the cluster was kept and still runs: its end is for whoever kept it to say.
    pub(crate) fn is_not_kept(&mut self, cluster: &str) -> Result<()> {
        let runs = |state: &Path| {
            let daemons = Daemons::of(state).all();
            daemons.iter().any(|(_, process)| process.is_running())
        };
        if read(&mut self.file) != KEPT || !runs(&state_dir(cluster)) {
            return Ok(());
        }
        let by = format!(
            "it was kept {} ago; `{}` takes it down",
            age(&self.file),
            down_command(cluster)
        );
        Err(taken(cluster, by))
    }

    /// Says that this process has the cluster.
    pub(crate) fn sign(&mut self) -> Result<()> {
        self.write(&process::id().to_string())
    }

    /// Says that the cluster is to outlive this process.
    pub(crate) fn keep(&mut self) -> Result<()> {
        self.write(KEPT)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()));
        at(&self.path, written)
    }
}

/// The file that the owner of the cluster in this folder has locked.
pub(crate) fn owner_file(state: &Path) -> PathBuf {
    state.join("owner")
}

/// The command by which a person takes a cluster down.
pub(crate) fn down_command(cluster: &str) -> String {
    let program =
        beside("cluster").map_or_else(|_| "cluster".to_owned(), |path| path.display().to_string());
    as_root(&format!("{program} down --name {cluster}"))
}

/// The command as the person who started this gives it: only this process has been raised.
pub(crate) fn as_root(command: &str) -> String {
    match env::var_os("SUDO_UID") {
        Some(_) => format!("sudo {command}"),
        None => command.to_owned(),
    }
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    let found = (file.metadata(), fs::metadata(path));
    matches!(found, (Ok(open), Ok(there)) if (open.dev(), open.ino()) == (there.dev(), there.ino()))
}

fn read(file: &mut File) -> String {
    let mut text = String::new();
    // What cannot be read says nothing.
    let _ = file
        .rewind()
        .and_then(|()| file.read_to_string(&mut text).map(drop));
    text
}

fn taken(cluster: &str, by: String) -> ClusterError {
    ClusterError::Taken {
        cluster: cluster.to_owned(),
        state: state_dir(cluster),
        by,
    }
}

/// The process that holds the lock.
fn by_process(file: &mut File) -> String {
    let (pid, age) = (read(file), age(file));
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    format!(
        "process {pid} (`{}` in {}) has had it for {age}; `{}` ends that process and takes the cluster down",
        command.trim(),
        folder.display(),
        as_root(&format!("kill {pid}"))
    )
}

/// How long ago the file was written.
fn age(file: &File) -> String {
    let written = file.metadata().and_then(|file| file.modified());
    let age = written.map_or(Duration::ZERO, |time| time.elapsed().unwrap_or_default());
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
