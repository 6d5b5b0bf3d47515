//! Takes away everything that a cluster made, as its records say; the harness that made it may be dead.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::Signal,
};

use crate::{
    cgroups,
    error::{ClusterError, Result, at},
    made::{Made, Thing},
    owner::owner_file,
    process::{Daemons, Process, commands, run},
    vpc::netns_path,
};

/// How long the kernel may take to let go of what is killed.
const LIMIT: Duration = Duration::from_secs(20);

/// The folder of a cluster. Not below /run, which is little memory on most machines and images go here, and not below
/// /var/lib, which each node and each image build has of its own.
pub(crate) fn state_dir(cluster: &str) -> PathBuf {
    Path::new("/var/cache/eniclaim-clusters").join(cluster)
}

/// Ends the cluster's processes, and removes its namespaces, mounts, control groups and files. Only the process that has
/// claimed the cluster does this.
pub(crate) fn take_down(cluster: &str) -> Result<()> {
    clear(cluster)?;
    let state = state_dir(cluster);
    let owner = owner_file(&state);
    at(&owner, fs::remove_file(&owner))?;
    // The next owner may be in the folder already, or in that of all clusters.
    let _ = fs::remove_dir(&state);
    if let Some(parent) = state.parent() {
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}

/// Takes everything down but the claim on the cluster's name.
pub(crate) fn clear(cluster: &str) -> Result<()> {
    let state = state_dir(cluster);
    let made = Made::of(&state);
    until_gone(cluster, "processes", || kill(&made, &state).is_empty())?;
    unmount(&state);
    for name in made.present(Thing::Netns) {
        run(
            Command::new("ip").args(["netns", "del", &name]),
            Stdio::null(),
        )?;
    }
    until_gone(cluster, "control groups", || {
        for group in groups(&made) {
            cgroups::remove(&group);
        }
        groups(&made).is_empty()
    })?;
    let removed = until_gone(cluster, "files", || remove_files(&state).is_ok());
    // Which file it is that stays.
    removed.or_else(|_| remove_files(&state))
}

/// Ends the commands of this process, which is about to end: one that has not entered its namespace yet is found by
/// nothing else, and would write into a folder that is being removed.
pub(crate) fn end_commands(cluster: &str) -> Result<()> {
    until_gone(cluster, "commands", || {
        let commands = commands();
        for command in &commands {
            command.signal(Signal::SIGKILL);
        }
        commands.is_empty()
    })
}

/// The control groups of the nodes, in all hierarchies.
fn groups(made: &Made) -> Vec<PathBuf> {
    let names = made.present(Thing::Cgroup);
    names.iter().flat_map(|name| cgroups::named(name)).collect()
}

/// Takes a step again and again until it finds nothing left to do.
fn until_gone(cluster: &str, what: &'static str, mut step: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !step() {
        if start.elapsed() > LIMIT {
            return Err(ClusterError::Remains {
                cluster: cluster.to_owned(),
                what,
            });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Kills what is known of the cluster; gives what was there.
fn kill(made: &Made, state: &Path) -> Vec<Process> {
    let recorded = Daemons::of(state)
        .all()
        .into_iter()
        .map(|(_, process)| process)
        .filter(|process| process.is_running());
    let mut found: Vec<_> = recorded.collect();
    let grouped = groups(made)
        .into_iter()
        .flat_map(|group| cgroups::processes(&group));
    found.extend(
        grouped
            .chain(inside(&handles(made, state)))
            .filter_map(Process::running),
    );
    for process in &found {
        process.signal(Signal::SIGKILL);
    }
    found
}

/// Files that stand for the cluster's network and mount namespaces.
fn handles(made: &Made, state: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_dir(state.join("mounts"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    made.present(Thing::Netns)
        .iter()
        .map(|name| netns_path(name))
        .chain(mounts)
        .collect()
}

/// The processes in one of these namespaces: also those that a killed harness had no time to record.
fn inside(handles: &[PathBuf]) -> Vec<i32> {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let ours: BTreeSet<_> = handles.iter().filter_map(|path| identity(path)).collect();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_inside = |pid: &i32| {
        let namespaces =
            ["net", "mnt"].map(|kind| identity(Path::new(&format!("/proc/{pid}/ns/{kind}"))));
        namespaces
            .iter()
            .flatten()
            .any(|namespace| ours.contains(namespace))
    };
    pids.filter(is_inside).collect()
}

/// Unmounts what is below the folder, the latest first.
fn unmount(state: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(Path::new);
    let ours: Vec<_> = points.filter(|point| point.starts_with(state)).collect();
    for point in ours.iter().rev() {
        // A mount that stays makes the removal of its folder fail, which is reported.
        let _ = umount2(*point, MntFlags::MNT_DETACH);
    }
}

/// Removes all files but the owner's.
fn remove_files(state: &Path) -> Result<()> {
    let owner = owner_file(state);
    for entry in at(state, fs::read_dir(state))? {
        let (entry, kind) = at(
            state,
            entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))),
        )?;
        let removed = match kind.is_dir() {
            true => fs::remove_dir_all(&entry),
            false if entry == owner => Ok(()),
            false => fs::remove_file(&entry),
        };
        at(&entry, removed)?;
    }
    Ok(())
}
