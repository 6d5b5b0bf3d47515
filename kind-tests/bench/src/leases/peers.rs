//! What others need for a lease: a process of ISC's dhclient, or a place in upstream's dhcp daemon.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    idle::IDLE,
    interval::float,
    leases::site::Site,
    node::{claims::Pod, namespace::Namespace, plugin::Container, upstream::Daemon},
    process::{self, Running},
};

/// Leases of each of the two.
pub const SCALED: usize = 20;
/// Where Debian has it.
const DHCLIENT: &str = "/usr/sbin/dhclient";
/// Name of the device in a pod.
const NAME: &str = "eni0";
/// A dhclient must have its lease by then.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Memory for one lease, in KiB.
pub struct Peers {
    /// dhclient.
    pub dhclient: f64,
    /// The dhcp daemon.
    pub daemon: f64,
}

impl Peers {
    /// One after the other, with devices of their own.
    pub fn measure() -> anyhow::Result<Self> {
        let site = Site::new(SCALED + 1 + SCALED)?;
        let mut pods = (0..).map(Pod);
        let clients: Vec<_> = pods.by_ref().take(SCALED).collect();
        let dhclient = site.host.inside(|| of_dhclients(&site.host, &clients))?;
        let of_daemon: Vec<_> = pods.take(1 + SCALED).collect();
        let daemon = site.host.inside(|| of_daemon_with(&of_daemon))?;
        Ok(Self { dhclient, daemon })
    }
}

/// A dhclient in a pod.
struct Client {
    process: Running,
    leases: PathBuf,
    log: PathBuf,
    /// Goes last: the process is in it.
    _netns: Namespace,
}

fn of_dhclients(host: &Namespace, pods: &[Pod]) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let program = folder.path().join("dhclient");
    // AppArmor lets the program at its own place read its own folders only.
    fs::copy(DHCLIENT, &program).with_context(|| format!("copy {DHCLIENT}"))?;
    let clients = pods.iter();
    let clients = clients.map(|pod| Client::start(host, folder.path(), &program, *pod));
    let mut clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    for client in &mut clients {
        client.wait_for_lease()?;
    }
    thread::sleep(IDLE);
    let memory = clients.iter_mut().map(Client::proportional);
    let memory = memory.sum::<anyhow::Result<f64>>()?;
    Ok(memory / float(pods.len()))
}

impl Client {
    fn start(host: &Namespace, folder: &Path, program: &Path, pod: Pod) -> anyhow::Result<Self> {
        let netns = Namespace::new(&format!("dhclient{}", pod.0))?;
        let (device, name) = (pod.device_on_host(), netns.name());
        host.ip(&format!("link set {device} netns {name} name {NAME}"))?;
        netns.ip(&format!("link set {NAME} up"))?;
        let path = |file: &str| folder.join(format!("{file}{}", pod.0));
        let (leases, log) = (path("leases"), path("log"));
        let child = netns.inside(|| {
            let child = Command::new(program)
                .args(["-4", "-d", "-sf", "/bin/true", "-cf", "/dev/null", "-lf"])
                .arg(&leases)
                .arg("-pf")
                .arg(path("pid"))
                .arg(NAME)
                .stdin(Stdio::null())
                .stderr(File::create(&log)?)
                .spawn();
            child.context("start dhclient")
        })?;
        Ok(Self {
            process: Running(child),
            leases,
            log,
            _netns: netns,
        })
    }

    fn wait_for_lease(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !fs::read_to_string(&self.leases).is_ok_and(|leases| leases.contains("lease {")) {
            self.ensure()?;
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            anyhow::ensure!(Instant::now() < deadline, "dhclient has no lease: {log}");
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn proportional(&mut self) -> anyhow::Result<f64> {
        self.ensure()?;
        process::proportional(self.process.0.id())
    }

    fn ensure(&mut self) -> anyhow::Result<()> {
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        self.process.ensure(log).context("dhclient")
    }
}

/// What leases add to a daemon that has one: with the first it reads parts of its program that it needs but once.
fn of_daemon_with(pods: &[Pod]) -> anyhow::Result<f64> {
    let mut daemon = Daemon::start()?;
    let mut namespaces = Vec::new();
    let mut first = 0.0;
    for pod in pods {
        let netns = Namespace::new(&format!("daemon{}", pod.0))?;
        let container = Container::new(&netns, *pod, NAME);
        daemon.host_device(*pod).time("ADD", &container)?;
        if namespaces.is_empty() {
            thread::sleep(IDLE);
            first = daemon.proportional()?;
        }
        namespaces.push(netns);
    }
    thread::sleep(IDLE);
    let all = daemon.proportional()?;
    Ok((all - first) / float(pods.len() - 1))
}
