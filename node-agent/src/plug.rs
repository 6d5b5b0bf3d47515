//! The ENIs of a node's pods: who plugs them and takes them back, and where both work.

mod plugging;
mod unplugging;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use node_agent_core::{mac::Mac, picture::PodSlot};

pub use crate::plug::{
    plugging::{Failed, Plugged, check, check_as, configure, plug, plug_as},
    unplugging::{Unplugged, forget, restore, unplug},
};
use crate::{
    error::Error,
    kernel::{
        link::{Device, Devices},
        namespace::Namespace,
        netlink::Netlink,
        nft::Commit,
        step::Session,
        view::Inspector,
    },
};

/// The node, as the kernel knows it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its own namespace.
    pub host: Namespace,
    /// How to inspect a namespace.
    pub inspector: Inspector,
    /// Held for a move alone: the kernel does one at a time, and all of its networking waits for it.
    pub lane: Arc<Mutex<()>>,
    /// Indices of devices on the host, where they were last seen.
    indices: Arc<Mutex<BTreeMap<Mac, u32>>>,
}

/// An ENI, as the kernel knows it.
#[derive(Debug, Clone)]
pub struct Eni {
    /// Its MAC address.
    pub mac: Mac,
    /// Its id, which becomes the device's second name.
    pub id: String,
}

/// What may be closed when nobody waits any more: closing it takes the kernel 6 to 15 ms. Keeping it keeps the pod's
/// namespace alive.
#[derive(Default)]
pub struct Deferred {
    _commits: Vec<Commit>,
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

impl From<Vec<Commit>> for Deferred {
    fn from(commits: Vec<Commit>) -> Self {
        Self { _commits: commits }
    }
}

impl Deferred {
    fn of(session: &mut Session<'_>) -> Self {
        Self {
            _commits: std::mem::take(&mut session.commits),
        }
    }
}

impl Node {
    /// A node whose own namespace is `host`.
    pub fn new(host: Namespace, inspector: Inspector) -> Self {
        Self {
            host,
            inspector,
            lane: Arc::default(),
            indices: Arc::default(),
        }
    }

    /// The devices on the host.
    pub fn devices(&self) -> Result<Devices, Error> {
        let devices = self
            .host
            .inside(open)??
            .devices(&self.inspector.drivers)
            .map_err(Error::netlink("list the links"))?;
        let mut indices = self.indices();
        if devices.complete {
            indices.clear();
        }
        indices.extend(devices.all.iter().map(|device| (device.mac, device.index)));
        Ok(devices)
    }

    /// Whether the device is in a living namespace that the kernel knows by an id, whatever became of the paths to it.
    pub fn is_elsewhere(&self, mac: Mac) -> Result<bool, Error> {
        let mut netlink = self.host.inside(open)??;
        netlink.is_elsewhere(mac, &self.inspector.drivers)
    }

    fn indices(&self) -> MutexGuard<'_, BTreeMap<Mac, u32>> {
        self.indices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index that a device had when it was last seen on the host.
    pub fn last_index(&self, mac: Mac) -> Option<u32> {
        self.indices().get(&mac).copied()
    }

    /// Where on the host a device is likely to be.
    fn expect(&self, mac: Mac, index: u32) {
        self.indices().insert(mac, index);
    }

    /// The device on the host, by a socket there.
    fn device(&self, netlink: &mut Netlink, mac: Mac) -> Result<Option<Device>, Error> {
        let last = self.indices().get(&mac).copied();
        let device = netlink.device(mac, &self.inspector.drivers, last)?;
        match &device {
            Some(device) => self.indices().insert(mac, device.index),
            None => self.indices().remove(&mac),
        };
        Ok(device)
    }
}

/// Runs `work` in the pod's namespace; every socket is closed when this returns, but for what is deferred.
fn inside<T>(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    slot: PodSlot,
    work: impl FnOnce(&mut Session<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let host_netlink = node.host.inside(open)??;
    pod.inside(|| {
        work(&mut Session {
            inspector: &node.inspector,
            lane: &node.lane,
            host: &node.host,
            pod,
            host_netlink,
            pod_netlink: open()?,
            mac: eni.mac,
            id: &eni.id,
            slot,
            device: None,
            link: None,
            drops_egress: false,
            commits: Vec::new(),
        })
    })?
}

fn open() -> Result<Netlink, Error> {
    Netlink::route().map_err(Error::netlink("open a netlink socket"))
}
