//! What of a cluster is on the machine.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Nothing that was ended takes longer.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// Folder of the cluster of this name.
pub fn state(name: &str) -> PathBuf {
    Path::new("/var/cache/eniclaim-clusters").join(name)
}

/// Pid and start time of each process that belongs to a cluster by its namespace, control group or command line.
pub fn processes(name: &str) -> BTreeSet<(i32, String)> {
    let prefix = format!("/run/netns/eniclaim-{name}-");
    let netns: BTreeSet<_> = entries(Path::new("/run/netns"))
        .filter(|path| path.to_string_lossy().starts_with(&prefix))
        .filter_map(|path| fs::metadata(path).map(|file| file.ino()).ok())
        .collect();
    let belongs = |process: &Path| {
        let group = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let network = fs::metadata(process.join("ns/net"))
            .map(|file| file.ino())
            .ok();
        group.contains(&format!("/eniclaim-{name}-n"))
            || String::from_utf8_lossy(&command).contains(&format!("/eniclaim-clusters/{name}"))
            || network.is_some_and(|inode| netns.contains(&inode))
    };
    let pids = entries(Path::new("/proc")).filter(|path| belongs(path));
    pids.filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, started(pid)?)))
        .collect()
}

/// When a process started, unless it has ended.
fn started(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields[0] != "Z").then(|| fields[19].to_owned())
}

/// What a process runs, for people.
fn command(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!(
        "{pid} {}",
        String::from_utf8_lossy(&command).replace('\0', " ")
    )
}

/// Those that have not ended.
pub fn alive(seen: &BTreeSet<(i32, String)>) -> Vec<&(i32, String)> {
    seen.iter()
        .filter(|(pid, start)| started(*pid).as_ref() == Some(start))
        .collect()
}

/// What is in a folder; nothing if it is not there.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

/// What the machine has that is not of the cluster, looked at before the cluster is brought up.
pub struct Before {
    /// `AppArmor` profiles of containerd: the machine may have one of its own.
    profiles: BTreeSet<String>,
}

impl Before {
    pub fn look() -> Self {
        Self {
            profiles: profiles(),
        }
    }

    pub fn assert_nothing_is_left(&self, name: &str, seen: &BTreeSet<(i32, String)>) {
        assert!(
            seen.len() > 2,
            "the test itself looks wrongly: it saw only {seen:?}"
        );
        // One that was killed ends when it gets the processor once more.
        let deadline = Instant::now() + LAST_MOMENTS;
        while !alive(seen).is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let alive: Vec<String> = alive(seen).iter().map(|(pid, _)| command(*pid)).collect();
        assert!(alive.is_empty(), "processes are left: {alive:?}");
        assert_eq!(processes(name), BTreeSet::new(), "processes are left");
        let named = named(&format!("eniclaim-{name}-"));
        assert!(
            named.is_empty(),
            "control groups or namespaces are left: {named:?}"
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(&format!("/eniclaim-clusters/{name}")),
            "mounts are left:\n{mounts}"
        );
        let profiles = profiles();
        let left: Vec<_> = profiles.difference(&self.profiles).collect();
        assert!(left.is_empty(), "AppArmor profiles are left: {left:?}");
        assert!(!state(name).exists(), "{} is left", state(name).display());
    }
}

/// Control groups and network namespaces whose names start so.
fn named(prefix: &str) -> Vec<PathBuf> {
    let hierarchies: Vec<_> = entries(Path::new("/sys/fs/cgroup")).collect();
    let groups = hierarchies
        .iter()
        .flat_map(|hierarchy| entries(hierarchy))
        .chain(hierarchies.clone());
    let starts_so = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(prefix)
    };
    groups
        .chain(entries(Path::new("/run/netns")))
        .filter(starts_so)
        .collect()
}

/// What containerd has loaded into the kernel, which may have no `AppArmor` at all.
fn profiles() -> BTreeSet<String> {
    let profiles = fs::read_to_string("/sys/kernel/security/apparmor/profiles");
    let profiles = profiles.unwrap_or_default();
    let of_containerd = profiles
        .lines()
        .filter(|line| line.contains("cri-containerd"));
    of_containerd.map(str::to_owned).collect()
}
