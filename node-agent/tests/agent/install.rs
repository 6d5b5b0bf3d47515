//! The plugin on a node and in its CNI chain, and kept there whatever happens to the files.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use crds::condition::ConditionStatus;
use node_agent::{
    install::{CniChain, Keeper, Places, Site, State, decision::Reason, uninstall},
    metrics::Metrics,
};
use rustix::fs::{
    FlockOperation, flock,
    inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch::Receiver;

const DEADLINE: Duration = Duration::from_secs(20);

struct Machine {
    folder: TempDir,
    places: Places,
}

/// A machine whose first network is `pods`.
fn a_machine() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        bin: folder.path().join("bin"),
        conf: folder.path().join("net.d"),
    };
    for path in [&places.bin, &places.conf, &folder.path().join("run")] {
        fs::create_dir_all(path).unwrap();
    }
    let machine = Machine { folder, places };
    fs::write(machine.source(), "plugin").unwrap();
    machine.configure("10-pods.conflist", &a_list("pods"));
    machine.configure("20-other.conflist", &a_list("other"));
    machine
}

fn a_list(name: &str) -> Value {
    json!({ "cniVersion": "1.0.0", "name": name, "plugins": [{ "type": "ptp" }] })
}

impl Machine {
    fn configure(&self, name: &str, configuration: &Value) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, configuration.to_string()).unwrap();
        fs::rename(draft, self.conf(name)).unwrap();
    }

    fn conf(&self, name: &str) -> PathBuf {
        self.places.conf.join(name)
    }

    fn drop_in(&self) -> PathBuf {
        self.conf("pods/90-eniclaim.conf")
    }

    fn plugin(&self) -> PathBuf {
        self.places.bin.join("eniclaim")
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("eniclaim")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/agent.sock")
    }

    /// All files of the node, with what they hold and which they are.
    fn files(&self) -> Vec<(PathBuf, String, u64)> {
        let mut files = Vec::new();
        let mut folders = vec![self.places.bin.clone(), self.places.conf.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let inode = fs::metadata(&path).unwrap().ino();
                    files.push((path.clone(), fs::read_to_string(path).unwrap(), inode));
                }
            }
        }
        files.sort();
        files
    }

    fn is_installed(&self) -> bool {
        let there = |path| fs::read_to_string(path).unwrap_or_default();
        there(self.plugin()) == "plugin" && there(self.drop_in()).contains("pod-annotations")
    }

    fn agent(&self, chain: CniChain) -> Agent {
        let site = Site {
            binary: self.source(),
            places: self.places.clone(),
            chain,
            run: self.folder.path().join("run"),
        };
        Agent::start(site)
    }
}

/// The agent's installer, running.
struct Agent {
    runtime: tokio::runtime::Runtime,
    state: Receiver<Option<State>>,
    ended: tokio::task::JoinHandle<String>,
    metrics: Metrics,
}

impl Agent {
    fn start(site: Site) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let metrics = Metrics::default();
        let entered = runtime.enter();
        let keeper = Keeper::new(site, metrics.clone());
        let state = keeper.state();
        let ended = runtime.spawn(async { keeper.keep().await.unwrap_err().to_string() });
        drop(entered);
        Self {
            runtime,
            state,
            ended,
            metrics,
        }
    }

    /// Waits for what it says.
    fn says(&mut self, status: ConditionStatus, reason: Reason, part: &str) -> State {
        let state = &mut self.state;
        let so = state.wait_for(|state| {
            state.as_ref().is_some_and(|s| {
                s.status == status && s.reason == reason && s.message.contains(part)
            })
        });
        let found = self.runtime.block_on(async {
            tokio::time::timeout(DEADLINE, so)
                .await
                .map(|s| s.unwrap().clone())
        });
        let Ok(found) = found else {
            let said = self.state.borrow();
            panic!("{reason:?} {part:?} was not said, but {said:?}");
        };
        found.unwrap()
    }
}

/// A container runtime: it reloads when a file is renamed or removed in the folder itself, as containerd does.
struct Runtime {
    reloads: Arc<AtomicUsize>,
    end: Arc<AtomicUsize>,
}

impl Runtime {
    fn start(conf: &Path, reads_drop_ins: bool) -> Self {
        let descriptor = inotify::init(CreateFlags::NONBLOCK).unwrap();
        let flags = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&descriptor, conf, flags).unwrap();
        let (reloads, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, ended, conf) = (reloads.clone(), end.clone(), conf.to_owned());
        std::thread::spawn(move || {
            let mut space = [std::mem::MaybeUninit::uninit(); 4096];
            let mut reader = Reader::new(descriptor, &mut space);
            while ended.load(Ordering::Relaxed) == 0 {
                match reader.next() {
                    // A file that is only made and closed was not written to.
                    Ok(event) if !event.events().contains(ReadFlags::CLOSE_WRITE) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        load(&conf, reads_drop_ins);
                    }
                    Ok(_) => {}
                    Err(_) => sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { reloads, end }
    }

    fn reloads(&self) -> usize {
        self.reloads.load(Ordering::Relaxed)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end.store(1, Ordering::Relaxed);
    }
}

/// As go-cni and libcni do.
fn load(conf: &Path, reads_drop_ins: bool) {
    let mut files: Vec<_> = fs::read_dir(conf)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "conflist"));
    let Some(list) = files.iter().min().and_then(|first| fs::read(first).ok()) else {
        return;
    };
    let list: Value = serde_json::from_slice(&list).unwrap();
    if reads_drop_ins {
        for entry in fs::read_dir(conf.join(list["name"].as_str().unwrap()))
            .into_iter()
            .flatten()
        {
            drop(fs::read(entry.unwrap().path()));
        }
    }
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5));
    }
}

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
