//! What a scan makes of notes that the plugin left, and of what it cannot see.

use std::fs;

use cni::{protocol::Del, tombstone};

use crate::{
    running::{Agent, plugged, sandbox, wait_until},
    world::HOME,
};

#[test]
fn notes_of_version_1_of_the_plugin_are_done_or_removed() {
    let (world, agent) = plugged();
    let notes = tombstone::folder(&agent.socket());
    let folder = agent.stop();
    fs::create_dir(&notes).unwrap();
    for container in ["c1", "never-seen"] {
        let del = Del {
            sandbox: sandbox(container),
        };
        let note = serde_json::to_vec(&del).unwrap();
        fs::write(notes.join(format!("{container}+eth0.json")), note).unwrap();
    }
    fs::write(notes.join("c2+eth0.json"), "{}").unwrap();
    let agent = Agent::start_in(&world, folder);
    wait_until(|| world.has_link("host", HOME));
    wait_until(|| agent.journal() == 0);
    wait_until(|| fs::read_dir(&notes).unwrap().next().is_none());
}
