//! One round after the other: the agent, the bare move and upstream do the same job in turn.

use std::{
    cell::Cell,
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use crate::{
    add::site::{OURS, PEERS, SEVERAL},
    node::{
        link::Links,
        namespace::Namespace,
        plugin::{Container, Plugin},
    },
};

/// A move takes as long as some next tick of the kernel is away, so that many are needed.
pub const ROUNDS: usize = 200;
/// Before them, and not counted.
const WARM_UP: usize = 5;
/// Between two measurements: what the one before left to be done later does not count for the next one.
const PAUSE: Duration = Duration::from_millis(40);
/// The longest tick that kernels have (`CONFIG_HZ=100`).
const TICK: Duration = Duration::from_millis(10);
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
    /// The same for a pod with several interfaces.
    pub several: Plugin,
    /// Starts and ends.
    pub empty: Plugin,
    /// host-device.
    pub upstream: &'a Plugin,
    /// Between two measurements.
    pub pauses: Pauses,
}

/// Pauses of different lengths.
///
/// A move ends with a tick, because it waits for RCU. After pauses of whole ticks each measurement would begin at one phase of
/// the tick, which favours whoever happens to do its move late in a tick.
#[derive(Default)]
pub struct Pauses(Cell<f64>);

impl Pauses {
    fn pause(&self) {
        /// Its multiples fill a tick evenly, whichever of them are taken (Weyl's theorem).
        const GOLDEN: f64 = 0.618_033_988_749_895;
        let phase = (self.0.get() + GOLDEN).fract();
        self.0.set(phase);
        thread::sleep(PAUSE + TICK.mul_f64(phase));
    }
}

/// What was measured once, in seconds.
pub struct Round {
    /// ADD by the agent.
    pub add: f64,
    /// DEL by the agent.
    pub del: f64,
    /// ADD of several interfaces by the agent.
    pub add_several: f64,
    /// DEL of several interfaces by the agent.
    pub del_several: f64,
    /// The bare move, right after a program that does nothing, as a plugin does it.
    pub after_program: Moved,
    /// The bare move, while nothing else happens.
    pub at_rest: Moved,
    /// The start of a program that does nothing.
    pub started: f64,
    /// ADD by upstream.
    pub upstream_add: f64,
    /// DEL by upstream.
    pub upstream_del: f64,
}

/// The kernel's part of ADD and DEL, in seconds.
pub struct Moved {
    /// Into a pod.
    pub there: f64,
    /// Back to the host.
    pub back: f64,
}

impl Rounds<'_> {
    /// All rounds. A pod is never used twice, and none goes before the end: its end would disturb.
    pub fn all(&self) -> anyhow::Result<Vec<Round>> {
        let mut pods = Vec::new();
        let mut rounds = Vec::new();
        for number in 0..WARM_UP + ROUNDS {
            let pod = |who| Namespace::new(&format!("{who}{number}"));
            let [ours, upstream] = [pod("ours")?, pod("upstream")?];
            let [several, after, rest] = [pod("several")?, pod("after")?, pod("rest")?];
            self.pauses.pause();
            let (add, del) = self.in_and_out(&self.ours, &Container::new(&ours, OURS, "eth0"))?;
            let mut started = 0.0;
            let container = Container::new(&several, SEVERAL, "eth0");
            let (add_several, del_several) = self.in_and_out(&self.several, &container)?;
            let after_program = self.moved(&after, &mut |verb| {
                let took = self
                    .empty
                    .time(verb, &Container::new(&after, PEERS, NAME))?;
                if verb == "ADD" {
                    started = took;
                }
                Ok(())
            })?;
            let at_rest = self.moved(&rest, &mut |_| Ok(()))?;
            let container = Container::new(&upstream, PEERS, NAME);
            let (upstream_add, upstream_del) = self.in_and_out(self.upstream, &container)?;
            pods.extend([ours, several, after, rest, upstream]);
            if number >= WARM_UP {
                rounds.push(Round {
                    add,
                    del,
                    add_several,
                    del_several,
                    after_program,
                    at_rest,
                    started,
                    upstream_add,
                    upstream_del,
                });
            }
        }
        Ok(rounds)
    }

    /// The kernel's part alone. On the way back the device is up and has an address, as that of the others.
    fn moved(
        &self,
        pod: &Namespace,
        before: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Moved> {
        let there = pod.inside(Links::open)?;
        let home = PEERS.device_on_host();
        let index = self.links.index(&home)?;
        before("ADD")?;
        let start = Instant::now();
        self.links.move_to(index, pod.as_fd(), NAME)?;
        let moved_there = start.elapsed().as_secs_f64();
        let address = PEERS.address();
        pod.ip(&format!(
            "link set {NAME} up\naddr add {address}/32 dev {NAME}"
        ))?;
        self.pauses.pause();
        let index = there.index(NAME)?;
        before("DEL")?;
        let start = Instant::now();
        there.move_to(index, self.host.as_fd(), &home)?;
        let back = start.elapsed().as_secs_f64();
        self.pauses.pause();
        Ok(Moved {
            there: moved_there,
            back,
        })
    }

    /// ADD and DEL by a plugin.
    fn in_and_out(&self, plugin: &Plugin, container: &Container) -> anyhow::Result<(f64, f64)> {
        let add = plugin.time("ADD", container)?;
        self.pauses.pause();
        let del = plugin.time("DEL", container)?;
        self.pauses.pause();
        Ok((add, del))
    }
}
