//! Leases on tmpfs, one file each: an agent that starts goes on where the one before it was.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use node_agent_core::{
    dhcp::{Boot, Loss},
    mac::Mac,
    plan::LeasePlace,
};
use serde::{Deserialize, Serialize};

use super::client::{Client, Family};
use crate::error::Error;

/// It changes when an old reader would misunderstand a new writer. A lease that cannot be read is asked for anew, which costs two packets.
const VERSION: u32 = 1;

/// A folder with a file for each lease.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    boot_id: Arc<str>,
}

/// What is known of a lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "C: Client")]
pub struct Record<C: Client> {
    /// Where it is for.
    pub place: LeasePlace,
    /// Who asks, and for what.
    pub client: C,
    /// How far it is.
    pub lease: C::Lease,
    /// Why the last one ended that was there.
    pub lost: Option<Loss>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<Id, Record> {
    version: u32,
    /// `/proc/sys/kernel/random/boot_id`: times in the lease count from a boot.
    boot_id: Id,
    #[serde(flatten)]
    record: Record,
}

impl Files {
    /// Opens the folder, and makes it if it is missing.
    pub fn open(folder: PathBuf, boot_id: &str) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Error::file(&folder))?;
        Ok(Self {
            folder,
            boot_id: boot_id.into(),
        })
    }

    /// Writes down a lease, over what was known of it.
    pub fn write<C: Client>(&self, mac: Mac, record: &Record<C>) -> Result<(), Error> {
        let path = self.path(mac, C::FAMILY);
        let file = File {
            version: VERSION,
            boot_id: &*self.boot_id,
            record,
        };
        // By temporary file and rename, without fsync, as the journal.
        let draft = path.with_extension("draft");
        serde_json::to_vec(&file)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(Error::file(path))
    }

    /// Forgets a lease.
    pub fn remove(&self, mac: Mac, family: Family) {
        let path = self.path(mac, family);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a lease cannot be forgotten");
            }
            _ => {}
        }
    }

    /// All leases of a family, and whether their times mean anything.
    pub fn read<C: Client>(&self) -> Result<Vec<(Mac, Record<C>, Boot)>, Error> {
        let entries = fs::read_dir(&self.folder)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(Error::file(&self.folder))?;
        Ok(entries
            .iter()
            .filter_map(|path| self.read_one::<C>(path))
            .collect())
    }

    fn read_one<C: Client>(&self, path: &Path) -> Option<(Mac, Record<C>, Boot)> {
        if path
            .extension()
            .is_some_and(|extension| extension == "draft")
        {
            // Of an agent that was killed. Another one is written when it is needed.
            let _ = fs::remove_file(path);
            return None;
        }
        let name = path.file_name()?.to_str()?;
        let mac = name.strip_suffix(&suffix(C::FAMILY))?.parse().ok()?;
        let text = fs::read(path).map_err(|error| error.to_string());
        let read = text.and_then(|text| {
            serde_json::from_slice::<File<String, _>>(&text).map_err(|error| error.to_string())
        });
        match read {
            Ok(File {
                version: VERSION,
                boot_id,
                record,
            }) => {
                let boot = if *boot_id == *self.boot_id {
                    Boot::Same
                } else {
                    Boot::Other
                };
                Some((mac, record, boot))
            }
            Ok(File { version, .. }) => {
                let error =
                    format!("it is of version {version}, and this agent reads version {VERSION}");
                tracing::warn!(path = %path.display(), error, "a lease cannot be read and is asked for anew");
                None
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), error, "a lease cannot be read and is asked for anew");
                None
            }
        }
    }

    fn path(&self, mac: Mac, family: Family) -> PathBuf {
        self.folder.join(format!("{mac}{}", suffix(family)))
    }
}

fn suffix(family: Family) -> String {
    format!(".{}.json", family.as_str())
}
