//! The agent's own program, started in the network namespace of the calling thread.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use tempfile::TempDir;

use crate::{
    cni,
    node::{
        api_server::ApiServer,
        claims::{CLAIMS, NODE},
    },
    process::{self, Running},
};

/// It must watch its claims by then.
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// A running agent; it ends with this value.
pub struct Agent {
    process: Running,
    folder: TempDir,
}

impl Agent {
    /// Starts it and waits until it watches its claims.
    pub fn start(server: &ApiServer, address: &str) -> anyhow::Result<Self> {
        let program = process::built(
            "agent/eniclaim-agent",
            "cargo build --package node-agent --profile agent",
        )?;
        let folder = process::kubeconfig(address)?;
        let path = |name: &str| folder.path().join(name);
        let log = fs::File::create(path("log")).context("make a log")?;
        let (bin, conf) = (path("bin"), path("net.d"));
        fs::create_dir(&bin).and_then(|()| fs::create_dir(&conf))?;
        let child = Command::new(program)
            .arg("run")
            // It keeps the plugin installed; not here.
            .arg("--cni-bin-dir")
            .arg(&bin)
            .arg("--cni-conf-dir")
            .arg(&conf)
            .env("KUBECONFIG", path("kubeconfig"))
            .env("NODE_NAME", NODE)
            .env("POD_NAMESPACE", "kube-system")
            .env("POD_UID", "agent-1")
            .env("ENICLAIM_SOCKET", path("agent.sock"))
            .env("ENICLAIM_PLUGIN", process::built(cni::PLUGIN, cni::BUILD)?)
            .env("ENICLAIM_TEST_DRIVERS", "veth")
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start the agent")?;
        let mut agent = Self {
            process: Running(child),
            folder,
        };
        let deadline = Instant::now() + LIMIT;
        while server.watches(CLAIMS) == 0 || !agent.socket().exists() {
            anyhow::ensure!(Instant::now() < deadline, "not ready: {}", agent.log());
            agent.ensure()?;
            thread::sleep(PAUSE);
        }
        Ok(agent)
    }

    /// Where the plugin asks.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// Resident memory in MiB.
    pub fn resident(&mut self) -> anyhow::Result<f64> {
        self.ensure()?;
        process::mebibytes(self.process.0.id(), "VmRSS")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn ensure(&mut self) -> anyhow::Result<()> {
        let log = self.folder.path().join("log");
        let log = || fs::read_to_string(log).unwrap_or_default();
        self.process.ensure(log).context("the agent")
    }
}
