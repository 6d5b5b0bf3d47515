//! Two hundred containers on one bridge, started and stopped at random, while the agent is killed again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{running::wait_until, status::show, task::Task, world::World};

const CONTAINERS: usize = 200;
const WORKERS: usize = 8;
/// What each worker does.
const STEPS: usize = 60;
const GATEWAY: &str = "169.254.172.1";

/// Numbers that look random and are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        for shift in [13, -7, 17] {
            self.0 ^= if shift > 0 {
                self.0 << shift
            } else {
                self.0 >> -shift
            };
        }
        self.0 % end
    }
}

/// An agent that runs alone, as a process that can be killed.
struct Alone {
    folder: TempDir,
    host: String,
    child: Child,
}

impl Alone {
    fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        let host = world.name("host");
        let child = spawn(&folder, &host);
        Self {
            folder,
            host,
            child,
        }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("run/agent.sock")
    }

    fn killed(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder, &self.host);
    }

    /// Addresses in the journal.
    fn journal(&self) -> BTreeSet<String> {
        let files = fs::read_dir(self.folder.path().join("run/ports")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let addresses = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()));
        addresses.filter(|name| name != "common").collect()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(folder: &TempDir, host: &str) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.path().join("log"));
    Command::new("ip")
        .args(["netns", "exec", host, env!("CARGO_BIN_EXE_eniclaim-agent")])
        .args(["run", "--standalone", "--log-format=text"])
        .arg(format!(
            "--socket={}",
            folder.path().join("run/agent.sock").display()
        ))
        .stderr(log.unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn configuration() -> Value {
    json!({
        "type": "ecs-bridge", "cniVersion": "0.4.0", "bridge": "ecs-br0",
        "ipam": { "type": "ecs-ipam", "ipv4-subnet": "169.254.172.0/22" },
    })
}

fn ids(range: std::ops::Range<usize>, id: &str) -> impl Iterator<Item = Value> {
    range.map(move |number| {
        json!({ "cniVersion": "0.3.0", "ipam": { "type": "ecs-ipam", "id": format!("{id}{number}"), "ipv4-subnet": "169.254.172.0/22" } })
    })
}

/// The address that each namespace has on its interface of the bridge.
fn kernel(world: &World, names: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in names {
        let links = world.json(name, "-4 addr show");
        let mut links = links.as_array().unwrap().iter();
        let Some(link) = links.find(|link| link["ifname"] == "eth0") else {
            continue;
        };
        let address = link["addr_info"][0]["local"].as_str().unwrap();
        let before = found.insert(address.to_owned(), name.clone());
        assert_eq!(before, None, "{address} is given twice");
    }
    found
}

/// Cases: P02, P08.
#[test]
fn no_address_is_given_twice_and_none_is_lost_whenever_the_agent_is_killed() {
    let mut world = World::new();
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("c{number}")).collect();
    for name in &names {
        world.namespace(name);
    }
    let mut agent = Alone::start(&world);
    let socket = agent.socket();
    let task = |name| Task::at(&socket, name, "eth0").in_namespace(&world, name);
    let (ended, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_over = AtomicBool::new(false);
    let mut kills = 0;
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (names, task, ended, refused, is_over) =
                (&names, &task, &ended, &refused, &is_over);
            scope.spawn(move || {
                let mut random = Random(0x9e37_79b9 + worker as u64);
                let mine: Vec<_> = names.iter().skip(worker).step_by(WORKERS).collect();
                for _ in 0..STEPS {
                    let name = mine[usize::try_from(random.below(mine.len() as u64)).unwrap()];
                    let verb = if random.below(10) < 6 { "ADD" } else { "DEL" };
                    let (is_success, said) = task(name).run(verb, &configuration());
                    if !is_success {
                        // Without an agent a runtime tries again.
                        assert_eq!((verb, &said["code"]), ("ADD", &json!(11)), "{said}");
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                if ended.fetch_add(1, Ordering::Relaxed) + 1 == WORKERS {
                    is_over.store(true, Ordering::Relaxed);
                }
            });
        }
        let mut random = Random(77);
        while !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20 + random.below(180)));
            agent.killed();
            kills += 1;
        }
    });
    assert!(kills > 20, "killed {kills} times");
    assert!(refused.into_inner() < CONTAINERS, "hardly any ADD worked");
    for name in &names {
        task(name).add(&configuration());
    }
    let given = kernel(&world, &names);
    assert_eq!(given.len(), CONTAINERS);
    let kept: BTreeSet<String> = given.keys().cloned().collect();
    wait_until(|| agent.journal() == kept);
    let (_, shown, _) = show(&socket, "json");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let shown = shown["nodeAccess"].as_array().unwrap().iter();
    let shown: BTreeMap<String, String> = shown
        .map(|access| {
            let address = access["addresses"][0].as_str().unwrap();
            let container = access["containerId"].as_str().unwrap();
            (
                address.trim_end_matches("/22").to_owned(),
                container.to_owned(),
            )
        })
        .collect();
    assert_eq!(shown, given, "the status is what the kernel has");
    let ports = world.json("host", "link show master ecs-br0");
    assert_eq!(ports.as_array().unwrap().len(), CONTAINERS);
    world.serve("host", 8080);
    for name in names.iter().step_by(20) {
        world.reach(name, None, GATEWAY, 8080).unwrap();
    }

    // The other addresses of the subnet are given without an interface: then there is none left.
    let rest = Task::at(&socket, "rest", "eth0")
        .in_namespace(&world, "c0")
        .called("ecs-ipam");
    for asked in ids(0..1021 - CONTAINERS, "rest") {
        rest.add(&asked);
    }
    let late = ids(0..1, "late").next().unwrap();
    let (code, why) = rest.refused(&late);
    assert_eq!(code, 11);
    assert!(
        why.contains("all addresses of the subnet 169.254.172.0/22 are in use"),
        "{why}"
    );
    task(&names[7]).del(&configuration());
    rest.add(&late);
    rest.del(&late);
    for asked in ids(0..1021 - CONTAINERS, "rest") {
        rest.del(&asked);
    }
    for name in &names {
        task(name).del(&configuration());
    }
    assert_eq!(agent.journal(), BTreeSet::new());
    assert_eq!(kernel(&world, &names), BTreeMap::new());
    assert_eq!(world.json("host", "link show master ecs-br0"), json!([]));
    assert_eq!(world.tables("host"), 0);
}
