//! dnsmasq as the DHCP server of a VPC with many ENIs.

use std::{
    fmt::Write,
    fs::{self, File},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use tempfile::TempDir;

use crate::{
    node::{
        claims::{MASK, Pod, ROUTER},
        namespace::Namespace,
    },
    process::Running,
};

/// Where Debian has it.
const PROGRAM: &str = "/usr/sbin/dnsmasq";
/// It must listen by then.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A running server; it ends with this value.
pub struct Dnsmasq {
    process: Running,
    folder: TempDir,
}

impl Dnsmasq {
    /// Leases their addresses to the ENIs of these pods, for so many seconds (120 or more), on a link of `vpc`. It says beside what a VPC
    /// says.
    pub fn start(
        vpc: &Namespace,
        link: &str,
        pods: impl Iterator<Item = Pod>,
        lifetime: u32,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let path = |name: &str| folder.path().join(name);
        let mut hosts = String::new();
        for pod in pods {
            writeln!(hosts, "{},{}", pod.mac(), pod.address())?;
        }
        fs::write(path("hosts"), hosts)?;
        let (hosts, leases) = (path("hosts"), path("leases"));
        let configuration = format!(
            "port=0\nuser=root\ninterface={link}\nexcept-interface=lo\nbind-interfaces\nno-resolv\nno-hosts\nno-ping\n\
             log-facility=-\npid-file=\ndhcp-authoritative\ndhcp-leasefile={}\ndhcp-hostsfile={}\n\
             dhcp-range={ROUTER},static,{MASK},{lifetime}\ndhcp-option=option:router,{ROUTER}\n\
             dhcp-option=option:dns-server,10.0.0.2\ndhcp-option=option:domain-name,ec2.internal\ndhcp-option=option:mtu,9001\n",
            leases.display(),
            hosts.display()
        );
        fs::write(path("configuration"), configuration)?;
        // AppArmor lets the program at its own place read its own folders only.
        fs::copy(PROGRAM, path("dnsmasq")).with_context(|| format!("copy {PROGRAM}"))?;
        let child = vpc.inside(|| {
            let configuration = path("configuration");
            let child = Command::new(path("dnsmasq"))
                .arg("--keep-in-foreground")
                .arg(format!("--conf-file={}", configuration.display()))
                .stdin(Stdio::null())
                .stderr(File::create(path("log"))?)
                .spawn();
            child.context("start dnsmasq")
        })?;
        let process = Running(child);
        let mut server = Self { process, folder };
        let deadline = Instant::now() + LIMIT;
        while !server.log()?.contains("sockets bound exclusively") {
            let log = server.log()?;
            server.process.ensure(|| log).context("dnsmasq")?;
            anyhow::ensure!(Instant::now() < deadline, "dnsmasq does not listen");
            thread::sleep(PAUSE);
        }
        Ok(server)
    }

    /// How many leases it has given or prolonged so far.
    pub fn acknowledged(&self) -> anyhow::Result<usize> {
        Ok(self.log()?.matches("DHCPACK(").count())
    }

    fn log(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.folder.path().join("log")).context("read the log of dnsmasq")
    }
}
