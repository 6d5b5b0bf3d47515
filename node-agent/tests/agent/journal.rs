//! What the agent makes of a journal that is old, damaged or lost, and of namespaces that are not what their path says.

use std::{
    fs,
    io::{Read, Seek},
    path::PathBuf,
    sync::Arc,
};

use cni::protocol::Reply;
use node_agent::{journal::Journal, kernel::namespace::Namespace};
use node_agent_core::{
    claim::{ClaimKey, Place},
    custody::{Custody, Loan},
    facts::{
        Hardware, Liveness, Netns, Observed, Origin, Plug, PlugKey, PlugState, Position, Sandbox,
    },
    picture::PodSlot,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    running::{Agent, a_claim, journal_files, plugged, released, sandbox},
    world::{HOME, World},
};

#[test]
fn device_whose_entry_cannot_be_used_is_searched_for_before_it_is_given_back() {
    type Damage = fn(&str) -> String;
    let damages: [(&str, Damage); 3] = [
        ("cut short", |text| text[..text.len() / 2].to_owned()),
        ("older", |text| {
            text.replace("\"version\":3", "\"version\":1")
        }),
        ("without a version", |text| {
            text.replace("\"version\":3,", "")
        }),
    ];
    for (damage, of) in damages {
        let (world, agent) = plugged();
        let folder = agent.stop();
        let file = journal_files(&folder).remove(0);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, of(&text)).unwrap();
        let mut agent = Agent::start_in(&world, folder.clone());
        agent.list(vec![released(a_claim())]);
        assert_eq!(agent.place(), Place::Released, "{damage}");
        assert!(
            world.has_link("host", HOME),
            "{damage}: given back while a pod had it"
        );
        let kept = folder.path().join("journal/.unreadable");
        let kept = fs::read_to_string(kept.join(file.file_name().unwrap())).unwrap();
        assert_eq!(kept, of(&text), "{damage}: kept for people");
    }
}

/// Makes of the one file of the journal below `folder` what version 1 of the agent would have written.
fn as_of_version_1(folder: &TempDir) -> PathBuf {
    let file = journal_files(folder).remove(0);
    let entry: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let (sandbox, claim) = (&entry["sandbox"], &entry["origin"]["claim"]);
    let old = json!({
        "network": sandbox["network"], "containerId": sandbox["containerId"], "ifName": sandbox["ifName"],
        "claimNamespace": claim["namespace"], "claimName": claim["name"],
        "attachment": claim["attachment"], "podUid": claim["podUid"],
        "mac": entry["mac"], "eni": entry["eni"], "netns": entry["netns"]["path"], "state": entry["state"],
    });
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    let path = folder.path().join("journal/c1+eth0.json");
    fs::write(&path, old.to_string()).unwrap();
    path
}

