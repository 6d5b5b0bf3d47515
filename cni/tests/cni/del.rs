//! DEL.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cni::protocol::{Del, Reply, Request, Sandbox};
use cni::{CniError, tombstone};
use serde_json::json;

use crate::runtime::{Agent, Call, Script, a_call, a_configuration, a_folder, of_another_pod};

/// The tombstones that lie in a folder.
pub fn pending(folder: &Path) -> Vec<Sandbox> {
    tombstone::read(&tombstone::folder(&folder.join("agent.sock")))
        .unwrap()
        .into_iter()
        .map(|(_, del)| del.unwrap().sandbox)
        .collect()
}

fn sandbox() -> Sandbox {
    Sandbox {
        network: "pods".into(),
        container_id: "0a1b2c".into(),
        if_name: "eth0".into(),
    }
}

fn succeeds(call: &Call) -> String {
    let run = call.run();
    assert!(run.ok, "{} {}", run.stdout, run.stderr);
    assert_eq!(run.stdout, "");
    run.stderr
}

#[test]
fn agent_is_asked_and_the_answer_is_silence() {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Deleted)]);
    assert_eq!(succeeds(&a_call("DEL", folder.path())), "");
    let (envelope, netns) = agent.heard().remove(0);
    assert_eq!(envelope.request, Request::Del(sandbox().into()));
    assert!(netns.is_some());
    assert!(pending(folder.path()).is_empty());
}

/// Cases: M12.
#[test]
fn missing_empty_or_vanished_namespace_is_no_error() {
    let without = |folder: &Path| a_call("DEL", folder).without("CNI_NETNS");
    let empty = |folder: &Path| a_call("DEL", folder).with("CNI_NETNS", "");
    let vanished = |folder: &Path| a_call("DEL", folder).with("CNI_NETNS", "/run/netns/cni-gone");
    for call in [without, empty, vanished] {
        let folder = a_folder();
        let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Deleted)]);
        assert_eq!(succeeds(&call(folder.path())), "");
        assert!(agent.heard()[0].1.is_none());
    }
}

#[test]
fn pod_that_did_not_ask_needs_no_agent() {
    let folder = a_folder();
    let call = a_call("DEL", folder.path()).configured(&of_another_pod(folder.path()));
    assert_eq!(succeeds(&call), "");
    assert!(pending(folder.path()).is_empty());
}

/// Cases: M12.
#[test]
fn input_that_names_nothing_is_no_error() {
    let folder = a_folder();
    for text in ["", "{", "[]", "\u{0}"] {
        let mut call = a_call("DEL", folder.path());
        call.stdin = text.into();
        let stderr = succeeds(&call);
        assert!(
            stderr.contains("the network configuration on stdin"),
            "{text:?}: {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let mut odd = a_call("DEL", folder.path());
    odd.stdin = r#"{"cniVersion":"9.9.9"}"#.into();
    assert_eq!(succeeds(&odd), "", "a pod that does not ask");
    for (key, value) in [
        ("name", json!("a/b")),
        ("name", json!(null)),
        ("socket", json!(7)),
        ("socket", json!("relative.sock")),
    ] {
        let mut configuration = a_configuration(folder.path());
        configuration[key] = value;
        let call = a_call("DEL", folder.path()).configured(&configuration);
        assert!(succeeds(&call).contains(key));
    }
    for name in ["CNI_CONTAINERID", "CNI_IFNAME"] {
        succeeds(&a_call("DEL", folder.path()).without(name));
        succeeds(&a_call("DEL", folder.path()).with(name, "../.."));
    }
}

#[test]
fn whatever_else_is_wrong_the_agent_is_asked() {
    for (key, value) in [
        ("cniVersion", json!("9.9.9")),
        ("cniVersion", json!(null)),
        ("prevResult", json!("x")),
        ("sockett", json!(1)),
    ] {
        let folder = a_folder();
        let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Deleted)]);
        let mut configuration = a_configuration(folder.path());
        configuration[key] = value;
        let call = a_call("DEL", folder.path())
            .configured(&configuration)
            .with("CNI_ARGS", "odd");
        assert_eq!(succeeds(&call), "");
        assert_eq!(agent.heard().len(), 1);
    }
}

/// A chain stops at its first DEL that fails, and the addresses of the plugins before this one would leak.
#[test]
fn agent_that_cannot_unplug_finds_a_tombstone_and_the_pod_may_go() {
    let failed = |code, why: &str| Script::Answer(Reply::Failed(CniError::new(code, why)));
    for (script, told) in [
        (failed(11, "the device is busy"), "the device is busy"),
        (
            failed(101, "the plugin speaks version 2"),
            "speaks version 2",
        ),
        (Script::Line("{}"), "malformed"),
        (Script::Answer(Reply::Collected), "another request"),
    ] {
        let folder = a_folder();
        let agent = Agent::listen(folder.path(), vec![script]);
        let stderr = succeeds(&a_call("DEL", folder.path()));
        assert!(stderr.contains(told), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(pending(folder.path()), [sandbox()]);
        agent.heard();
    }
}

#[test]
fn absent_agent_finds_one_tombstone_for_each_attachment() {
    let folder = a_folder();
    let mut of_another_network = a_configuration(folder.path());
    of_another_network["name"] = "storage".into();
    let call = a_call("DEL", folder.path());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..2).for_each(|_| drop(succeeds(&call))));
        let call = call.clone().configured(&of_another_network);
        scope.spawn(move || succeeds(&call));
    });
    let network = |network: &str| Sandbox {
        network: network.into(),
        ..sandbox()
    };
    assert_eq!(
        pending(folder.path()),
        [network("pods"), network("storage")]
    );
}

#[test]
fn longest_names_have_a_tombstone() {
    let folder = a_folder();
    let del = Del {
        sandbox: Sandbox {
            network: "n".repeat(128),
            container_id: "c".repeat(128),
            if_name: "i".repeat(15),
        },
        configuration: None,
    };
    tombstone::write(&folder.path().join("tombstones"), &del).unwrap();
    assert_eq!(pending(folder.path()), [del.sandbox]);
}

#[test]
fn tombstone_that_cannot_be_written_is_told_and_the_pod_may_go() {
    let folder = a_folder();
    // Root writes wherever it likes, but not below a file, nor in procfs.
    fs::write(folder.path().join("file"), "").unwrap();
    for socket in [
        folder.path().join("file/agent.sock"),
        PathBuf::from("/proc/none/agent.sock"),
    ] {
        let mut configuration = a_configuration(folder.path());
        configuration["socket"] = socket.to_str().unwrap().into();
        let stderr = succeeds(&a_call("DEL", folder.path()).configured(&configuration));
        assert!(stderr.contains("cannot be written to"), "{stderr}");
        assert!(stderr.contains("eniclaim-agent DaemonSet"), "{stderr}");
    }
}

#[test]
fn tombstone_that_cannot_be_read_is_named() {
    let folder = a_folder();
    let tombstones = folder.path().join("tombstones");
    fs::create_dir_all(tombstones.join("pods")).unwrap();
    fs::write(tombstones.join("pods/x+eth0.json"), "{").unwrap();
    fs::write(tombstones.join("pods/.draft"), "").unwrap();
    // Where version 1 had them.
    fs::write(tombstones.join("y+eth0.json"), "").unwrap();
    let found = tombstone::read(&tombstones).unwrap();
    let [(first, Err(_)), (second, Err(_))] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(first.ends_with("pods/x+eth0.json"));
    assert!(second.ends_with("tombstones/y+eth0.json"));
    assert!(
        tombstone::read(&folder.path().join("none"))
            .unwrap()
            .is_empty()
    );
}
