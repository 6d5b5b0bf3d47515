//! The journal: one file per plug on tmpfs, because namespaces do not survive a boot either.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use node_agent_core::{
    claim::ClaimKey,
    facts::{Plug, PlugState, Sandbox},
};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A folder with one file per plug.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

/// A file of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    network: String,
    container_id: String,
    if_name: String,
    claim_namespace: String,
    claim_name: String,
    attachment: String,
    mac: String,
    eni: String,
    pod_uid: String,
    netns: String,
    state: State,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum State {
    Plugging,
    Plugged,
    Leaving,
}

impl Journal {
    /// Opens the journal, and makes its folder if it is missing.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Error::file(&folder))?;
        Ok(Self { folder })
    }

    /// Writes down a plug, over what was known of its sandbox.
    pub fn write(&self, sandbox: &Sandbox, plug: &Plug) -> Result<(), Error> {
        let path = self.path(sandbox);
        // By temporary file and rename, without fsync: tmpfs has no use for it, and an ADD has no time.
        let draft = path.with_extension("draft");
        serde_json::to_vec(&Line::new(sandbox, plug))
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(Error::file(path))
    }

    /// Forgets a plug.
    pub fn remove(&self, sandbox: &Sandbox) -> Result<(), Error> {
        let path = self.path(sandbox);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(e)),
            _ => Ok(()),
        }
    }

    /// All plugs. A file that cannot be read is told and left: its device comes home when its namespace dies.
    pub fn read(&self) -> Result<Vec<(Sandbox, Plug)>, Error> {
        let mut plugs = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::file(&self.folder))? {
            let path = entry.map_err(Error::file(&self.folder))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let line = fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Line>(&text)?));
            match line.and_then(|line| line.plug().map_err(io::Error::other)) {
                Ok(plug) => plugs.push(plug),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a file of the journal cannot be read");
                }
            }
        }
        Ok(plugs)
    }

    /// The plugin lets no `/` and no `+` into a container's id.
    fn path(&self, sandbox: &Sandbox) -> PathBuf {
        self.folder
            .join(format!("{}+{}.json", sandbox.container_id, sandbox.if_name))
    }
}

impl Line {
    fn new(sandbox: &Sandbox, plug: &Plug) -> Self {
        let Plug {
            claim,
            attachment,
            mac,
            eni,
            pod_uid,
            netns,
            state,
            failures: _,
            retry_at: _,
            alive: _,
        } = plug.clone();
        let Sandbox {
            network,
            container_id,
            if_name,
        } = sandbox.clone();
        let state = match state {
            PlugState::Plugging => State::Plugging,
            PlugState::Plugged => State::Plugged,
            PlugState::Leaving => State::Leaving,
        };
        let ClaimKey {
            namespace: claim_namespace,
            name: claim_name,
        } = claim;
        let mac = mac.to_string();
        Self {
            network,
            container_id,
            if_name,
            claim_namespace,
            claim_name,
            attachment,
            mac,
            eni,
            pod_uid,
            netns,
            state,
        }
    }

    fn plug(self) -> Result<(Sandbox, Plug), node_agent_core::mac::NotAMac> {
        let sandbox = Sandbox {
            network: self.network,
            container_id: self.container_id,
            if_name: self.if_name,
        };
        let plug = Plug {
            claim: ClaimKey {
                namespace: self.claim_namespace,
                name: self.claim_name,
            },
            attachment: self.attachment,
            mac: self.mac.parse()?,
            eni: self.eni,
            pod_uid: self.pod_uid,
            netns: self.netns,
            state: match self.state {
                State::Plugging => PlugState::Plugging,
                State::Plugged => PlugState::Plugged,
                State::Leaving => PlugState::Leaving,
            },
            failures: 0,
            retry_at: 0,
            alive: true,
        };
        Ok((sandbox, plug))
    }
}