#[test]
fn entry_of_version_1_is_read_and_goes_with_its_plug() {
    let (world, agent) = plugged();
    let before = world.portrait("pod");
    let folder = agent.stop();
    let old = as_of_version_1(&folder);
    let mut agent = Agent::start_in(&world, folder.clone());
    agent.list(vec![a_claim()]);
    let plugged = Place::Plugged {
        pod_uid: "u-1".into(),
        container_id: "c1".into(),
    };
    assert_eq!(agent.place(), plugged);
    assert_eq!(world.portrait("pod"), before);
    assert_eq!((old.exists(), agent.journal()), (false, 1));
    // Once more, before the new agent has written anything.
    agent.stop();
    let agent = Agent::start_in(&world, folder.clone());
    assert_eq!(agent.del(None, "c1"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
    assert!(!folder.path().join("journal/.unreadable").exists());
}

#[test]
fn entry_of_version_2_is_of_a_device_that_we_moved() {
    let (world, agent) = plugged();
    let folder = agent.stop();
    let file = journal_files(&folder).remove(0);
    let mut entry: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    entry["version"] = json!(2);
    for key in ["position", "custody"] {
        assert!(entry.as_object_mut().unwrap().remove(key).is_some());
    }
    fs::write(&file, entry.to_string()).unwrap();
    let agent = Agent::start_in(&world, folder);
    assert_eq!(agent.del(None, "c1"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
}

#[test]
fn entry_of_version_1_that_is_incomplete_is_kept_aside_under_its_right_name() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path().join("journal")).unwrap();
    let path = folder.path().join("journal/c1+eth0.json");
    let kept = folder.path().join("journal/.unreadable/c1+eth0.json");
    let old = json!({ "network": "pods", "containerId": "c1", "ifName": "eth0" }).to_string();
    fs::write(&path, &old).unwrap();
    let log = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(log.clone());
    let read = tracing::subscriber::with_default(subscriber.finish(), || journal.read().unwrap());
    assert_eq!(read, []);
    assert_eq!(fs::read_to_string(&kept).unwrap(), old);
    let mut said = String::new();
    (&*log).rewind().unwrap();
    (&*log).read_to_string(&mut said).unwrap();
    let sentence = format!(
        "a file of the journal cannot be read and is kept aside; its device is searched for when it is to be given back \
         path={} error=\"it comes from version 1 of the agent and is incomplete: missing field `claimNamespace` at line 1 column 53\"",
        kept.display()
    );
    assert!(said.contains(&sentence), "{said}");
}

#[test]
fn device_whose_entry_is_gone_is_searched_for_before_it_is_given_back() {
    let (world, agent) = plugged();
    let folder = agent.stop();
    fs::remove_file(journal_files(&folder).remove(0)).unwrap();
    let mut agent = Agent::start_in(&world, folder);
    agent.list(vec![released(a_claim())]);
    assert_eq!(agent.place(), Place::Released);
    assert!(world.has_link("host", HOME));
}

#[test]
fn running_pod_keeps_its_interface_when_the_journal_is_lost() {
    let (world, agent) = plugged();
    let before = world.portrait("pod");
    let folder = agent.stop();
    fs::remove_file(journal_files(&folder).remove(0)).unwrap();
    let mut agent = Agent::start_in(&world, folder);
    agent.list(vec![a_claim()]);
    assert!(agent.is_quiet());
    assert_eq!(world.portrait("pod"), before);
}

#[test]
fn nothing_is_said_of_devices_of_another_instance() {
    let world = World::new();
    let mut agent = Agent::start(&world);
    agent.instance("i-00000000000000000");
    agent.list(vec![released(a_claim())]);
    assert!(agent.is_quiet());
    agent.instance(crate::running::INSTANCE);
    assert_eq!(agent.place(), Place::Released);
}

/// Cases: M17.
#[test]
fn path_that_leads_to_another_namespace_is_a_dead_one() {
    let mut world = World::new();
    let first = Namespace::open(&world.path("pod")).unwrap();
    let known = first.identify().unwrap();
    assert!(known.cookie.is_some());
    assert_eq!(Namespace::liveness(&known).unwrap(), Liveness::Alive);
    drop(first);
    world.kill("pod");
    assert_eq!(Namespace::liveness(&known).unwrap(), Liveness::Dead);
    world.namespace("pod");
    assert_eq!(
        Namespace::liveness(&known).unwrap(),
        Liveness::Dead,
        "the path is used again"
    );
    let without_cookie = Netns {
        cookie: None,
        ..known
    };
    assert_eq!(
        Namespace::liveness(&without_cookie).unwrap(),
        Liveness::Alive
    );
}

#[test]
fn path_that_cannot_be_read_proves_nothing() {
    let netns = Netns {
        path: "/proc/1/environ/net".into(),
        cookie: None,
    };
    Namespace::liveness(&netns).unwrap_err();
}

/// Cases: M17.
#[test]
fn namespace_that_is_not_at_its_path_is_not_plugged() {
    let mut world = World::new();
    world.namespace("other");
    let agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    let Reply::Failed(error) = agent.add_with(&world.path("pod"), &world.path("other"), "c1")
    else {
        panic!("plugged into a namespace that the agent would not find again")
    };
    assert!(
        error.msg.contains("leads to another namespace"),
        "{}",
        error.msg
    );
    assert_eq!(agent.journal(), 0);
    assert!(world.device("pod").is_none());
}

#[test]
fn plugs_of_two_networks_and_two_devices_of_one_container_are_four_entries() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path().join("journal")).unwrap();
    let mut written = Vec::new();
    for network in ["pods", "storage"] {
        for mac in ["02:00:00:00:00:0a", "02:00:00:00:00:0b"] {
            let key = PlugKey {
                sandbox: Sandbox {
                    network: network.into(),
                    ..sandbox("c1")
                },
                mac: mac.parse().unwrap(),
            };
            let plug = Plug {
                origin: Origin::Claim {
                    claim: ClaimKey {
                        namespace: "shop".into(),
                        name: "web-0-abcde".into(),
                    },
                    attachment: "eni-attach-1".into(),
                    pod_uid: "u-1".into(),
                },
                eni: mac.into(),
                slot: PodSlot(u8::from(mac.ends_with('b'))),
                netns: Netns {
                    path: "/run/netns/c1".into(),
                    cookie: Some(7),
                },
                position: Position::First,
                custody: Custody::Borrowed(Loan {
                    addresses: ["10.0.1.50/32".parse().unwrap()].into(),
                    ..Loan::new("eth0", 1500)
                }),
                hardware: Some(Hardware {
                    path: "/sys/bus/pci/devices/0000:00:06.0".into(),
                    inode: 8,
                }),
                state: PlugState::Plugged,
                observed: Observed::default(),
            };
            journal.write(&key, &plug).unwrap();
            written.push((key, plug));
        }
    }
    let mut read = journal.read().unwrap();
    read.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(read, written);
    for (key, _) in &written {
        journal.remove(key).unwrap();
        journal.remove(key).unwrap();
    }
    assert_eq!(journal.read().unwrap(), []);
}

#[test]
fn device_returns_though_the_journal_cannot_be_written() {
    let (world, mut agent) = plugged();
    let file = journal_files(agent.folder()).remove(0);
    // What a full /run does to a write, and not to a removal.
    fs::create_dir(file.with_extension("draft")).unwrap();
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    assert!(world.has_link("host", HOME));
    assert!(!file.exists());
    agent.claim(released(a_claim()));
    assert_eq!(agent.place(), Place::Released);
}
