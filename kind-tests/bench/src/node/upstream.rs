//! What upstream does the same job with: host-device, its dhcp daemon, and a small DHCP server in the VPC.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    node::{claims::Pod, namespace::Namespace, plugin::Plugin},
    process::{self, Running},
};

/// The daemon must listen by then.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The plugin with what runs for it.
pub struct Upstream {
    /// host-device.
    pub plugin: Plugin,
    _daemon: Daemon,
    _server: Running,
    _folder: TempDir,
}

/// The dhcp daemon of upstream's plugins, which keeps the leases of all pods; it ends with this value.
pub struct Daemon {
    programs: PathBuf,
    process: Running,
    folder: TempDir,
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub fn start() -> anyhow::Result<Self> {
        let programs = ::cluster::cni_plugins()?;
        let folder = tempfile::tempdir().context("make a folder")?;
        let daemon = Command::new(programs.join("dhcp"))
            .arg("daemon")
            .arg("-socketpath")
            .arg(socket(folder.path()))
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("daemon.log"))?)
            .spawn()
            .context("start the dhcp daemon")?;
        let process = Running(daemon);
        let deadline = Instant::now() + LIMIT;
        while !socket(folder.path()).exists() {
            anyhow::ensure!(Instant::now() < deadline, "the dhcp daemon does not listen");
            thread::sleep(PAUSE);
        }
        Ok(Self {
            programs,
            process,
            folder,
        })
    }

    /// host-device for the device of one pod, with this daemon for its address.
    pub fn host_device(&self, pod: Pod) -> Plugin {
        let configuration = json!({
            "cniVersion": "1.0.0", "name": "pods", "type": "host-device", "hwaddr": pod.mac(),
            "ipam": { "type": "dhcp", "daemonSocketPath": socket(self.folder.path()) },
        });
        Plugin::new(self.programs.join("host-device"), &configuration)
    }

    /// Memory in KiB, as [`process::proportional`] counts it.
    pub fn proportional(&mut self) -> anyhow::Result<f64> {
        let log = || fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default();
        self.process.ensure(log).context("the dhcp daemon")?;
        process::proportional(self.process.0.id())
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("dhcp.sock")
}

impl Upstream {
    /// Starts all of it for the device of one pod, whose other end is `link` in the VPC.
    pub fn start(vpc: &Namespace, link: &str, pod: Pod) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let server = vpc.inside(|| serve(folder.path(), link, pod))?;
        let daemon = Daemon::start()?;
        Ok(Self {
            plugin: daemon.host_device(pod),
            _daemon: daemon,
            _server: server,
            _folder: folder,
        })
    }
}

/// A DHCP server that knows the client, and therefore does not ask whether its address is free.
fn serve(folder: &Path, link: &str, pod: Pod) -> anyhow::Result<Running> {
    let (address, mac) = (pod.address(), pod.mac());
    let path = |name: &str| folder.join(name).display().to_string();
    let (leases, pid) = (path("leases"), path("udhcpd.pid"));
    let configuration = format!(
        "start {address}\nend {address}\ninterface {link}\nlease_file {leases}\npidfile {pid}\n\
         static_lease {mac} {address}\noption subnet 255.255.255.0\noption router 10.0.1.1\noption lease 3600\n"
    );
    fs::write(path("udhcpd.conf"), configuration)?;
    fs::write(&leases, "")?;
    let child = Command::new("busybox")
        .args(["udhcpd", "-f", &path("udhcpd.conf")])
        .stdin(Stdio::null())
        .stderr(fs::File::create(path("udhcpd.log"))?)
        .spawn()
        .context("start udhcpd")?;
    Ok(Running(child))
}
