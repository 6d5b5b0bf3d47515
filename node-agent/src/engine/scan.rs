//! Scans the node: which devices are on the host, which namespaces live, which DELs found no agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use node_agent_core::{
    facts::{Liveness, Netns, PlugKey, PlugState, Sandbox},
    mac::Mac,
};

use crate::{
    engine::{Engine, clock, work::Done},
    error::Error,
    kernel::namespace::Namespace,
    plug::Node,
};

/// What was seen.
#[derive(Debug)]
pub(super) struct Scan {
    /// When it began, in finished moves.
    moves_before: u64,
    /// Devices on the host.
    devices: BTreeSet<Mac>,
    /// Of each plug whether its namespace lives.
    liveness: BTreeMap<PlugKey, Liveness>,
    /// Sandboxes whose DEL found no agent.
    deleted: Vec<Sandbox>,
}

impl Engine {
    pub(super) fn start_scan(&mut self) {
        let (node, tombstones) = (self.parts.node.clone(), self.parts.tombstones.clone());
        let plugs = self.facts.plugs.iter();
        let plugs: Vec<_> = plugs
            .map(|(key, plug)| (key.clone(), plug.netns.clone()))
            .collect();
        let moves_before = self.pace.moves();
        self.spawn(
            Done::Scan,
            |error| error,
            move || {
                let scan = scan(&node, moves_before, plugs, &tombstones);
                (scan, None)
            },
        );
    }

    pub(super) fn finish_scan(&mut self, scan: Result<Scan, Error>) {
        match scan {
            Ok(scan) => {
                self.parts.heartbeat.scanned();
                self.take_scan(scan);
            }
            Err(error) => {
                tracing::warn!(%error, "the node cannot be scanned");
                self.pace.failed();
            }
        }
    }

    fn take_scan(&mut self, scan: Scan) {
        let kept = self.pace.finish(scan.moves_before, &self.facts.busy);
        let now = self.now();
        let devices = &mut self.facts.devices;
        devices.retain(|mac, _| kept.contains(mac) || scan.devices.contains(mac));
        for mac in scan.devices.difference(&kept) {
            self.facts.arrived(*mac, now);
        }
        for (key, liveness) in scan.liveness {
            if let Some(plug) = self.facts.plugs.get_mut(&key) {
                plug.liveness = liveness;
            }
        }
        for (key, plug) in &mut self.facts.plugs {
            // The plugin gave up on us; what it asked for is done now.
            if scan.deleted.contains(&key.sandbox) && !self.facts.busy.contains(&key.mac) {
                plug.state = PlugState::Unplugging;
            }
        }
        let held: BTreeSet<Mac> = self.facts.plugs.keys().map(|key| key.mac).collect();
        let devices = &self.facts.devices;
        self.seen
            .retain(|mac, _| devices.contains_key(mac) || held.contains(mac));
        for mac in devices.keys() {
            self.seen.entry(*mac).or_insert_with(clock);
        }
    }
}

fn scan(
    node: &Node,
    moves_before: u64,
    plugs: Vec<(PlugKey, Netns)>,
    tombstones: &Path,
) -> Result<Scan, Error> {
    let devices = node.devices()?;
    let sandboxes: BTreeSet<_> = plugs.iter().map(|(key, _)| key.sandbox.clone()).collect();
    Ok(Scan {
        moves_before,
        devices: devices.into_iter().map(|device| device.mac).collect(),
        liveness: plugs
            .into_iter()
            .map(|(key, netns)| (key, Namespace::liveness(&netns)))
            .collect(),
        deleted: pending(tombstones, &sandboxes).unwrap_or_else(|error| {
            tracing::warn!(%error, "the DELs that found no agent cannot be read");
            Vec::new()
        }),
    })
}

/// Reads the tombstones; those about sandboxes that we know nothing of have served.
fn pending(folder: &Path, known: &BTreeSet<Sandbox>) -> Result<Vec<Sandbox>, Error> {
    let mut pending = Vec::new();
    for (path, del) in cni::tombstone::read(folder).map_err(Error::file(folder))? {
        match del {
            Ok(del) if known.contains(&del.sandbox) => {
                pending.push(del.sandbox);
                continue;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a tombstone cannot be read");
            }
        }
        fs::remove_file(&path).map_err(Error::file(path))?;
    }
    Ok(pending)
}
