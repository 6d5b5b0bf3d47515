//! The network namespace that the VPC is: made, entered, and taken away.

use std::{
    fs::{self, File},
    io::Write,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::SimError;

/// Link group of every wire, so that one request removes them all.
pub(crate) const WIRES: u32 = 7;

/// What the VPC answers for itself: the EC2 API and instance metadata, on both families.
const ADDRESSES: &str = "\
link set lo up
addr replace 192.0.2.1/32 dev lo
addr replace 2001:db8::1/128 dev lo nodad
addr replace 169.254.169.254/32 dev lo
addr replace fd00:ec2::254/128 dev lo nodad
";

/// A router that answers ARP at once for everything it has a route to, neighbour solicitations for each address that it is
/// told, and leaves all filtering to nftables.
const SYSCTLS: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/default/proxy_arp", "1"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/proxy_ndp", "1"),
];

/// What becomes of what a killed run with the same prefix left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is removed.
    Removed,
    /// It is this run's, wires and all.
    Taken,
}

/// The namespace of one VPC. It lives until it is dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace, unless it is taken over, and moves this thread into it: sockets, netlink and child processes of
    /// this thread are then the VPC's.
    pub(crate) fn enter(prefix: &str, left: Left) -> Result<Self, SimError> {
        let namespace = Self {
            name: format!("{prefix}-vpc"),
        };
        if left == Left::Removed {
            namespace.remove();
        }
        if !namespace.path().exists() {
            ip(&format!("netns add {}", namespace.name))?;
        }
        let refused = |source| SimError::Namespace {
            name: namespace.name.clone(),
            source,
        };
        let file = File::open(namespace.path()).map_err(refused)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| refused(e.into()))?;
        for (name, value) in SYSCTLS {
            sysctl(name, value)?;
        }
        ip(ADDRESSES)?;
        Ok(namespace)
    }

    fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Wires first: a namespace dies in the background, and their other ends would outlive this call.
    fn remove(&self) {
        if self.path().exists() {
            for command in [
                format!("-n {} link del group {WIRES}", self.name),
                format!("netns del {}", self.name),
            ] {
                // Nothing to remove is no failure; what else fails shows when the namespace is made again.
                let _ = Command::new("ip")
                    .args(command.split(' '))
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Sets a network sysctl of the namespace that this thread is in.
pub(crate) fn sysctl(name: &str, value: &str) -> Result<(), SimError> {
    let path = Path::new("/proc/sys/net").join(name);
    fs::write(&path, value).map_err(|source| SimError::File { path, source })
}

/// Runs the lines of `batch` in order with `ip -batch`, up to the first one that is refused.
pub(crate) fn ip(batch: &str) -> Result<(), SimError> {
    feed("ip", &["-batch", "-"], batch)
}

/// Loads a ruleset, all or nothing.
pub(crate) fn nft(ruleset: &str) -> Result<(), SimError> {
    feed("nft", &["-f", "-"], ruleset)
}

fn feed(program: &'static str, arguments: &[&str], input: &str) -> Result<(), SimError> {
    let started = |source| SimError::Start { program, source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(started)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that stopped reading has said why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(started)?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(SimError::Refused {
        program,
        input: input.to_owned(),
        stderr,
    })
}
