//! Joining a node's CNI chain and leaving it.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use node_agent::install::{Places, install, uninstall};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Machine {
    folder: TempDir,
    places: Places,
    binary: PathBuf,
}

/// A machine whose first network is `pods`.
fn a_machine() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        bin: folder.path().join("bin"),
        conf: folder.path().join("net.d"),
    };
    fs::create_dir_all(&places.conf).unwrap();
    let binary = folder.path().join("eniclaim");
    fs::write(&binary, "plugin").unwrap();
    let machine = Machine {
        folder,
        places,
        binary,
    };
    machine.configure(
        "10-pods.conflist",
        &json!({ "cniVersion": "1.0.0", "name": "pods", "plugins": [{ "type": "ptp" }] }),
    );
    machine.configure(
        "20-other.conflist",
        &json!({ "cniVersion": "1.0.0", "name": "other", "plugins": [{ "type": "ptp" }] }),
    );
    machine
}

impl Machine {
    fn configure(&self, name: &str, configuration: &Value) {
        fs::write(self.places.conf.join(name), configuration.to_string()).unwrap();
    }

    fn drop_in(&self) -> PathBuf {
        self.places.conf.join("pods/90-eniclaim.conf")
    }

    /// All files, with what they hold.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), fs::read_to_string(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    fn refuses(&self, part: &str) {
        let error = install(&self.binary, &self.places).unwrap_err().to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
        assert!(!self.places.bin.exists(), "nothing is left");
    }
}

#[test]
fn plugin_and_drop_in_of_the_first_network_are_there() {
    let machine = a_machine();
    assert_eq!(install(&machine.binary, &machine.places).unwrap(), "pods");
    let plugin = machine.places.bin.join("eniclaim");
    assert_eq!(fs::read_to_string(&plugin).unwrap(), "plugin");
    assert_eq!(
        fs::metadata(&plugin).unwrap().permissions().mode() & 0o777,
        0o755
    );
    let drop_in: Value = serde_json::from_slice(&fs::read(machine.drop_in()).unwrap()).unwrap();
    assert_eq!(
        drop_in,
        json!({ "type": "eniclaim", "capabilities": { "io.kubernetes.cri.pod-annotations": true } })
    );
    assert_eq!(
        fs::read_dir(&machine.places.conf).unwrap().count(),
        3,
        "the nudge leaves nothing"
    );
}

#[test]
fn second_install_changes_nothing_and_a_newer_plugin_replaces_the_older() {
    let machine = a_machine();
    install(&machine.binary, &machine.places).unwrap();
    let before = machine.files();
    install(&machine.binary, &machine.places).unwrap();
    assert_eq!(machine.files(), before);
    fs::write(&machine.binary, "newer").unwrap();
    install(&machine.binary, &machine.places).unwrap();
    assert_eq!(
        fs::read_to_string(machine.places.bin.join("eniclaim")).unwrap(),
        "newer"
    );
}

#[test]
fn uninstall_leaves_what_was_before() {
    let machine = a_machine();
    fs::create_dir_all(&machine.places.bin).unwrap();
    let before = machine.files();
    install(&machine.binary, &machine.places).unwrap();
    uninstall(&machine.places).unwrap();
    assert_eq!(machine.files(), before);
    assert!(!machine.places.conf.join("pods").exists());
    uninstall(&machine.places).unwrap();
}

#[test]
fn drop_ins_of_others_stay() {
    let machine = a_machine();
    let others = machine.places.conf.join("pods/50-others.conf");
    fs::create_dir_all(others.parent().unwrap()).unwrap();
    fs::write(&others, "{}").unwrap();
    install(&machine.binary, &machine.places).unwrap();
    uninstall(&machine.places).unwrap();
    assert!(others.exists() && !machine.drop_in().exists());
}

#[test]
fn networks_that_take_no_drop_in_are_told_with_the_way_out() {
    let machine = a_machine();
    machine.configure(
        "05-first.conflist",
        &json!({ "name": "pods", "loadOnlyInlinedPlugins": true, "plugins": [{ "type": "ptp" }] }),
    );
    machine.refuses("loadOnlyInlinedPlugins");
    machine.configure(
        "05-first.conflist",
        &json!({ "name": "../pods", "plugins": [{ "type": "ptp" }] }),
    );
    machine.refuses("cannot be the name of a folder");
    machine.configure(
        "05-first.conflist",
        &json!({ "plugins": [{ "type": "ptp" }] }),
    );
    machine.refuses("has no name");
    machine.configure("04-single.conf", &json!({ "name": "pods", "type": "ptp" }));
    machine.refuses("turn it into a .conflist");
    fs::write(machine.places.conf.join("03-broken.conflist"), "{").unwrap();
    machine.refuses("not JSON");
}

#[test]
fn node_without_a_network_is_told_to_get_one_first() {
    let machine = a_machine();
    for name in ["10-pods.conflist", "20-other.conflist"] {
        fs::remove_file(machine.places.conf.join(name)).unwrap();
    }
    machine.refuses("install a network plugin first");
}
