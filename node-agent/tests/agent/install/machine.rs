//! A machine with a CNI chain, its container runtime, and the agent's installer on it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
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
    install::{CniChain, Keeper, Places, Replaced, Site, State, decision::Reason},
    metrics::Metrics,
};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch::Receiver;

pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct Machine {
    pub folder: TempDir,
    pub places: Places,
    pub replaced: Vec<Replaced>,
}

/// A machine whose first network is `pods`.
pub fn a_machine() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        bin: folder.path().join("bin"),
        conf: folder.path().join("net.d"),
    };
    for path in [&places.bin, &places.conf, &folder.path().join("run")] {
        fs::create_dir_all(path).unwrap();
    }
    let machine = Machine {
        folder,
        places,
        replaced: Vec::new(),
    };
    fs::write(machine.source(), "plugin").unwrap();
    machine.configure("10-pods.conflist", &a_list("pods"));
    machine.configure("20-other.conflist", &a_list("other"));
    machine
}

pub fn a_list(name: &str) -> Value {
    json!({ "cniVersion": "1.0.0", "name": name, "plugins": [{ "type": "ptp" }] })
}

impl Machine {
    pub fn configure(&self, name: &str, configuration: &Value) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, configuration.to_string()).unwrap();
        fs::rename(draft, self.conf(name)).unwrap();
    }

    pub fn conf(&self, name: &str) -> PathBuf {
        self.places.conf.join(name)
    }

    pub fn drop_in(&self) -> PathBuf {
        self.conf("pods/90-eniclaim.conf")
    }

    pub fn plugin(&self) -> PathBuf {
        self.places.bin.join("eniclaim")
    }

    pub fn source(&self) -> PathBuf {
        self.folder.path().join("eniclaim")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run/agent.sock")
    }

    /// All files of the node, with what they hold and which they are.
    pub fn files(&self) -> Vec<(PathBuf, String, u64)> {
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

    pub fn is_installed(&self) -> bool {
        let there = |path| fs::read_to_string(path).unwrap_or_default();
        there(self.plugin()) == "plugin" && there(self.drop_in()).contains("pod-annotations")
    }

    pub fn agent(&self, chain: CniChain) -> Agent {
        let site = Site {
            binary: self.source(),
            places: self.places.clone(),
            chain,
            run: self.folder.path().join("run"),
            replaced: self.replaced.clone(),
        };
        Agent::start(site)
    }
}

/// The agent's installer, running.
pub struct Agent {
    pub runtime: tokio::runtime::Runtime,
    state: Receiver<Option<State>>,
    pub ended: tokio::task::JoinHandle<String>,
    pub metrics: Metrics,
}

impl Agent {
    pub fn start(site: Site) -> Self {
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
    pub fn says(&mut self, status: ConditionStatus, reason: Reason, part: &str) -> State {
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
pub struct Runtime {
    reloads: Arc<AtomicUsize>,
    end: Arc<AtomicUsize>,
}

impl Runtime {
    pub fn start(conf: &Path, reads_drop_ins: bool) -> Self {
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

    pub fn reloads(&self) -> usize {
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

pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5));
    }
}
