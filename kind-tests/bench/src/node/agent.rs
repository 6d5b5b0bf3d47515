//! The agent's own program, started in the network namespace of the calling thread.

use std::{
    fs::{self, File},
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
        api_server::ApiServer,
        claims::{CLAIMS, NODE},
    },
    process::{self, ProcessorTime, Running},
};

/// It must watch its claims by then.
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// What is in its folder.
const BIN: &str = "bin";
const CONF: &str = "net.d";
const LOG: &str = "log";
const SOCKET: &str = "agent.sock";

/// A running agent; it ends with this value.
pub struct Agent {
    process: Running,
    folder: TempDir,
}

impl Agent {
    /// Starts it and waits until it watches its claims.
    pub fn start(server: &ApiServer, address: &str) -> anyhow::Result<Self> {
        let folder = process::kubeconfig(address)?;
        for name in [BIN, CONF] {
            fs::create_dir(folder.path().join(name)).context("make a folder")?;
        }
        let process = spawn(folder.path())?;
        let mut agent = Self { process, folder };
        agent.wait_for_watch(server, 0)?;
        Ok(agent)
    }

    /// Kills it and starts another one in its place, which goes on from its journal and its leases.
    pub fn restart(&mut self, server: &ApiServer) -> anyhow::Result<()> {
        let watches = server.watches(CLAIMS);
        self.process.end();
        self.process = spawn(self.folder.path())?;
        self.wait_for_watch(server, watches)
    }

    /// Waits for one more watch of claims than there were.
    fn wait_for_watch(&mut self, server: &ApiServer, before: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while server.watches(CLAIMS) == before || !self.socket().exists() {
            anyhow::ensure!(Instant::now() < deadline, "not ready: {}", self.log());
            self.ensure()?;
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Where the plugin asks.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// What the runtime sends the plugin for a pod that asks for an ENI.
    pub fn network(&self) -> Value {
        json!({
            "cniVersion": "1.0.0", "name": "pods", "type": "eniclaim", "socket": self.socket(),
            "capabilities": { "io.kubernetes.cri.pod-annotations": true },
            "runtimeConfig": { "io.kubernetes.cri.pod-annotations": { "eniclaim.io/class": "app" } },
            "prevResult": {
                "cniVersion": "1.0.0",
                "interfaces": [{ "name": "eth0", "mac": "0a:58:0a:f4:01:02", "sandbox": "/run/netns/cni-1" }],
                "ips": [{ "interface": 0, "address": "10.244.1.2/24", "gateway": "10.244.1.1" }],
                "dns": {},
            },
        })
    }

    /// Resident memory in MiB.
    pub fn resident(&mut self) -> anyhow::Result<f64> {
        self.ensure()?;
        process::mebibytes(self.process.0.id(), "VmRSS")
    }

    /// Memory in KiB, as [`process::proportional`] counts it.
    pub fn proportional(&mut self) -> anyhow::Result<f64> {
        self.ensure()?;
        process::proportional(self.process.0.id())
    }

    /// Processor time since its start.
    pub fn processor_time(&mut self) -> anyhow::Result<ProcessorTime> {
        self.ensure()?;
        process::processor_time(self.process.0.id())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }

    fn ensure(&mut self) -> anyhow::Result<()> {
        let log = self.folder.path().join(LOG);
        let log = || fs::read_to_string(log).unwrap_or_default();
        self.process.ensure(log).context("the agent")
    }
}

/// Starts the program. The folder has its kubeconfig, and what an agent before it wrote.
fn spawn(folder: &Path) -> anyhow::Result<Running> {
    let program = process::built(
        "agent/eniclaim-agent",
        "cargo build --package node-agent --profile agent",
    )?;
    let path = |name: &str| folder.join(name);
    let mut log = File::options();
    let log = log.create(true).append(true).open(path(LOG));
    let child = Command::new(program)
        .arg("run")
        // It keeps the plugin installed; not here.
        .arg("--cni-bin-dir")
        .arg(path(BIN))
        .arg("--cni-conf-dir")
        .arg(path(CONF))
        .env("KUBECONFIG", path("kubeconfig"))
        .env("NODE_NAME", NODE)
        .env("POD_NAMESPACE", "kube-system")
        .env("POD_UID", "agent-1")
        .env("ENICLAIM_SOCKET", path(SOCKET))
        .env("ENICLAIM_PLUGIN", process::built(cni::PLUGIN, cni::BUILD)?)
        .env("ENICLAIM_TEST_DRIVERS", "veth")
        .stdin(Stdio::null())
        .stderr(log.context("make a log")?)
        .spawn()
        .context("start the agent")?;
    Ok(Running(child))
}
