//! The node's folders of plugins and configurations: read, compared by stamps, and written so that nobody sees half a file.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use cni::config::REPLACED;

use crate::{
    error::Error,
    install::decision::{Change, DROP_IN, NetD, PLUGIN, RENAMED},
};

/// A file that comes and goes: containerd reloads when one is removed from the folder itself, and watches none below
/// (`internal/cri/server/cni_conf_syncer.go`); ocicni when one is created.
const RELOAD: &str = ".eniclaim-reload";

/// Where things are on the node.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of CNI plugins.
    pub bin: PathBuf,
    /// Folder of CNI configurations.
    pub conf: PathBuf,
}

/// A file as it was; a changed or replaced one differs. Taking it opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    changed: (i64, i64),
}

impl Stamp {
    fn of(data: &Metadata) -> Self {
        Self {
            inode: data.ino(),
            size: data.size(),
            mode: data.mode(),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }
}

/// All files that concern us, as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Stamp>);

impl Places {
    /// Stamps of the plugin and of all configurations.
    pub fn stamps(&self) -> Result<Stamps, Error> {
        let mut stamps = BTreeMap::new();
        let mut paths = vec![self.bin.join(PLUGIN)];
        for (name, path) in self.entries()? {
            paths.push(path.join(DROP_IN));
            if is_configuration(&name) {
                paths.push(path);
            }
        }
        for path in paths {
            if let Some(data) = found(fs::metadata(&path), &path)? {
                stamps.insert(path, Stamp::of(&data));
            }
        }
        for name in REPLACED {
            let path = self.bin.join(name);
            if let Some(data) = found(fs::symlink_metadata(&path), &path)? {
                stamps.insert(path, Stamp::of(&data));
            }
        }
        Ok(Stamps(stamps))
    }

    /// The configurations.
    pub fn net_d(&self) -> Result<NetD, Error> {
        let mut net_d = NetD::default();
        for (name, path) in self.entries()? {
            let drop_in = path.join(DROP_IN);
            if let Some(content) = found(fs::read(&drop_in), &drop_in)? {
                net_d.drop_ins.insert(name, content);
            } else if is_configuration(&name)
                && !path.is_dir()
                && let Some(content) = found(fs::read(&path), &path)?
            {
                net_d.top.insert(name, content);
            }
        }
        Ok(net_d)
    }

    /// Whether the plugin on the node is this one, and can be run.
    pub fn has_plugin(&self, plugin: &[u8]) -> Result<bool, Error> {
        let path = self.bin.join(PLUGIN);
        let Some(there) = found(fs::read(&path), &path)? else {
            return Ok(false);
        };
        let mode = found(fs::metadata(&path), &path)?.map(|data| data.mode() & 0o777);
        Ok(there == plugin && mode == Some(0o755))
    }

    /// Writes the plugin.
    pub fn put_plugin(&self, plugin: &[u8]) -> Result<(), Error> {
        fs::create_dir_all(&self.bin).map_err(Error::file(&self.bin))?;
        put(&self.bin.join(PLUGIN), plugin, 0o755)
    }

    /// Removes the plugin.
    pub fn remove_plugin(&self) -> Result<(), Error> {
        remove(&self.bin.join(PLUGIN))
    }

    /// Changes the configurations. Whether the runtime has to be made to reload: it sees only what happens in the folder
    /// itself.
    pub fn apply(&self, changes: &[Change]) -> Result<bool, Error> {
        let mut unseen = false;
        for change in changes {
            let (Change::Put(path, _) | Change::Remove(path)) = change;
            unseen = path.components().count() > 1;
            let path = self.conf.join(path);
            let folder = path.parent().unwrap_or(&self.conf);
            match change {
                Change::Put(_, content) => {
                    fs::create_dir_all(folder).map_err(Error::file(folder))?;
                    put(&path, content, 0o644)?;
                }
                Change::Remove(_) => {
                    remove(&path)?;
                    if unseen {
                        // Others may have drop-ins there, too: then the folder stays.
                        drop(fs::remove_dir(folder));
                    }
                }
            }
        }
        Ok(unseen)
    }

    /// Removes what Cilium made of our list.
    pub fn forget_renamed(&self) -> Result<(), Error> {
        remove(&self.conf.join(RENAMED))
    }

    /// Makes the runtime reload its configuration.
    pub fn reload(&self) -> Result<(), Error> {
        let path = self.conf.join(RELOAD);
        File::create(&path).map_err(Error::file(&path))?;
        remove(&path)
    }

    /// A mount shows the removed folder when another one took its place: nothing of ours would be seen by the runtime.
    pub fn are_mounted(&self) -> Result<(), Error> {
        for folder in [&self.bin, &self.conf] {
            let gone = match fs::metadata(folder) {
                Ok(data) => data.nlink() == 0,
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            if gone {
                return Err(Error::Install(format!(
                    "{} was removed or replaced on the node; the agent ends, so that its container gets the folder that is there now",
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        let read = || {
            fs::read_dir(&self.conf)?
                .map(|entry| entry.map(|e| (e.file_name(), e.path())))
                .collect::<io::Result<Vec<_>>>()
        };
        let entries = read().map_err(Error::file(&self.conf))?;
        // A name that is no UTF-8 is nobody's network.
        let readable = entries
            .into_iter()
            .filter_map(|(name, path)| Some((name.into_string().ok()?, path)));
        Ok(readable.collect())
    }
}

/// What runtimes read (`ConfFiles` in libcni/conf.go), and our list under Cilium's name.
fn is_configuration(name: &str) -> bool {
    let extension = Path::new(name).extension();
    name == RENAMED || extension.is_some_and(|e| e == "conflist" || e == "conf" || e == "json")
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

pub(super) fn found<T>(outcome: io::Result<T>, path: &Path) -> Result<Option<T>, Error> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::file(path)(error)),
    }
}

/// By temporary file, fsync and rename: a runtime never starts half a plugin, not even after a power cut.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.draft"));
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(Error::file(path))
}

pub(super) fn remove(path: &Path) -> Result<(), Error> {
    found(fs::remove_file(path), path).map(drop)
}
