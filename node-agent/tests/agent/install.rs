//! The plugin on a node and in its CNI chain, and kept there whatever happens to the files.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use crds::condition::ConditionStatus;
use node_agent::install::{CniChain, decision::Reason};
use serde_json::{Value, json};

use machine::{DEADLINE, Runtime, a_list, a_machine, wait_until};

#[path = "install/links.rs"]
mod links;
#[path = "install/machine.rs"]
mod machine;
#[path = "install/uninstall.rs"]
mod uninstall;

const TRUE: ConditionStatus = ConditionStatus::True;
const FALSE: ConditionStatus = ConditionStatus::False;

#[test]
fn plugin_and_drop_in_of_the_first_network_are_there_and_the_runtime_has_read_them() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, true);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(
        TRUE,
        Reason::Installed,
        "pods/90-eniclaim.conf adds the plugin to 10-pods.conflist",
    );
    assert_eq!(fs::read_to_string(machine.plugin()).unwrap(), "plugin");
    let mode = fs::metadata(machine.plugin()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let drop_in: Value = serde_json::from_slice(&fs::read(machine.drop_in()).unwrap()).unwrap();
    let due = json!({ "type": "eniclaim", "capabilities": { "io.kubernetes.cri.pod-annotations": true } });
    assert_eq!(drop_in, due);
    assert_eq!(
        fs::read_dir(&machine.places.conf).unwrap().count(),
        3,
        "nothing else is left"
    );
}

#[test]
fn restart_of_the_agent_writes_nothing_and_a_newer_plugin_replaces_the_older() {
    let machine = a_machine();
    let runtime = Runtime::start(&machine.places.conf, true);
    machine
        .agent(CniChain::Auto)
        .says(TRUE, Reason::Installed, "");
    let (files, reloads) = (machine.files(), runtime.reloads());
    machine
        .agent(CniChain::Auto)
        .says(TRUE, Reason::Installed, "");
    assert_eq!(machine.files(), files, "no file is another one");
    fs::write(machine.source(), "newer").unwrap();
    machine
        .agent(CniChain::Auto)
        .says(TRUE, Reason::Installed, "");
    assert_eq!(fs::read_to_string(machine.plugin()).unwrap(), "newer");
    assert_eq!(runtime.reloads(), reloads, "the runtime was left alone");
}

#[test]
fn whatever_is_removed_or_changed_is_restored_and_told() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, true);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(TRUE, Reason::Installed, "");
    fs::remove_file(machine.plugin()).unwrap();
    wait_until("the plugin comes back", || machine.is_installed());
    agent.says(TRUE, Reason::Installed, "written again at");
    fs::remove_dir_all(machine.conf("pods")).unwrap();
    wait_until("the drop-in comes back", || machine.is_installed());
    agent.says(TRUE, Reason::Installed, ": pods/90-eniclaim.conf");
    fs::write(machine.drop_in(), "{}").unwrap();
    wait_until("the drop-in is as it was", || machine.is_installed());
    fs::set_permissions(machine.plugin(), Permissions::from_mode(0o600)).unwrap();
    let mode = || fs::metadata(machine.plugin()).unwrap().permissions().mode() & 0o777;
    wait_until("it can be run again", || mode() == 0o755);
    wait_until("it is counted", || {
        agent.metrics.text().contains("plugin_restored_total 4")
    });
}

#[test]
fn list_that_takes_the_first_place_is_followed() {
    let machine = a_machine();
    let runtime = Runtime::start(&machine.places.conf, true);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(TRUE, Reason::Installed, "10-pods");
    let reloads = runtime.reloads();
    machine.configure("05-new.conflist", &a_list("new"));
    agent.says(
        TRUE,
        Reason::Installed,
        "adds the plugin to 05-new.conflist of network new",
    );
    assert!(!machine.conf("pods").exists());
    wait_until("the runtime reads it", || runtime.reloads() > reloads);
    fs::remove_file(machine.conf("05-new.conflist")).unwrap();
    agent.says(TRUE, Reason::Installed, "10-pods");
    assert!(!machine.conf("new").exists() && machine.is_installed());
}

