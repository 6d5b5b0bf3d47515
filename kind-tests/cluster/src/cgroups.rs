//! The control group of a node, in each hierarchy of the machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::error::{Result, at};

/// cgroup v2 alone has one hierarchy at its mount point; version 1 and hybrids have one in each folder.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    // Links such as cpu -> cpu,cpuacct name the same hierarchy twice.
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Makes the group everywhere: a kubelet refuses a `cgroupRoot` that is not there.
pub(crate) fn make(name: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        at(&group, fs::create_dir_all(&group))?;
    }
    Ok(())
}

/// The groups of this name, in all hierarchies.
pub(crate) fn named(name: &str) -> Vec<PathBuf> {
    let groups = hierarchies()
        .into_iter()
        .map(|hierarchy| hierarchy.join(name));
    groups.filter(|group| group.exists()).collect()
}

/// The processes in a group and below it.
pub(crate) fn processes(group: &Path) -> Vec<i32> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let own = own.lines().filter_map(|line| line.parse().ok());
    own.chain(children(group).iter().flat_map(|child| processes(child)))
        .collect()
}

/// Removes a group and all below it, as far as they are empty.
pub(crate) fn remove(group: &Path) {
    for child in children(group) {
        remove(&child);
    }
    // A group whose last process is still ending is busy; the caller looks again.
    let _ = fs::remove_dir(group);
}

fn children(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
