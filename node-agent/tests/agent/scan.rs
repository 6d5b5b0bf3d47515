//! What a scan makes of notes that the plugin left, and of what it cannot see.

use std::fs;

use cni::{
    protocol::{Del, Reply},
    tombstone,
};

use crate::{
    running::{Agent, journal_files, plugged, sandbox, wait_until},
    world::{HOME, World},
};

#[test]
fn notes_of_version_1_of_the_plugin_are_done_or_removed() {
    let (world, agent) = plugged();
    let notes = tombstone::folder(&agent.socket());
    let folder = agent.stop();
    fs::create_dir(&notes).unwrap();
    for container in ["c1", "never-seen"] {
        let del = Del::from(sandbox(container));
        let note = serde_json::to_vec(&del).unwrap();
        fs::write(notes.join(format!("{container}+eth0.json")), note).unwrap();
    }
    fs::write(notes.join("c2+eth0.json"), "{}").unwrap();
    let agent = Agent::start_in(&world, folder);
    wait_until(|| world.has_link("host", HOME));
    wait_until(|| agent.journal() == 0);
    wait_until(|| fs::read_dir(&notes).unwrap().next().is_none());
}

#[test]
fn sandbox_whose_del_found_no_agent_keeps_no_older_one_from_its_device() {
    let (world, agent) = plugged();
    let is_added = |container| matches!(agent.add(&world, container, "pod"), Reply::Added(_));
    assert!(is_added("c2"));
    assert!(!is_added("c1"), "it is the older one");
    let notes = tombstone::folder(&agent.socket());
    let del = Del::from(sandbox("c2"));
    tombstone::write(&notes, &del).unwrap();
    // A reason to scan.
    world.ip("pod", "link set eni0 alias changed");
    wait_until(|| agent.journal() == 0);
    assert!(is_added("c1"));
}

#[test]
fn namespace_that_cannot_be_seen_is_said_once_and_so_is_its_end() {
    let (world, agent) = plugged();
    let folder = agent.stop();
    // A path through a plain file.
    let (gate, file) = (folder.path().join("gate"), journal_files(&folder).remove(0));
    fs::write(&gate, "").unwrap();
    let path = gate.join("netns").display().to_string();
    let entry = fs::read_to_string(&file).unwrap();
    fs::write(&file, entry.replace(&world.path("pod"), &path)).unwrap();
    let agent = Agent::start_in(&world, folder);
    // Which pod it is the agent knows once it has read its claims.
    let error =
        format!("error=cannot enter the network namespace {path}: Not a directory (os error 20)");
    let lines = |sentence: &str, end: &str| {
        let about = format!("{sentence} claim=shop/web-0-abcde ");
        let log = agent.log();
        let lines = log.lines();
        lines
            .filter(|line| line.contains(&about) && line.ends_with(end))
            .count()
    };
    let begins = || {
        lines(
            "it is not known whether the pod's network namespace lives; it counts as alive",
            &error,
        )
    };
    let ends = || {
        lines(
            "the pod's network namespace can be seen again",
            "eni=\"eni-0123456789abcdef0\"",
        )
    };
    for _ in 0..3 {
        scanned(&world, &agent);
    }
    wait_until(|| begins() > 0);
    fs::remove_file(&gate).unwrap();
    fs::create_dir(&gate).unwrap();
    std::os::unix::fs::symlink(world.path("pod"), &path).unwrap();
    for _ in 0..3 {
        scanned(&world, &agent);
    }
    wait_until(|| ends() > 0);
    assert_eq!((begins(), ends()), (1, 1), "{}", agent.log());
}

#[test]
fn notes_that_cannot_be_read_are_said_once_and_so_is_their_end() {
    let (world, agent) = plugged();
    let notes = tombstone::folder(&agent.socket());
    let obstacle = notes.join("pods/c2+eth0.json/in-the-way");
    fs::create_dir_all(&obstacle).unwrap();
    for _ in 0..3 {
        scanned(&world, &agent);
    }
    let begins = format!(
        "a DEL that found no agent cannot be read or removed error=cannot use {}: Is a directory (os error 21)\n",
        obstacle.parent().unwrap().display()
    );
    wait_until(|| agent.log().contains(&begins));
    fs::remove_dir_all(obstacle.parent().unwrap()).unwrap();
    scanned(&world, &agent);
    let ends = "the DELs that found no agent can be read and removed again\n";
    wait_until(|| agent.log().contains(ends));
    let log = agent.log();
    assert_eq!(log.matches(&begins).count(), 1, "{log}");
}

/// Has the agent scan: the scan removes a note that is about no plug.
fn scanned(world: &World, agent: &Agent) {
    let notes = tombstone::folder(&agent.socket());
    let del = Del::from(sandbox("never-seen"));
    tombstone::write(&notes, &del).unwrap();
    let note = notes.join("pods/never-seen+eth0.json");
    let mut count = 0;
    wait_until(|| {
        count += 1;
        world.ip("pod", &format!("link set eni0 alias changed-{count}"));
        !note.exists()
    });
}
