//! Scans the node: which devices are on the host, which namespaces live, which DELs found no agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use cni::protocol::Del;
use node_agent_core::{
    facts::{Liveness, Netns, Plug, PlugKey, Ports, Sandbox, Verb},
    mac::Mac,
    port::{Port, PortKey, PortState},
};
use tokio::time::Instant;
use tracing::field::display;

use crate::{
    engine::{Engine, callers::deleted, clock, work::Done},
    error::Error,
    kernel::namespace::Namespace,
    plug::Node,
    ports::{Files, unguarded},
};

/// What was seen.
#[derive(Debug)]
pub(super) struct Scan {
    /// When it began, in finished moves.
    moves_before: u64,
    /// Devices on the host.
    devices: BTreeSet<Mac>,
    /// Whether a device that was not seen is not on the host.
    complete: bool,
    /// Of each plug whether its namespace lives; an error: it is not known.
    liveness: BTreeMap<PlugKey, Result<Liveness, Error>>,
    /// Likewise of each port.
    ports: BTreeMap<PortKey, Result<Liveness, Error>>,
    /// Ports whose packets nobody filters any more.
    unguarded: Result<BTreeSet<PortKey>, Error>,
    /// DELs that found no agent.
    deleted: Vec<Del>,
    /// Whether all notes about such DELs could be read, and removed once they had served.
    notes: Result<(), Error>,
}

impl Engine {
    pub(super) fn start_scan(&mut self) {
        let (node, tombstones) = (self.parts.node.clone(), self.parts.tombstones.clone());
        let plugs = self.facts.plugs.iter();
        let plugs: Vec<_> = plugs
            .map(|(key, plug)| (key.clone(), plug.netns.clone()))
            .collect();
        let ports = self.facts.ports.all.iter();
        let ports: Vec<_> = ports
            .filter_map(|(key, port)| Some((*key, port.netns.clone()?)))
            .collect();
        let known = (self.facts.ports.clone(), self.parts.ports.clone());
        let moves_before = self.pace.moves();
        self.spawn(
            Done::Scan,
            |error| error,
            move || {
                let scan = scan(&node, moves_before, plugs, ports, &known, &tombstones);
                (scan, None)
            },
        );
    }

    pub(super) fn finish_scan(&mut self, scan: Result<Scan, Error>) {
        let news = self.scanning.is_news(scan.is_ok());
        match scan {
            Ok(scan) => {
                if news {
                    tracing::info!("the node can be scanned again");
                }
                self.parts.heartbeat.scanned();
                self.take_scan(scan);
            }
            Err(error) => {
                if news {
                    tracing::warn!(%error, "the node cannot be scanned; it is tried again each second");
                }
                self.pace.failed(Instant::now());
            }
        }
    }

