//! A file of the journal: how a plug is written down.

use node_agent_core::{
    claim::ClaimKey,
    custody::{Custody, Loan},
    facts::{Hardware, Netns, Observed, Origin, Plug, PlugKey, PlugState, Position, Sandbox},
    picture::PodSlot,
};
use serde::{Deserialize, Serialize};

use crate::journal::{interface::EntryInterface, version_1};

/// It changes when an old reader would misunderstand a new writer.
const VERSION: u32 = 3;
/// Version 2 had no positions, and no borrowed devices.
const BEFORE: u32 = 2;

/// A file of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    version: u32,
    sandbox: Sandbox,
    mac: String,
    eni: String,
    slot: u8,
    origin: EntryOrigin,
    #[serde(default)]
    position: Position,
    #[serde(default)]
    custody: EntryCustody,
    netns: EntryNetns,
    hardware: Option<EntryHardware>,
    state: EntryState,
}

/// The part that every version can read. Version 1 wrote none.
#[derive(Deserialize)]
struct EntryVersion {
    version: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum EntryOrigin {
    Claim {
        namespace: String,
        name: String,
        attachment: String,
        pod_uid: String,
    },
    Explicit {
        interface: EntryInterface,
    },
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum EntryCustody {
    #[default]
    Ours,
    Borrowed {
        name: String,
        mtu: u32,
        addresses: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct EntryNetns {
    path: String,
    cookie: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct EntryHardware {
    path: String,
    inode: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum EntryState {
    Plugging,
    Plugged,
    Unplugging,
    Restored,
}

/// The plug that a file of any version says.
pub(super) fn parse(text: &[u8]) -> Result<(PlugKey, Plug), String> {
    let EntryVersion { version } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    match version {
        Some(BEFORE | VERSION) => serde_json::from_slice(text)
            .map_err(|e| e.to_string())
            .and_then(Entry::plug),
        Some(version) => Err(format!(
            "it is of version {version}, and this agent reads versions 1 to {VERSION}"
        )),
        None => serde_json::from_slice(text)
            .map_err(|e| e.to_string())
            .and_then(version_1::Entry::plug)
            .map_err(|error| {
                format!("it comes from version 1 of the agent and is incomplete: {error}")
            }),
    }
}

impl Entry {
    pub(super) fn new(key: &PlugKey, plug: &Plug) -> Self {
        let PlugKey { sandbox, mac } = key.clone();
        let Plug {
            origin,
            eni,
            slot: PodSlot(slot),
            position,
            custody,
            netns: Netns { path, cookie },
            hardware,
            state,
            observed: _,
        } = plug.clone();
        Self {
            version: VERSION,
            sandbox,
            mac: mac.to_string(),
            eni,
            slot,
            origin: EntryOrigin::new(origin),
            position,
            custody: EntryCustody::new(custody),
            netns: EntryNetns { path, cookie },
            hardware: hardware.map(|Hardware { path, inode }| EntryHardware { path, inode }),
            state: match state {
                PlugState::Plugging => EntryState::Plugging,
                PlugState::Plugged => EntryState::Plugged,
                PlugState::Unplugging => EntryState::Unplugging,
                PlugState::Restored => EntryState::Restored,
            },
        }
    }

    fn plug(self) -> Result<(PlugKey, Plug), String> {
        let key = PlugKey {
            sandbox: self.sandbox,
            mac: self.mac.parse().map_err(|e| format!("mac: {e}"))?,
        };
        let EntryNetns { path, cookie } = self.netns;
        let plug = Plug {
            origin: self.origin.origin(),
            eni: self.eni,
            slot: PodSlot(self.slot),
            position: self.position,
            custody: self.custody.custody()?,
            netns: Netns { path, cookie },
            hardware: (self.hardware).map(|EntryHardware { path, inode }| Hardware { path, inode }),
            state: match self.state {
                EntryState::Plugging => PlugState::Plugging,
                EntryState::Plugged => PlugState::Plugged,
                EntryState::Unplugging => PlugState::Unplugging,
                EntryState::Restored => PlugState::Restored,
            },
            observed: Observed::default(),
        };
        Ok((key, plug))
    }
}

impl EntryOrigin {
    fn new(origin: Origin) -> Self {
        match origin {
            Origin::Claim {
                claim: ClaimKey { namespace, name },
                attachment,
                pod_uid,
            } => Self::Claim {
                namespace,
                name,
                attachment,
                pod_uid,
            },
            Origin::Explicit(interface) => Self::Explicit {
                interface: EntryInterface::new(*interface),
            },
        }
    }

    fn origin(self) -> Origin {
        match self {
            Self::Claim {
                namespace,
                name,
                attachment,
                pod_uid,
            } => Origin::Claim {
                claim: ClaimKey { namespace, name },
                attachment,
                pod_uid,
            },
            Self::Explicit { interface } => Origin::Explicit(Box::new(interface.interface())),
        }
    }
}

impl EntryCustody {
    fn new(custody: Custody) -> Self {
        match custody {
            Custody::Ours => Self::Ours,
            Custody::Borrowed(Loan {
                name,
                mtu,
                addresses,
            }) => Self::Borrowed {
                name,
                mtu,
                addresses: addresses.iter().map(ToString::to_string).collect(),
            },
        }
    }

    fn custody(self) -> Result<Custody, String> {
        let Self::Borrowed {
            name,
            mtu,
            addresses,
        } = self
        else {
            return Ok(Custody::Ours);
        };
        let addresses = addresses.iter().map(|address| address.parse());
        let addresses = addresses.collect::<Result<_, _>>();
        Ok(Custody::Borrowed(Loan {
            name,
            mtu,
            addresses: addresses.map_err(|error| format!("custody: {error}"))?,
        }))
    }
}
