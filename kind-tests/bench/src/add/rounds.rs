//! One round after the other: the agent, the bare move and upstream do the same job in turn.

use std::{
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use crate::{
    add::site::{OURS, PEERS},
    node::{
        link::Links,
        namespace::Namespace,
        plugin::{Container, Plugin},
    },
};

/// A move takes as long as the kernel's next tick is away, so that many are needed.
pub const ROUNDS: usize = 200;
/// Before them, and not counted.
const WARM_UP: usize = 5;
/// Between two measurements: what the one before left to be done later does not count for the next one.
const PAUSE: Duration = Duration::from_millis(40);
/// Name of the device in a pod.
const NAME: &str = "eni0";

/// What takes part.
pub struct Rounds<'a> {
    /// Where devices come from.
    pub host: &'a Namespace,
    /// Moves links out of it.
    pub links: Links,
    /// The plugin of the agent.
    pub ours: Plugin,
    /// Starts and ends.
    pub empty: Plugin,
    /// host-device.
    pub upstream: &'a Plugin,
}

/// What was measured once, in seconds.
pub struct Round {
    /// ADD by the agent.
    pub add: f64,
    /// DEL by the agent.
    pub del: f64,
    /// The bare move into a pod.
    pub moved_in: f64,
    /// The bare move back.
    pub moved_back: f64,
    /// The start of a program that does nothing.
    pub started: f64,
    /// ADD by upstream.
    pub upstream_add: f64,
    /// DEL by upstream.
    pub upstream_del: f64,
}

impl Rounds<'_> {
    /// All rounds. A pod is never used twice, and none goes before the end: its end would disturb.
    pub fn all(&self) -> anyhow::Result<Vec<Round>> {
        let mut pods = Vec::new();
        let mut rounds = Vec::new();
        for number in 0..WARM_UP + ROUNDS {
            let pod = |who| Namespace::new(&format!("{who}{number}"));
            let [ours, bare, upstream] = [pod("ours")?, pod("bare")?, pod("upstream")?];
            thread::sleep(PAUSE);
            let (add, del) = in_and_out(&self.ours, &Container::new(&ours, OURS, "eth0"))?;
            let (moved_in, moved_back, started) = self.bare(&bare)?;
            let container = Container::new(&upstream, PEERS, NAME);
            let (upstream_add, upstream_del) = in_and_out(self.upstream, &container)?;
            pods.extend([ours, bare, upstream]);
            if number >= WARM_UP {
                rounds.push(Round {
                    add,
                    del,
                    moved_in,
                    moved_back,
                    started,
                    upstream_add,
                    upstream_del,
                });
            }
        }
        Ok(rounds)
    }

    /// The kernel's part alone. On the way back the device is up and has an address, as that of the others.
    fn bare(&self, pod: &Namespace) -> anyhow::Result<(f64, f64, f64)> {
        let links = pod.inside(Links::open)?;
        let home = PEERS.device_on_host();
        let index = self.links.index(&home)?;
        let start = Instant::now();
        self.links.move_to(index, pod.as_fd(), NAME)?;
        let moved_in = start.elapsed().as_secs_f64();
        let started = self.empty.time("ADD", &Container::new(pod, PEERS, NAME))?;
        let address = PEERS.address();
        pod.ip(&format!(
            "link set {NAME} up\naddr add {address}/32 dev {NAME}"
        ))?;
        thread::sleep(PAUSE);
        let index = links.index(NAME)?;
        let start = Instant::now();
        links.move_to(index, self.host.as_fd(), &home)?;
        let moved_back = start.elapsed().as_secs_f64();
        thread::sleep(PAUSE);
        Ok((moved_in, moved_back, started))
    }
}

/// ADD and DEL by a plugin.
fn in_and_out(plugin: &Plugin, container: &Container) -> anyhow::Result<(f64, f64)> {
    let add = plugin.time("ADD", container)?;
    thread::sleep(PAUSE);
    let del = plugin.time("DEL", container)?;
    thread::sleep(PAUSE);
    Ok((add, del))
}
