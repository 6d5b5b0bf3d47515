//! One round after the other: the agent and the originals do the same job in turn.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cni,
    node::{
        namespace::Namespace,
        plugin::{Container, Plugin},
    },
    process::{self, Running},
    replaced::originals::Originals,
};

/// Many, since a move takes as long as some next tick of the kernel is away.
pub const ROUNDS: usize = 100;
/// Before them, and not counted.
const WARM_UP: usize = 5;
/// Between two measurements: what the one before left to be done later does not count for the next one.
const PAUSE: Duration = Duration::from_millis(45);
/// The agent must listen by then.
const LIMIT: Duration = Duration::from_secs(20);

const MACS: [(&str, &str); 2] = [
    ("ours", "02:ec:00:00:01:01"),
    ("theirs", "02:ec:00:00:01:02"),
];

/// ADD by us and by the original, in seconds.
pub struct Round {
    /// Of ecs-bridge with ecs-ipam.
    pub bridge: (f64, f64),
    /// Of ecs-eni.
    pub eni: (f64, f64),
}

/// A host with an ENI for us and one for the original, and the VPC behind them.
pub struct Site {
    host: Namespace,
    _vpc: Namespace,
}

impl Site {
    /// Makes both.
    pub fn new() -> anyhow::Result<Self> {
        let (host, vpc) = (Namespace::new("host")?, Namespace::new("vpc")?);
        for (name, mac) in MACS {
            host.ip(&format!(
                "link add {name} address {mac} type veth peer name {name}-far netns {}",
                vpc.name()
            ))?;
            vpc.ip(&format!("link set {name}-far up"))?;
        }
        Ok(Self { host, _vpc: vpc })
    }

    /// Starts everything, and goes round.
    pub fn measure(&self, originals: &Originals) -> anyhow::Result<Vec<Round>> {
        self.host.inside(|| {
            let agent = Agent::start()?;
            let ours = |name: &str, configuration: Value| {
                let mut configuration = configuration;
                if let Some(keys) = configuration.as_object_mut() {
                    keys.insert("socket".to_owned(), json!(agent.path("agent.sock")));
                }
                Plugin::new(agent.path("bin").join(name), &configuration)
            };
            let theirs = |name: &str, configuration: Value| {
                let plugin = Plugin::new(originals.program(name), &configuration);
                let file = |name: &str| agent.path(name).display().to_string();
                plugin
                    .with("IPAM_DB_PATH", &file("theirs.db"))
                    .with("ECS_CNI_LOG_FILE", &file("theirs.log"))
            };
            let bridges = (
                ours("ecs-bridge", bridge("b-ours", "169.254.172.0/22")),
                theirs("ecs-bridge", bridge("b-theirs", "169.254.176.0/22")),
            );
            let enis = (
                ours("ecs-eni", eni(MACS[0].1)),
                theirs("ecs-eni", eni(MACS[1].1)),
            );
            let mut rounds = Vec::new();
            for number in 0..WARM_UP + ROUNDS {
                let pod = |who| Namespace::new(&format!("{who}{number}"));
                let [a, b, c, d] = [pod("a")?, pod("b")?, pod("c")?, pod("d")?];
                let round = Round {
                    bridge: (in_and_out(&bridges.0, &a)?, in_and_out(&bridges.1, &b)?),
                    eni: (in_and_out(&enis.0, &c)?, in_and_out(&enis.1, &d)?),
                };
                // The original leaves the device where it is.
                d.ip(&format!(
                    "link set eth0 netns {} name {}",
                    self.host.name(),
                    MACS[1].0
                ))?;
                if number >= WARM_UP {
                    rounds.push(round);
                }
            }
            Ok(rounds)
        })
    }
}

fn bridge(name: &str, subnet: &str) -> Value {
    json!({
        "type": "ecs-bridge", "cniVersion": "0.3.0", "bridge": name, "mtu": 1500,
        "ipam": { "type": "ecs-ipam", "id": "task", "ipv4-subnet": subnet, "ipv4-routes": [{ "dst": "169.254.170.2/32" }] },
    })
}

fn eni(mac: &str) -> Value {
    json!({
        "type": "ecs-eni", "cniVersion": "0.3.0", "eni": "eni-0123456789abcdef0", "mac": mac,
        "ip-addresses": ["10.0.1.50/24"], "gateway-ip-addresses": ["10.0.1.1"], "block-instance-metadata": true,
    })
}

/// How long ADD takes.
fn in_and_out(plugin: &Plugin, pod: &Namespace) -> anyhow::Result<f64> {
    let container = Container {
        id: pod.name().to_owned(),
        netns: pod.path(),
        if_name: "eth0",
        args: String::new(),
    };
    let add = plugin.time("ADD", &container)?;
    thread::sleep(PAUSE);
    plugin.time("DEL", &container)?;
    thread::sleep(PAUSE);
    Ok(add)
}

/// An agent that runs alone; it ends with this value.
struct Agent {
    _process: Running,
    folder: TempDir,
}

impl Agent {
    fn start() -> anyhow::Result<Self> {
        // In memory, as what an agent writes is on a node.
        let folder = tempfile::tempdir_in("/dev/shm").context("make a folder")?;
        let bin = folder.path().join("bin");
        fs::create_dir(&bin)?;
        let plugin = process::built(cni::PLUGIN, cni::BUILD)?;
        for name in ["ecs-bridge", "ecs-eni"] {
            symlink(&plugin, bin.join(name))?;
        }
        let process = spawn(folder.path())?;
        let agent = Self {
            _process: process,
            folder,
        };
        let deadline = Instant::now() + LIMIT;
        while !agent.path("agent.sock").exists() {
            anyhow::ensure!(Instant::now() < deadline, "the agent does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(agent)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn spawn(folder: &Path) -> anyhow::Result<Running> {
    let build = "cargo build --package node-agent --profile agent";
    let program = process::built("agent/eniclaim-agent", build)?;
    let child = Command::new(program)
        .args(["run", "--standalone", "--test-drivers=veth"])
        .env("ENICLAIM_SOCKET", folder.join("agent.sock"))
        .stdin(Stdio::null())
        .stderr(File::create(folder.join("log"))?)
        .spawn()
        .context("start the agent")?;
    Ok(Running(child))
}
