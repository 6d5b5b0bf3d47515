//! Looking at the host: which devices are there, which namespaces live, which notes the plugin left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use node_agent_core::{
    facts::{Facts, PlugState, Sandbox},
    mac::Mac,
};
use tokio::time::Instant;

use crate::{
    engine::{Engine, SCAN_LONGEST, SCAN_PAUSE, SCAN_PERIOD, SCAN_RETRY, clock, work::Done},
    error::Error,
    kernel::{namespace::Namespace, netlink::Netlink},
    plug::Node,
};

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// When it began, in finished moves.
    pub moves_before: u64,
    /// Devices on the host.
    pub devices: BTreeSet<Mac>,
    /// Of each plug whether its namespace lives.
    pub alive: BTreeMap<Sandbox, bool>,
    /// Sandboxes whose DEL found no agent.
    pub buried: Vec<Sandbox>,
}

/// How it stands with the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Running,
    Failed,
    Ended,
}

/// When to look, and what to believe.
pub(super) struct Pace {
    /// Something may have changed since the last look.
    pub needed: bool,
    /// There was a first look.
    pub known: bool,
    look: Look,
    last: Instant,
    moves: u64,
    moved: BTreeMap<Mac, u64>,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self {
            needed: true,
            known: false,
            look: Look::Ended,
            last: now,
            moves: 0,
            moved: BTreeMap::new(),
        }
    }

    /// When the next look is due.
    pub fn due(&self) -> Instant {
        match (self.look, self.needed) {
            // Its end wakes the engine; the clock has nothing to say.
            (Look::Running, _) => self.last + SCAN_LONGEST,
            (Look::Failed, _) => self.last + SCAN_RETRY,
            (Look::Ended, true) => self.last + SCAN_PAUSE,
            (Look::Ended, false) => self.last + SCAN_PERIOD,
        }
    }

    /// Whether to begin one now.
    pub fn start(&mut self, now: Instant) -> bool {
        if self.look == Look::Running || now < self.due() {
            return false;
        }
        (self.look, self.needed, self.last) = (Look::Running, false, now);
        true
    }

    /// Ends a look that saw nothing; what asked for it still waits.
    fn failed(&mut self) {
        (self.look, self.needed) = (Look::Failed, true);
    }

    /// A device was moved.
    pub fn moved(&mut self, mac: Mac) {
        self.moves += 1;
        self.moved.insert(mac, self.moves);
    }

    /// Ends a look. Devices that were moved meanwhile are where the move left them, whatever was seen: they are returned.
    pub fn finish(&mut self, scan: &Scan, busy: &BTreeSet<Mac>) -> BTreeSet<Mac> {
        (self.look, self.known) = (Look::Ended, true);
        let since = self
            .moved
            .iter()
            .filter(|(_, at)| **at > scan.moves_before)
            .map(|(mac, _)| *mac);
        let kept = since.chain(busy.iter().copied()).collect();
        self.moved.retain(|_, at| *at > scan.moves_before);
        kept
    }
}

impl Engine {
    pub(super) fn start_scan(&mut self) {
        let (node, done, tombstones) = (
            self.parts.node.clone(),
            self.done.0.clone(),
            self.parts.tombstones.clone(),
        );
        let plugs = netns_of(&self.facts);
        let moves_before = self.scan.moves;
        tokio::task::spawn_blocking(move || {
            let scan = look(&node, &plugs, &tombstones).map(|scan| Scan {
                moves_before,
                ..scan
            });
            // The engine is gone when nobody listens.
            drop(done.send(Done::Scan(scan)));
        });
    }

    pub(super) fn finish_scan(&mut self, scan: Result<Scan, Error>) {
        match scan {
            Ok(scan) => self.take_scan(scan),
            Err(error) => {
                tracing::warn!(%error, "the node cannot be looked at");
                self.scan.failed();
            }
        }
    }

    fn take_scan(&mut self, scan: Scan) {
        let kept = self.scan.finish(&scan, &self.facts.busy);
        let now = self.now();
        self.facts
            .devices
            .retain(|mac, _| kept.contains(mac) || scan.devices.contains(mac));
        for mac in scan.devices.difference(&kept) {
            self.facts.devices.entry(*mac).or_insert(now);
        }
        for (sandbox, alive) in scan.alive {
            if let Some(plug) = self.facts.plugs.get_mut(&sandbox) {
                plug.alive = alive;
            }
        }
        for del in scan.buried {
            // The plugin gave up on us; what it asked for is done now.
            match self.facts.plugs.get_mut(&del) {
                Some(plug) if !self.facts.busy.contains(&plug.mac) => {
                    plug.state = PlugState::Leaving;
                }
                Some(_) | None => {}
            }
        }
        let held: Vec<Mac> = self.facts.plugs.values().map(|plug| plug.mac).collect();
        self.seen
            .retain(|mac, _| self.facts.devices.contains_key(mac) || held.contains(mac));
        for mac in self.facts.devices.keys() {
            self.seen.entry(*mac).or_insert_with(clock);
        }
    }
}

fn netns_of(facts: &Facts) -> Vec<(Sandbox, String)> {
    facts
        .plugs
        .iter()
        .map(|(sandbox, plug)| (sandbox.clone(), plug.netns.clone()))
        .collect()
}

fn look(node: &Node, plugs: &[(Sandbox, String)], tombstones: &Path) -> Result<Scan, Error> {
    let mut netlink = node
        .host
        .inside(Netlink::route)?
        .map_err(Error::netlink("open a netlink socket"))?;
    let devices = netlink
        .devices(&node.eyes.drivers)
        .map_err(Error::netlink("list the links"))?;
    Ok(Scan {
        moves_before: 0,
        devices: devices.into_iter().map(|device| device.mac).collect(),
        alive: plugs
            .iter()
            .map(|(sandbox, path)| Ok((sandbox.clone(), Namespace::alive_at(path)?.is_some())))
            .collect::<Result<_, Error>>()?,
        buried: exhume(tombstones, plugs).unwrap_or_else(|error| {
            tracing::warn!(%error, "the notes of the plugin cannot be read");
            Vec::new()
        }),
    })
}

/// Reads the notes; those about sandboxes that we know nothing of have served.
fn exhume(folder: &Path, plugs: &[(Sandbox, String)]) -> Result<Vec<Sandbox>, Error> {
    let mut buried = Vec::new();
    for (path, del) in cni::tombstone::read(folder).map_err(Error::file(folder))? {
        match del {
            Ok(cni::protocol::Del { sandbox }) => {
                if plugs.iter().any(|(known, _)| *known == sandbox) {
                    buried.push(sandbox);
                    continue;
                }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a note of the plugin cannot be read");
            }
        }
        fs::remove_file(&path).map_err(Error::file(path))?;
    }
    Ok(buried)
}
