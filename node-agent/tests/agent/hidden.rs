//! A device that is where the agent cannot find it: given back only once it is gone or on the host.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    process::{Child, Command},
};

use cni::protocol::Reply;
use node_agent::claim::convert;
use node_agent_core::claim::Place;
use serde_json::{Value, json};

use crate::{
    running::{Agent, a_claim, after, journal_files, plugged, released, wait_until, with},
    world::{HOME, MAC, World},
};

/// A namespace that the pod made and that no runtime mounted. It lives as long as its process.
struct Hideout(Child);

impl Hideout {
    fn of_the_pod(world: &World) -> Self {
        Self::of_a_process(world, &["unshare", "--net"])
    }

    /// A process that sleeps in the pod's namespace, or in the one that `by` makes.
    fn of_a_process(world: &World, by: &[&str]) -> Self {
        let process = Command::new("ip")
            .args(["netns", "exec", &world.name("pod")])
            .args([by, &["sleep", "infinity"]].concat())
            .spawn()
            .unwrap();
        let path = format!("/proc/{}/exe", process.id());
        // It sleeps inside the new namespace.
        world.wait_until(|_| {
            fs::read_link(&path).is_ok_and(|exe| {
                let name = exe.file_name().unwrap_or_default().to_string_lossy();
                name == "sleep" || name == "coreutils" || name == "busybox"
            })
        });
        Self(process)
    }

    /// What a container with `NET_ADMIN` does.
    fn take(&self, world: &World) {
        world.ip("pod", &format!("link set eni0 netns {}", self.0.id()));
        assert!(world.device("pod").is_none() && world.device("host").is_none());
    }
}

