//! The agent as a process, on a node of its own and without an API server.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use node_agent::http::bind;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::{http::get, running::wait_until, world::World};

const DEADLINE: Duration = Duration::from_secs(30);
const PORT: u16 = 9377;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Process {
    world: World,
    folder: TempDir,
    child: Child,
}

impl Process {
    /// Starts an agent on a node whose network takes the plugin.
    fn start(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["run", "bin", "net.d"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("eniclaim"), "plugin").unwrap();
        let list = json!({ "name": "pods", "plugins": [{ "type": "ptp" }] });
        fs::write(path("net.d/10-pods.conflist"), list.to_string()).unwrap();
        let nobody = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": "http://127.0.0.1:1" } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "users": [{ "name": "u", "user": {} }],
        });
        fs::write(path("kubeconfig"), nobody.to_string()).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &world.name("host")])
            .args([env!("CARGO_BIN_EXE_eniclaim-agent"), "run"])
            .args([
                "--node-name=n1",
                "--pod-uid=u",
                "--pod-namespace=eniclaim",
                "--cni-chain=conflist",
                "--log-format=json",
                "--log-level=debug",
            ])
            .arg(format!("--http-port={PORT}"))
            .arg(format!("--socket={}", path("run/agent.sock")))
            .arg(format!("--plugin={}", path("eniclaim")))
            .arg(format!("--cni-bin-dir={}", path("bin")))
            .arg(format!("--cni-conf-dir={}", path("net.d")))
            .env("KUBECONFIG", path("kubeconfig"))
            .stderr(File::create(path("log")).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            world,
            folder,
            child,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let get = || get(LOCAL, PORT, path);
        self.world.netns("host").inside(get).unwrap()
    }

    fn is_installed(&self) -> bool {
        self.path("bin/eniclaim").exists() && self.path("net.d/00-eniclaim.conflist").exists()
    }

    fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        self.end()
    }

    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn agent_installs_serves_and_ends_with_a_signal() {
    let mut agent = Process::start(World::new());
    wait_until(|| agent.get("/livez").is_some_and(|(status, _)| status == 200));
    assert!(agent.is_installed(), "before it takes requests");
    let (status, body) = agent.get("/readyz").unwrap();
    assert_eq!(
        (status, body.contains("no list of this node's claims")),
        (503, true)
    );
    let mode = fs::metadata(agent.path("run"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(agent.terminate().success(), "{}", agent.log());
    assert!(agent.log().contains("ending"));
    for line in agent.log().lines() {
        let fields = telemetry::line::read(line).unwrap();
        assert_eq!(fields["node"], "n1", "{line}");
    }
    assert!(agent.is_installed(), "its end removes nothing");
}

#[test]
fn agent_whose_port_is_taken_serves_pods_and_gets_the_port_once_it_is_free() {
    let world = World::new();
    let taken = world.netns("host").inside(|| bind(PORT)).unwrap().unwrap();
    let mut agent = Process::start(world);
    wait_until(|| agent.log().contains("set agent.httpPort"));
    wait_until(|| agent.is_installed() && agent.path("run/agent.sock").exists());
    assert!(agent.child.try_wait().unwrap().is_none());
    drop(taken);
    wait_until(|| agent.get("/livez").is_some_and(|(status, _)| status == 200));
    assert!(agent.terminate().success());
}

#[test]
fn agent_that_loses_a_part_ends_and_names_it() {
    let mut agent = Process::start(World::new());
    wait_until(|| agent.get("/livez").is_some());
    fs::remove_dir_all(agent.path("net.d")).unwrap();
    assert!(!agent.end().success());
    let log = agent.log();
    assert!(
        log.contains("the installation failed") && log.contains("was removed or replaced"),
        "{log}"
    );
}

#[test]
fn uninstall_says_what_it_did_without_colours_and_a_wrong_level_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(path("bin")).unwrap();
    fs::create_dir(path("net.d")).unwrap();
    let uninstall = |level: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_eniclaim-agent"))
            .args(["uninstall", level])
            .arg(format!("--socket={}", path("agent.sock")))
            .arg(format!("--cni-bin-dir={}", path("bin")))
            .arg(format!("--cni-conf-dir={}", path("net.d")))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), said)
    };
    let (done, said) = uninstall("--log-level=info");
    assert!(
        done && said.contains("the CNI plugin eniclaim is removed"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said}");
    let (done, said) = uninstall("--log-level=loud");
    assert!(
        !done && said.contains("\"loud\" is no level; a level is off, error, warn"),
        "{said}"
    );
}
