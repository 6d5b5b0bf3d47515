//! What an uninstall takes from a node, and what it leaves.

use std::fs::{self, File};

use node_agent::install::{CniChain, decision::Reason, uninstall};
use rustix::fs::{FlockOperation, flock};

use super::{
    TRUE,
    machine::{Runtime, a_machine, wait_until},
};

#[test]
fn uninstall_leaves_what_was_before_and_waits_for_no_agent() {
    let machine = a_machine();
    let before = machine.files();
    let runtime = Runtime::start(&machine.places.conf, true);
    machine
        .agent(CniChain::Auto)
        .says(TRUE, Reason::Installed, "");
    let others = machine.conf("pods/50-others.conf");
    fs::write(&others, "{}").unwrap();
    let lock = File::create(machine.socket().with_extension("lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let refused = uninstall(&machine.socket(), &machine.places).unwrap_err();
    assert!(
        refused.to_string().contains("delete the DaemonSet"),
        "{refused}"
    );
    assert!(machine.is_installed());
    drop(lock);
    let reloads = runtime.reloads();
    uninstall(&machine.socket(), &machine.places).unwrap();
    wait_until("the runtime reloads", || runtime.reloads() > reloads);
    assert!(others.exists(), "drop-ins of others stay");
    fs::remove_file(others).unwrap();
    assert_eq!(machine.files(), before);
    uninstall(&machine.socket(), &machine.places).unwrap();
    machine
        .agent(CniChain::Conflist)
        .says(TRUE, Reason::Installed, "");
    uninstall(&machine.socket(), &machine.places).unwrap();
    assert_eq!(machine.files(), before);
}

#[test]
fn uninstall_removes_the_agents_folder_unless_a_device_is_still_in_a_pod() {
    let machine = a_machine();
    let run = machine.folder.path().join("run");
    let entry = run.join("journal/pods/sandbox+eni0.json");
    for file in [
        "agent.lock",
        "runtime-reads-drop-ins",
        "tombstones/pods/a.json",
    ] {
        fs::create_dir_all(run.join(file).parent().unwrap()).unwrap();
        fs::write(run.join(file), "").unwrap();
    }
    fs::create_dir_all(entry.parent().unwrap()).unwrap();
    fs::write(&entry, "{}").unwrap();
    uninstall(&machine.socket(), &machine.places).unwrap();
    assert!(entry.exists() && run.join("runtime-reads-drop-ins").exists());
    fs::remove_file(&entry).unwrap();
    fs::write(run.join("others"), "").unwrap();
    uninstall(&machine.socket(), &machine.places).unwrap();
    let left: Vec<_> = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["others"]);
    fs::remove_file(run.join("others")).unwrap();
    uninstall(&machine.socket(), &machine.places).unwrap();
    assert!(!run.exists());
    uninstall(&machine.socket(), &machine.places).unwrap();
}

#[test]
fn the_lock_is_held_even_where_no_agent_ran_and_is_the_last_that_goes() {
    let machine = a_machine();
    let run = machine.folder.path().join("run");
    // Something that cannot be removed as a file.
    fs::create_dir_all(run.join("runtime-reads-drop-ins")).unwrap();
    uninstall(&machine.socket(), &machine.places).unwrap_err();
    assert!(run.join("agent.lock").exists());
    fs::remove_dir(run.join("runtime-reads-drop-ins")).unwrap();
    uninstall(&machine.socket(), &machine.places).unwrap();
    assert!(!run.exists());
}
