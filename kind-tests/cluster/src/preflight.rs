//! What a cluster needs of the machine. Only std: this is compiled and run before anything else is built.

use std::{fs, path::Path, process::Command};

/// kube-proxy's nftables rules need 5.13, `SO_NETNS_COOKIE` came with 5.14. The oldest on which tests run is 6.1.
const KERNEL: (u32, u32) = (5, 14);
/// Of a cluster of two nodes, and of the compiler.
const MEMORY_GIB: u64 = 7;
/// Images, logs and etcd of a cluster.
const DISK_GIB: u64 = 4;
/// Where the folders of clusters are.
const CLUSTERS: &str = "/var/cache";

/// What the machine says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    architecture: String,
    kernel: String,
    overlay: bool,
    netns: bool,
    cgroups: bool,
    /// Of the disk for clusters.
    file_system: String,
    disk_gib: Option<u64>,
    memory_gib: Option<u64>,
    /// What failed when root tried it.
    tried: Vec<String>,
}

/// One sentence for each thing that this machine lacks.
pub(crate) fn missing() -> Vec<String> {
    sentences(&facts())
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // Real, effective, saved and file system's; proc(5).
    value("/proc/self/status", "Uid:", 1).as_deref() == Some("0")
}

/// Free space where the path is, in GiB.
pub(crate) fn free_gib(path: &str) -> Option<u64> {
    let df = Command::new("df").args(["-Pk", path]).output().ok()?;
    let text = String::from_utf8(df.stdout).ok()?;
    let kib: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kib >> 20)
}

fn facts() -> Facts {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cgroups = ["cgroup.controllers", "memory/cgroup.procs"];
    Facts {
        architecture: std::env::consts::ARCH.to_owned(),
        overlay: has_overlay(kernel.trim()),
        kernel: kernel.trim().to_owned(),
        netns: Path::new("/proc/self/ns/net").exists(),
        cgroups: cgroups
            .iter()
            .any(|file| Path::new("/sys/fs/cgroup").join(file).exists()),
        file_system: file_system(CLUSTERS),
        disk_gib: free_gib(CLUSTERS),
        memory_gib: value("/proc/meminfo", "MemTotal:", 1)
            .and_then(|kib| Some(kib.parse::<u64>().ok()? >> 20)),
        tried: if is_root() { try_as_root() } else { Vec::new() },
    }
}

fn sentences(facts: &Facts) -> Vec<String> {
    let Facts {
        architecture,
        kernel,
        overlay,
        netns,
        cgroups,
        file_system,
        disk_gib,
        memory_gib,
        tried,
    } = facts;
    let mut said = Vec::new();
    if architecture != "x86_64" {
        said.push(format!(
            "this machine is {architecture}; the demo and the tests run on x86_64 only"
        ));
    }
    if version(kernel).is_some_and(|version| version < KERNEL) {
        let (major, minor) = KERNEL;
        said.push(format!(
            "the kernel is {kernel}; {major}.{minor} or later is needed"
        ));
    }
    for (there, what) in [
        (
            overlay,
            "overlay file system (CONFIG_OVERLAY_FS); `modprobe overlay` loads it where it is a module",
        ),
        (netns, "network namespaces (CONFIG_NET_NS)"),
        (
            cgroups,
            "control groups at /sys/fs/cgroup; in a container, start it with --privileged --cgroupns=host",
        ),
    ] {
        if !there {
            said.push(format!("the kernel has no {what}"));
        }
    }
    if file_system == "overlay" {
        said.push(format!(
            "{CLUSTERS} is on an overlay file system, as in most containers, and the kernel puts no overlay on one; mount a volume there"
        ));
    }
    for (gib, wanted, what) in [
        (disk_gib, DISK_GIB, "free disk space at /var/cache"),
        (memory_gib, MEMORY_GIB, "memory"),
    ] {
        if let Some(gib) = gib.filter(|gib| *gib < wanted) {
            said.push(format!("{gib} GiB of {what}; {wanted} GiB are needed"));
        }
    }
    said.extend(tried.iter().cloned());
    said
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether overlay is in the kernel, or a module of it.
fn has_overlay(release: &str) -> bool {
    let names = |file: &str, word: &str| fs::read_to_string(file).is_ok_and(|t| t.contains(word));
    names("/proc/filesystems", "\toverlay\n")
        || names(
            &format!("/lib/modules/{release}/modules.dep"),
            "/overlay.ko",
        )
}

/// The type of the file system that a path is on.
fn file_system(path: &str) -> String {
    let stat = Command::new("stat")
        .args(["--file-system", "--format=%T", path])
        .output();
    let text = stat.map(|output| output.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&text).trim() {
        "overlayfs" => "overlay".to_owned(),
        other => other.to_owned(),
    }
}

/// What a cluster does first, in namespaces that vanish with the command.
fn try_as_root() -> Vec<String> {
    let overlay = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work && \
        exec mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc";
    // Where its package is still to be installed, this is tried afterwards.
    let table = "command -v nft > /dev/null || exit 0; exec nft add table inet eniclaim";
    let tries = [
        ("--mount", overlay, "an overlay over /etc cannot be mounted"),
        (
            "--net",
            table,
            "no nftables table can be made (CONFIG_NF_TABLES, package nftables)",
        ),
    ];
    let failed = tries.into_iter().filter_map(|(namespace, script, what)| {
        let mut unshare = Command::new("unshare");
        let output = unshare.args([namespace, "sh", "-euc", script]).output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Some(format!("{what}: {}", said.trim()))
            }
            Err(error) => Some(format!("{what}: unshare: {error}")),
        }
    });
    failed.collect()
}

/// One word of the line that starts with another one.
fn value(file: &str, name: &str, word: usize) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(word).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enough() -> Facts {
        Facts {
            architecture: "x86_64".to_owned(),
            kernel: "6.8.0-41-generic".to_owned(),
            overlay: true,
            netns: true,
            cgroups: true,
            file_system: "ext2/ext3".to_owned(),
            disk_gib: Some(100),
            memory_gib: Some(15),
            tried: Vec::new(),
        }
    }

    #[test]
    fn machine_with_enough_of_everything_lacks_nothing() {
        assert!(sentences(&enough()).is_empty());
        assert!(missing().is_empty(), "{:?}", missing());
    }

    #[test]
    fn each_thing_that_is_missing_has_its_sentence() {
        type Change = fn(&mut Facts);
        let cases: [(Change, &str); 9] = [
            (
                |f| f.architecture = "aarch64".to_owned(),
                "this machine is aarch64",
            ),
            (
                |f| f.kernel = "5.10.0-1-aws".to_owned(),
                "the kernel is 5.10.0-1-aws; 5.14 or later",
            ),
            (|f| f.overlay = false, "no overlay file system"),
            (|f| f.netns = false, "no network namespaces"),
            (|f| f.cgroups = false, "no control groups"),
            (
                |f| f.file_system = "overlay".to_owned(),
                "mount a volume there",
            ),
            (
                |f| f.disk_gib = Some(3),
                "3 GiB of free disk space at /var/cache; 4 GiB",
            ),
            (|f| f.memory_gib = Some(3), "3 GiB of memory; 7 GiB"),
            (|f| f.tried = vec!["no nft".to_owned()], "no nft"),
        ];
        for (change, part) in cases {
            let mut facts = enough();
            change(&mut facts);
            let said = sentences(&facts);
            assert!(said.len() == 1 && said[0].contains(part), "{said:?}");
        }
    }
}
