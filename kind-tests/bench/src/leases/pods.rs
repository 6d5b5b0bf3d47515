//! An agent with many pods, and what it needs for them.

use std::{
    thread,
    time::{Duration, Instant},
};

use crds::interface::DhcpMode;

use crate::{
    cni,
    idle::IDLE,
    leases::site::LIFETIME,
    node::{
        agent::Agent,
        api_server::ApiServer,
        claims::{self, Pod, Report},
        dnsmasq::Dnsmasq,
        namespace::Namespace,
        plugin::{Container, Plugin},
    },
    process::{self, ProcessorTime},
};

/// In place of the default route through eth0. Without one the kernel drops broadcasts on ENIs (`rp_filter`).
const CLUSTER: &str = "route add default dev lo";

/// As many lines of the agent's log are printed.
const LAST: usize = 20;
/// Starts of an idle agent.
pub const STARTS: usize = 3;
/// So long leases are kept: a lifetime, and a little more until the last one was renewed for the second time.
const WINDOW: Duration = Duration::from_secs(LIFETIME as u64);
const LONGEST_WINDOW: Duration = Duration::from_secs(LIFETIME as u64 + 20);
/// How often each is renewed: T1 is half of the lifetime.
const RENEWALS: usize = 2;
const PAUSE: Duration = Duration::from_millis(250);

/// What an agent needs that keeps leases.
pub struct Kept {
    /// KiB at the end.
    pub memory: f64,
    /// Processor time in between.
    pub processor: ProcessorTime,
    /// How long that was, in seconds.
    pub elapsed: f64,
    /// How many leases the server prolonged meanwhile.
    pub renewals: usize,
}

/// A running agent with its pods. It ends before they do.
pub struct Node {
    agent: Agent,
    api: ApiServer,
    pods: Vec<Namespace>,
}

impl Node {
    /// Starts it in the network namespace of the calling thread, and plugs the devices of so many pods, without leases.
    pub fn start(pods: usize) -> anyhow::Result<Self> {
        let (api, address) = ApiServer::start()?;
        claims::write(&api, (0..pods).map(Pod), DhcpMode::Disabled)?;
        let agent = Agent::start(&api, &address)?;
        let mut node = Self {
            agent,
            api,
            pods: Vec::new(),
        };
        claims::wait_for_reports(&node.api, pods, Report::Device)?;
        let program = process::built(cni::PLUGIN, cni::BUILD)?;
        let plugin = Plugin::new(program, &node.agent.network());
        for pod in (0..pods).map(Pod) {
            let netns = Namespace::new(&format!("pod{}", pod.0))?;
            netns.ip(CLUSTER)?;
            plugin.time("ADD", &Container::new(&netns, pod, "eth0"))?;
            node.pods.push(netns);
        }
        claims::wait_for_reports(&node.api, pods, Report::Plugged)?;
        Ok(node)
    }

    /// The end of what the agent has logged.
    pub fn last_words(&self) -> String {
        let log = self.agent.log();
        let lines: Vec<_> = log.lines().rev().take(LAST).collect();
        lines
            .into_iter()
            .rev()
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// Memory in KiB of several starts that find the pods as they are, each when it has had nothing to do for a while.
    ///
    /// That of the agent which plugged them is no measure: what it needed meanwhile is not given back as a whole.
    pub fn idle_memory(&mut self) -> anyhow::Result<Vec<f64>> {
        let mut memory = Vec::new();
        for _ in 0..STARTS {
            self.agent.restart(&self.api)?;
            thread::sleep(IDLE);
            memory.push(self.agent.proportional()?);
        }
        Ok(memory)
    }

    /// Starts it once more, with a lease for each pod, and lets it keep them for a while.
    pub fn keep(&mut self, server: &Dnsmasq) -> anyhow::Result<Kept> {
        let pods = self.pods.len();
        claims::ask_for_leases(&self.api, (0..pods).map(Pod), DhcpMode::Maintain)?;
        self.agent.restart(&self.api)?;
        claims::wait_for_reports(&self.api, pods, Report::Leased)?;
        let (acknowledged, processor) = (server.acknowledged()?, self.agent.processor_time()?);
        let start = Instant::now();
        thread::sleep(WINDOW);
        let mut renewals = server.acknowledged()? - acknowledged;
        while renewals < RENEWALS * pods {
            anyhow::ensure!(
                start.elapsed() < LONGEST_WINDOW,
                "{pods} leases were renewed {renewals} times only"
            );
            thread::sleep(PAUSE);
            renewals = server.acknowledged()? - acknowledged;
        }
        let kept = Kept {
            processor: self.agent.processor_time()?.since(processor),
            elapsed: start.elapsed().as_secs_f64(),
            memory: self.agent.proportional()?,
            renewals,
        };
        let leased = claims::reports(&self.api, Report::Leased)?;
        anyhow::ensure!(leased == pods, "{leased} of {pods} leases are left");
        Ok(kept)
    }
}
