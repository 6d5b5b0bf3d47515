//! The journal of ports: one file per port, and one with the addresses that were given last, on tmpfs as the journal of plugs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder},
    io,
    net::IpAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use node_agent_core::{
    facts::Ports,
    port::{Port, PortKey},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;

/// It changes when an old reader would misunderstand a new writer.
const VERSION: u32 = 1;
/// No port has an address that is named like that.
pub(crate) const COMMON: &str = "common.json";
const UNREADABLE: &str = ".unreadable";

/// A folder with the files.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

/// What is not of one port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// Of each subnet the address that was given or given back last.
    pub cursors: BTreeMap<IpNet, IpAddr>,
    /// The addresses that agents gave to bridges.
    pub bridges: BTreeMap<String, BTreeSet<IpNet>>,
}

impl Common {
    /// What is known now.
    pub fn of(ports: &Ports) -> Self {
        Self {
            cursors: ports.cursors.clone(),
            bridges: ports.bridges.clone(),
        }
    }
}

impl Files {
    /// Opens the folder, and makes it if it is missing.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Error::file(&folder))?;
        Ok(Self { folder })
    }

    /// Writes down a port, over what was known of it.
    pub fn write(&self, key: PortKey, port: &Port) -> Result<(), Error> {
        write(&self.path(key), port)
    }

    /// Forgets a port.
    pub fn remove(&self, key: PortKey) -> Result<(), Error> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(e)),
            _ => Ok(()),
        }
    }

    /// Writes down what is common.
    pub fn write_common(&self, common: &Common) -> Result<(), Error> {
        write(&self.folder.join(COMMON), common)
    }

    /// All that is written down. A file that cannot be read is kept aside for people: the kernel still shows who has its addresses.
    pub fn read(&self) -> Result<Ports, Error> {
        let mut ports = Ports::default();
        let entries = fs::read_dir(&self.folder).map_err(Error::file(&self.folder))?;
        for entry in entries {
            let path = entry.map_err(Error::file(&self.folder))?.path();
            if path.is_dir() {
                continue;
            }
            if path.ends_with(COMMON) {
                let common: Option<Common> = self.read_or_keep_aside(&path)?;
                let Common { cursors, bridges } = common.unwrap_or_default();
                (ports.cursors, ports.bridges) = (cursors, bridges);
                continue;
            }
            let port: Option<Port> = self.read_or_keep_aside(&path)?;
            if let Some((key, port)) = port.and_then(|port| Some((port.key()?, port))) {
                ports.all.insert(key, port);
            }
        }
        Ok(ports)
    }

    fn read_or_keep_aside<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, Error> {
        if path
            .extension()
            .is_some_and(|extension| extension == "draft")
        {
            fs::remove_file(path).map_err(Error::file(path))?;
            return Ok(None);
        }
        let text = fs::read(path).map_err(|error| error.to_string());
        let read =
            text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        let error = match read {
            Ok(Versioned { version, content }) if version == VERSION => return Ok(Some(content)),
            Ok(Versioned { version, .. }) => {
                format!("it is of version {version}, and this agent reads version {VERSION}")
            }
            Err(error) => error,
        };
        let aside = self.folder.join(UNREADABLE);
        fs::create_dir_all(&aside).map_err(Error::file(&aside))?;
        let kept = aside.join(path.file_name().unwrap_or_default());
        fs::rename(path, &kept).map_err(Error::file(&kept))?;
        tracing::error!(
            path = %kept.display(), error,
            "a file of the journal cannot be read and is kept aside; its addresses are free again when the bridge shows that nobody has them"
        );
        Ok(None)
    }

    fn path(&self, key: PortKey) -> PathBuf {
        self.folder.join(format!("{}.json", key.0))
    }
}

/// By temporary file and rename, without fsync: tmpfs has no use for it, and an ADD has no time.
fn write(path: &Path, content: &impl Serialize) -> Result<(), Error> {
    let draft = path.with_extension("draft");
    let versioned = Versioned {
        version: VERSION,
        content,
    };
    serde_json::to_vec(&versioned)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(&draft, text))
        .and_then(|()| fs::rename(&draft, path))
        .map_err(Error::file(path))
}
