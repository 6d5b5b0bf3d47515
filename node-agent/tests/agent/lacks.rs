//! An agent that lacks something on its node: threads, or the mounts of namespaces.

use std::{env, fs, path::PathBuf, process::Command};

use cni::protocol::{Reply, Request};
use node_agent_core::claim::Place;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::{NamedTempFile, TempDir};

use crate::{
    caller::Caller,
    running::{Agent, a_claim, an_add, released},
    world::{HOME, World},
};

/// A cgroup that this process is in, with a limit of its tasks.
struct Group {
    root: TempDir,
    folder: PathBuf,
}

impl Group {
    /// By the controller `pids` in a hierarchy of its own (version 1), or in that of all controllers.
    fn join() -> Self {
        let root = tempfile::tempdir().unwrap();
        let flags = MountFlags::empty();
        if mount("pids", root.path(), "cgroup", flags, Some(c"pids")).is_err() {
            mount("cgroup2", root.path(), "cgroup2", flags, None).unwrap();
            fs::write(root.path().join("cgroup.subtree_control"), "+pids").unwrap();
        }
        let folder = root.path().join(format!("eniclaim-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("cgroup.procs"), "0").unwrap();
        Self { root, folder }
    }

    fn limit(&self, tasks: &str) {
        fs::write(self.folder.join("pids.max"), tasks).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(fs::write(self.root.path().join("cgroup.procs"), "0"));
        drop(fs::remove_dir(&self.folder));
        // The mount ends with its namespace at the latest.
        unmount(self.root.path(), UnmountFlags::DETACH).unwrap_or_default();
    }
}

/// In a process and a mount namespace of its own, because of the limit and of the mount.
#[test]
fn agent_at_its_limit_of_threads_says_so_and_does_all_once_it_has_some() {
    const ALONE: &str = "ENICLAIM_TEST_ALONE";
    if env::var_os(ALONE).is_none() {
        let output = Command::new("unshare")
            .arg("--mount")
            .arg(env::current_exe().unwrap())
            .args([
                "--exact",
                "lacks::agent_at_its_limit_of_threads_says_so_and_does_all_once_it_has_some",
            ])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        return;
    }
    let world = World::new();
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    assert!(agent.is_quiet());
    let group = Group::join();

    group.limit("0");
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!("there was a thread")
    };
    let words = ["cannot start a thread", "at its limit of processes"];
    assert!(
        words.iter().all(|part| error.msg.contains(part)),
        "{}",
        error.msg
    );
    let log = agent.log();
    assert!(!log.contains("not known what was done"), "{log}");
    group.limit("max");
    let reply = agent.add(&world, "c1", "pod");
    assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
    while !matches!(agent.place(), Place::Plugged { .. }) {}

    group.limit("0");
    agent.claim(released(a_claim()));
    // Answered after the first attempt.
    assert!(agent.is_quiet());
    group.limit("max");
    assert_eq!(agent.place(), Place::Released);
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
}

#[test]
fn namespace_whose_mount_does_not_reach_the_agent_is_refused_with_the_cure() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    // What the agent sees then: the file that the runtime mounted the namespace on.
    let file = NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let add = Request::Add(an_add(path, "c1"));
    let Reply::Failed(error) = Caller::ask(&agent, add, Some(&world.path("pod"))).answer() else {
        panic!("plugged into a namespace that the agent would not find again")
    };
    let words = [path, "mountPropagation: HostToContainer"];
    assert!(
        words.iter().all(|part| error.msg.contains(part)),
        "{}",
        error.msg
    );
    assert_eq!(agent.journal(), 0);
    assert!(world.device("pod").is_none());
}