impl Drop for Hideout {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A DEL ends after two attempts to return the device: then it was searched for twice.
fn is_searched_for(agent: &Agent, world: &World) {
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
}

#[test]
fn device_that_a_pod_hid_is_given_back_after_the_end_of_the_pod() {
    let (mut world, mut agent) = plugged();
    let hideout = Hideout::of_the_pod(&world);
    hideout.take(&world);
    agent.claim(released(a_claim()));
    is_searched_for(&agent, &world);
    let notice = agent.notice();
    assert!(
        matches!(notice.report.place, Place::Hidden { .. }),
        "given back while the pod has it: {notice:?}"
    );
    let message = notice.patch().unwrap()["status"]["conditions"][0]["message"].to_string();
    assert!(
        [
            MAC,
            "pod web-0 with UID u-1",
            "up to two minutes",
            "delete the pod"
        ]
        .iter()
        .all(|part| message.contains(part)),
        "{message}"
    );
    let told = after(&a_claim(), &notice);
    let claim = convert(&told).unwrap();
    assert_eq!(claim.reported, Some(notice.report), "not said again");
    agent.claim(released(told));
    is_searched_for(&agent, &world);
    assert!(agent.is_quiet());
    assert_eq!(agent.journal(), 1);
    drop(hideout);
    world.kill("pod");
    world.wait_until_the_veth_is_gone();
    assert_eq!(agent.place(), Place::Released);
    assert_eq!(agent.journal(), 0);
}

#[test]
fn device_that_a_pod_hid_is_not_forgotten_by_a_repeated_add() {
    let (world, mut agent) = plugged();
    let hideout = Hideout::of_the_pod(&world);
    hideout.take(&world);
    let reply = agent.add(&world, "c1", "pod");
    assert!(
        matches!(&reply, Reply::Failed(error) if error.code == 11),
        "after a wait in vain: {reply:?}"
    );
    let log = agent.log();
    let said = "the pod may have had the device before this attempt";
    assert!(log.contains(said), "{log}");
    agent.claim(released(a_claim()));
    assert!(
        matches!(agent.place(), Place::Hidden { .. }),
        "given back while the pod has it"
    );
    assert_eq!(agent.journal(), 1);
}

#[test]
fn device_in_a_namespace_that_outlives_its_path_is_not_given_back() {
    let (mut world, mut agent) = plugged();
    let process = Hideout::of_a_process(&world, &[]);
    world.kill("pod");
    agent.claim(released(a_claim()));
    assert_eq!(agent.del(None, "c1"), Reply::Deleted, "after two attempts");
    assert!(
        agent.is_quiet(),
        "a namespace without a path may be about to end"
    );
    drop(process);
    world.wait_until_the_veth_is_gone();
    assert_eq!(agent.place(), Place::Released);
}

#[test]
fn device_that_the_journal_does_not_know_is_not_given_back_while_a_namespace_without_a_path_has_it()
{
    let (mut world, agent) = plugged();
    let process = Hideout::of_a_process(&world, &[]);
    let folder = agent.stop();
    fs::remove_file(journal_files(&folder).remove(0)).unwrap();
    world.kill("pod");
    let mut agent = Agent::start_in(&world, folder);
    agent.list(vec![released(a_claim())]);
    let other = with(a_claim(), "/metadata/name", json!("other"));
    let other = with(other, "/status/eni/mac", json!("02:ec:00:00:00:0b"));
    agent.claim(released(other));
    let notice = agent.notice();
    assert_eq!(
        (notice.claim.metadata.name.as_deref(), notice.report.place),
        (Some("other"), Place::Released),
        "what nobody has is given back at once"
    );
    assert!(agent.is_quiet());
    let said = "a device that is not in the journal has not returned";
    wait_until(|| agent.log().contains(said));
    let log = agent.log();
    assert!(!log.contains("cannot be searched for"), "{log}");
    drop(process);
    world.wait_until_the_veth_is_gone();
    assert_eq!(agent.place(), Place::Released);
}

#[test]
fn device_that_a_pod_moved_to_another_pod_returns() {
    let (mut world, agent) = plugged();
    world.pod("other");
    let folder = agent.stop();
    let agent = Agent::start_in(&world, folder);
    world.ip(
        "pod",
        &format!("link set eni0 netns {}", world.name("other")),
    );
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
}

/// The agent again, with a journal that says that the device is this hardware: a folder stands for its place in sysfs, which a veth
/// has not.
fn again_with_hardware(world: &World, agent: Agent, path: &std::path::Path) -> Agent {
    let folder = agent.stop();
    let file = journal_files(&folder).remove(0);
    let mut entry: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    entry["hardware"] = json!({ "path": path, "inode": fs::metadata(path).unwrap().ino() });
    fs::write(&file, entry.to_string()).unwrap();
    Agent::start_in(world, folder)
}

#[test]
fn device_whose_hardware_is_there_is_not_given_back_though_its_namespace_has_no_path() {
    let (mut world, agent) = plugged();
    let hardware = tempfile::tempdir().unwrap();
    let mut agent = again_with_hardware(&world, agent, hardware.path());
    world.kill("pod");
    world.wait_until_the_veth_is_gone();
    agent.list(vec![released(a_claim())]);
    assert_eq!(agent.del(None, "c1"), Reply::Deleted, "after two attempts");
    assert!(agent.is_quiet());
    assert_eq!(agent.journal(), 1);
    // The namespace ends at last, and the kernel brings the device.
    world.wire();
    assert_eq!(agent.place(), Place::Released);
    assert!(world.has_link("host", HOME));
}

#[test]
fn detached_device_is_given_back_while_its_pod_lives_on() {
    let (world, agent) = plugged();
    let hardware = tempfile::tempdir().unwrap();
    let place = hardware.path().join("0000:00:06.0");
    fs::create_dir(&place).unwrap();
    let mut agent = again_with_hardware(&world, agent, &place);
    world.ip("pod", "link del eni0");
    // Another one is attached in its place.
    let other = hardware.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::rename(&other, &place).unwrap();
    // Nothing is searched for any more: that could not end well.
    let obstacle = world.namespaces().join("obstacle");
    symlink("/etc/hostname/netns", obstacle).unwrap();
    agent.list(vec![released(a_claim())]);
    assert_eq!(agent.place(), Place::Released);
    assert_eq!(agent.journal(), 0);
}