#[test]
fn runtime_that_reads_no_drop_ins_gets_a_list_which_follows_its_base() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, false);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(
        TRUE,
        Reason::Installed,
        "00-eniclaim.conflist is a copy of 10-pods.conflist",
    );
    assert!(!machine.conf("pods").exists(), "not twice in the chain");
    let plugins = || -> Value {
        let text = fs::read(machine.conf("00-eniclaim.conflist")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["plugins"].take()
    };
    assert_eq!(plugins()[1]["type"], "eniclaim");
    let base = fs::read(machine.conf("10-pods.conflist")).unwrap();
    let newer = json!({ "name": "pods", "plugins": [{ "type": "ptp" }, { "type": "portmap" }] });
    machine.configure("10-pods.conflist", &newer);
    wait_until("it is made again", || {
        plugins()[1]["type"] == "portmap" && plugins()[2]["type"] == "eniclaim"
    });
    assert_ne!(
        fs::read(machine.conf("10-pods.conflist")).unwrap(),
        base,
        "nobody else's file is edited"
    );
    drop(agent);
    let files = machine.files();
    machine
        .agent(CniChain::Auto)
        .says(TRUE, Reason::Installed, "00-eniclaim.conflist");
    assert_eq!(machine.files(), files, "nothing is tried again");
}

#[test]
fn drop_in_by_order_that_the_runtime_does_not_read_is_told_with_the_cure() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, false);
    let mut agent = machine.agent(CniChain::DropIn);
    agent.says(FALSE, Reason::DropInIgnored, "set agent.cniChain to auto");
    assert!(machine.drop_in().exists());
}

#[test]
fn node_without_a_network_is_told_and_joined_once_it_has_one() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, true);
    for name in ["10-pods.conflist", "20-other.conflist"] {
        fs::remove_file(machine.conf(name)).unwrap();
    }
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(FALSE, Reason::NoNetwork, "install a network plugin");
    assert!(
        machine.plugin().exists(),
        "a configuration that is left may name it"
    );
    machine.configure("10-pods.conflist", &a_list("pods"));
    agent.says(TRUE, Reason::Installed, "10-pods");
}

#[test]
fn half_a_file_is_not_told_before_it_is_seen_twice() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, true);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(TRUE, Reason::Installed, "");
    fs::write(machine.conf("05-new.conflist"), "{").unwrap();
    agent.says(FALSE, Reason::UnsuitableNetwork, "05-new.conflist");
    assert!(machine.is_installed(), "what is there stays");
    fs::remove_file(machine.conf("05-new.conflist")).unwrap();
    agent.says(TRUE, Reason::Installed, "");
}

#[test]
fn somebody_who_keeps_removing_the_drop_in_is_told_and_not_fought_without_pause() {
    let machine = a_machine();
    let runtime = Runtime::start(&machine.places.conf, true);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(TRUE, Reason::Installed, "");
    let (drop_in, end) = (machine.drop_in(), Arc::new(AtomicUsize::new(0)));
    let ended = end.clone();
    let other = std::thread::spawn(move || {
        while ended.load(Ordering::Relaxed) == 0 {
            drop(fs::remove_file(&drop_in));
            sleep(Duration::from_millis(1));
        }
    });
    agent.says(FALSE, Reason::Contested, "pods/90-eniclaim.conf");
    assert!(runtime.reloads() < 10, "{} reloads", runtime.reloads());
    end.store(1, Ordering::Relaxed);
    other.join().unwrap();
    agent.says(TRUE, Reason::Installed, "");
}

#[test]
fn folder_that_is_replaced_ends_the_agent() {
    let machine = a_machine();
    let _runtime = Runtime::start(&machine.places.conf, true);
    let mut agent = machine.agent(CniChain::Auto);
    agent.says(TRUE, Reason::Installed, "");
    fs::remove_dir_all(&machine.places.bin).unwrap();
    let ended = agent
        .runtime
        .block_on(async { tokio::time::timeout(DEADLINE, agent.ended).await });
    assert!(ended.unwrap().unwrap().contains("was removed or replaced"));
}