    fn take_scan(&mut self, scan: Scan) {
        let kept = (self.pace).finish(Instant::now(), scan.moves_before, &self.facts.busy);
        let now = self.now();
        if scan.complete {
            let devices = &mut self.facts.devices;
            devices.retain(|mac, _| kept.contains(mac) || scan.devices.contains(mac));
        } else {
            self.pace.failed(Instant::now());
        }
        if self.lists.is_news(scan.complete) {
            if scan.complete {
                tracing::info!("the links of the node can be listed whole again");
            } else {
                tracing::warn!(
                    "links come and go on the node without end: a device that left it is noticed late"
                );
            }
        }
        for mac in scan.devices.difference(&kept) {
            self.facts.arrived(*mac, now);
        }
        for (key, liveness) in scan.liveness {
            let pod = self.facts.plugs.get(&key);
            let pod = pod.and_then(|plug| self.pod(&plug.origin));
            if let Some(plug) = self.facts.plugs.get_mut(&key) {
                see(plug, pod.as_deref(), liveness);
            }
        }
        if self.notes.is_news(scan.notes.is_ok()) {
            match scan.notes {
                Ok(()) => {
                    tracing::info!("the DELs that found no agent can be read and removed again");
                }
                Err(error) => {
                    tracing::warn!(%error, "a DEL that found no agent cannot be read or removed");
                }
            }
        }
        for (key, liveness) in scan.ports {
            if let Some(port) = self.facts.ports.all.get_mut(&key) {
                // Nothing is concluded from what cannot be seen.
                port.seen.liveness = liveness.unwrap_or(Liveness::Unknown);
            }
        }
        if self.filters.is_news(scan.unguarded.is_ok()) {
            match &scan.unguarded {
                Ok(_) => tracing::info!("the filters of ports can be seen again"),
                Err(error) => {
                    tracing::warn!(%error, "whether the packets of ports are filtered is not known");
                }
            }
        }
        for key in scan.unguarded.iter().flatten() {
            if let Some(port) = self.facts.ports.all.get_mut(key) {
                port.seen.unguarded = true;
            }
        }
        for del in &scan.deleted {
            match deleted(del) {
                Verb::Release(release) => self.facts.released(&del.sandbox, &release),
                _ => self.facts.deleted(&del.sandbox),
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

/// Takes in whether the namespace of a plug lives; says when that begins to be unknown, and when it ends.
fn see(plug: &mut Plug, pod: Option<&str>, liveness: Result<Liveness, Error>) {
    let (claim, eni, before) = (
        plug.origin.claim().map(display),
        &plug.eni,
        plug.observed.liveness,
    );
    match &liveness {
        Err(error) if before != Liveness::Unknown => tracing::warn!(
            claim, pod, eni, %error,
            "it is not known whether the pod's network namespace lives; it counts as alive"
        ),
        Ok(_) if before == Liveness::Unknown => {
            tracing::info!(
                claim,
                pod,
                eni,
                "the pod's network namespace can be seen again"
            );
        }
        Ok(_) | Err(_) => {}
    }
    plug.observed.liveness = liveness.unwrap_or(Liveness::Unknown);
}

fn scan(
    node: &Node,
    moves_before: u64,
    plugs: Vec<(PlugKey, Netns)>,
    ports: Vec<(PortKey, Netns)>,
    known: &(Ports, Files),
    tombstones: &Path,
) -> Result<Scan, Error> {
    let devices = node.devices()?;
    let sandboxes: BTreeSet<_> = plugs.iter().map(|(key, _)| key.sandbox.clone()).collect();
    let (deleted, notes) = noted(tombstones, &sandboxes, known);
    Ok(Scan {
        moves_before,
        devices: devices.all.into_iter().map(|device| device.mac).collect(),
        complete: devices.complete,
        liveness: plugs
            .into_iter()
            .map(|(key, netns)| (key, Namespace::liveness(&netns)))
            .collect(),
        ports: ports
            .into_iter()
            .map(|(key, netns)| (key, Namespace::liveness(&netns)))
            .collect(),
        unguarded: unguarded(node, &known.0),
        deleted,
        notes,
    })
}

/// Reads the tombstones; those about what is not there any more have served. One that cannot be removed keeps no other from being done.
fn noted(
    folder: &Path,
    plugged: &BTreeSet<Sandbox>,
    known: &(Ports, Files),
) -> (Vec<Del>, Result<(), Error>) {
    let tombstones = match cni::tombstone::read(folder) {
        Ok(tombstones) => tombstones,
        Err(error) => return (Vec::new(), Err(Error::file(folder)(error))),
    };
    let (mut deleted, mut outcome) = (Vec::new(), Ok(()));
    for (path, del) in tombstones {
        let unreadable = match del {
            Ok(del) => {
                let serves = serves(&del, plugged, known);
                deleted.push(del);
                match serves {
                    Ok(false) => None,
                    Ok(true) => continue,
                    Err(error) => {
                        outcome = outcome.and(Err(error));
                        continue;
                    }
                }
            }
            Err(error) => Some(error),
        };
        match (fs::remove_file(&path), unreadable) {
            (Err(error), _) => outcome = outcome.and(Err(Error::file(path)(error))),
            (Ok(()), Some(error)) => tracing::warn!(
                path = %path.display(), %error,
                "a DEL that found no agent cannot be read and was removed; the ENI returns when the pod's network namespace ends"
            ),
            (Ok(()), None) => {}
        }
    }
    (deleted, outcome)
}

/// Whether a tombstone is needed any longer. Addresses are given back by names that may soon be another container's: of those it is
/// the journal that says from now on that they go.
fn serves(
    del: &Del,
    plugged: &BTreeSet<Sandbox>,
    (ports, files): &(Ports, Files),
) -> Result<bool, Error> {
    let Verb::Release(release) = deleted(del) else {
        let has_port = ports.of(&del.sandbox).next().is_some();
        return Ok(has_port || plugged.contains(&del.sandbox));
    };
    for (key, port) in ports.released(&del.sandbox, &release) {
        let goes = Port {
            state: PortState::Deleting,
            ..port.clone()
        };
        files.write(*key, &goes)?;
    }
    Ok(false)
}
