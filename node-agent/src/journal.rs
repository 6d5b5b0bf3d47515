//! The journal: one file per plug on tmpfs, because namespaces do not survive a boot either.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use node_agent_core::facts::{Plug, PlugKey, Sandbox};

use crate::{
    error::Error,
    journal::entry::{Entry, parse},
};

mod entry;
mod interface;
mod version_1;

/// Where files that cannot be read are kept, below the journal's folder. No network is named like that.
const UNREADABLE: &str = ".unreadable";

/// A folder with a folder per network, and in it a file per plug.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the journal, and makes its folder if it is missing.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        make(&folder)?;
        Ok(Self { folder })
    }

    /// Writes down a plug, over what was known of it.
    pub fn write(&self, key: &PlugKey, plug: &Plug) -> Result<(), Error> {
        let path = self.path(key);
        make(path.parent().unwrap_or(&self.folder))?;
        // By temporary file and rename, without fsync: tmpfs has no use for it, and an ADD has no time.
        let draft = path.with_extension("draft");
        serde_json::to_vec(&Entry::new(key, plug))
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(Error::file(path))
    }

    /// Forgets a plug.
    pub fn remove(&self, key: &PlugKey) -> Result<(), Error> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(e)),
            _ => Ok(()),
        }
    }

    /// All plugs. A file that cannot be read is kept aside for people, and its device is searched for when it is to be given back.
    pub fn read(&self) -> Result<Vec<(PlugKey, Plug)>, Error> {
        let mut plugs = Vec::new();
        for path in entries(&self.folder)? {
            if path.ends_with(UNREADABLE) {
                continue;
            }
            if path.is_dir() {
                for path in entries(&path)? {
                    plugs.extend(self.read_or_keep_aside(&path)?);
                }
            } else {
                // Version 1 had its files here.
                plugs.extend(self.read_or_keep_aside(&path)?);
            }
        }
        Ok(plugs)
    }

    fn read_or_keep_aside(&self, path: &Path) -> Result<Option<(PlugKey, Plug)>, Error> {
        if path
            .extension()
            .is_some_and(|extension| extension == "draft")
        {
            fs::remove_file(path).map_err(Error::file(path))?;
            return Ok(None);
        }
        let text = fs::read(path).map_err(|error| error.to_string());
        let error = match text.and_then(|text| parse(&text)) {
            Ok((key, plug)) if self.path(&key) == path => return Ok(Some((key, plug))),
            Ok((key, plug)) if self.path_of_version_1(&key) == path => {
                self.take_over(path, &key)?;
                return Ok(Some((key, plug)));
            }
            Ok(_) => "it has the name of another plug".to_owned(),
            Err(error) => error,
        };
        let aside = self.folder.join(UNREADABLE);
        make(&aside)?;
        let kept = aside.join(path.file_name().unwrap_or_default());
        fs::rename(path, &kept).map_err(Error::file(&kept))?;
        tracing::error!(
            path = %kept.display(), error,
            "a file of the journal cannot be read and is kept aside; its device is searched for when it is to be given back"
        );
        Ok(None)
    }

    /// Puts a file of version 1 where the plug is written down and removed from now on. What is there is older.
    fn take_over(&self, path: &Path, key: &PlugKey) -> Result<(), Error> {
        let taken_over = self.path(key);
        make(taken_over.parent().unwrap_or(&self.folder))?;
        fs::rename(path, &taken_over).map_err(Error::file(&taken_over))?;
        tracing::info!(path = %path.display(), "a file of version 1 of the journal is taken over");
        Ok(())
    }

    /// The plugin lets no `/` and no `+` into the name of a network or a container's id.
    fn path(&self, key: &PlugKey) -> PathBuf {
        let PlugKey { sandbox, mac } = key;
        let Sandbox {
            network,
            container_id,
            if_name,
        } = sandbox;
        let name = format!("{container_id}+{if_name}+{mac}.json");
        self.folder.join(network).join(name)
    }

    fn path_of_version_1(&self, key: &PlugKey) -> PathBuf {
        let Sandbox {
            network: _,
            container_id,
            if_name,
        } = &key.sandbox;
        self.folder.join(format!("{container_id}+{if_name}.json"))
    }
}

fn make(folder: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::file(folder))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(Error::file(folder))
}
