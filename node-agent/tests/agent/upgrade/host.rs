//! A host whose agents are processes over one state.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    net::sockopt::socket_peercred,
    process::{Pid, Signal, kill_process},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{running::wait_until, task::Task, world::World};

const GATEWAY: &str = "10.7.0.1";
/// It has five addresses for containers.
const SUBNET: &str = "10.7.0.0/29";
const PORT: u16 = 8080;
/// Of connections that stay open.
const OPEN: u16 = 8081;
/// An agent waits for 30 s for the one before it.
const DEADLINE: Duration = Duration::from_mins(1);
/// The container that comes and goes all the time.
pub const BUSY: &str = "x";

/// A host without Kubernetes, with namespaces for containers.
pub struct Host {
    pub world: World,
    folder: TempDir,
}

impl Host {
    pub fn new() -> Self {
        let (mut world, folder) = (World::new(), tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("run")).unwrap();
        world.serve("host", PORT);
        for short in ["a", "b", "c", "d", "e", "f", BUSY] {
            world.namespace(short);
            world.serve(short, PORT);
        }
        Self { world, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts an agent, which writes its log under this name.
    pub fn start(&self, name: &str) -> Agent {
        let log = self.path(name);
        let child = Command::new("ip")
            .args(["netns", "exec", &self.world.name("host")])
            .args([env!("CARGO_BIN_EXE_eniclaim-agent"), "run"])
            .args(["--standalone", "--log-format=json"])
            .arg(format!(
                "--socket={}",
                self.path("run/agent.sock").display()
            ))
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Agent { child, log }
    }

    /// The process that listens for the plugin.
    pub fn listener(&self) -> Option<Pid> {
        let stream = UnixStream::connect(self.path("run/agent.sock")).ok()?;
        Some(socket_peercred(&stream).unwrap().pid)
    }

    pub fn wait_for(&self, agent: &Agent) {
        wait_until(|| self.listener() == Some(agent.pid()));
    }

    /// Waits until whoever has not the lock has tried to take it twice. Each attempt truncates the file.
    pub fn wait_for_attempts(&self) {
        let attempt = || {
            let lock = fs::metadata(self.path("run/agent.lock")).unwrap();
            (lock.mtime(), lock.mtime_nsec())
        };
        let mut last = attempt();
        for _ in 0..2 {
            wait_until(|| attempt() != last);
            last = attempt();
        }
    }

    pub fn task<'a>(&self, short: &'a str) -> Task<'a> {
        Task::at(&self.path("run/agent.sock"), short, "eth0").in_namespace(&self.world, short)
    }

    /// Adds a container; its address.
    pub fn add(&self, short: &str) -> String {
        given(&self.task(short).add(&bridge()))
    }

    pub fn del(&self, short: &str) {
        self.task(short).del(&bridge());
        assert!(!self.world.has_link(short, "eth0"), "{short} has its port");
    }

    /// The node and the container with this address reach each other.
    pub fn is_connected(&self, short: &str, ip: &str) {
        self.world.reach(short, None, GATEWAY, PORT).unwrap();
        self.world.reach("host", None, ip, PORT).unwrap();
    }

    /// How many ports the journal has.
    pub fn ports(&self) -> usize {
        let files = fs::read_dir(self.path("run/ports")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name != "common.json" && name != ".unreadable")
            .count()
    }

    /// A connection from a container to the node.
    pub fn open(&self, short: &str) -> Connection {
        let listener = self.world.netns("host");
        let listener = listener.inside(|| TcpListener::bind((GATEWAY, OPEN)));
        let listener = listener.unwrap().unwrap();
        let container = self.world.netns(short);
        let container = container.inside(|| TcpStream::connect((GATEWAY, OPEN)));
        Connection(container.unwrap().unwrap(), listener.accept().unwrap().0)
    }

    /// Deletes these containers, after which nothing is left but the bridge.
    pub fn empty(&self, all: &[&str]) {
        for short in all {
            self.del(short);
            self.del(short);
        }
        assert_eq!(self.ports(), 0);
        assert_eq!(self.world.tables("host"), 0);
        let links = self.world.json("host", "link show master ecs-br0");
        assert_eq!(links, json!([]));
    }
}

pub fn bridge() -> Value {
    json!({
        "type": "ecs-bridge", "cniVersion": "0.4.0", "bridge": "ecs-br0",
        "ipam": { "type": "ecs-ipam", "ipv4-subnet": SUBNET },
    })
}

/// The address in a result.
pub fn given(result: &Value) -> String {
    let address = result["ips"][0]["address"].as_str().unwrap();
    address.split('/').next().unwrap().to_owned()
}

pub struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Both ends of a connection.
pub struct Connection(TcpStream, TcpStream);

impl Connection {
    pub fn passes(&mut self) {
        let Self(here, there) = self;
        pass(here, there);
        pass(there, here);
    }
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    to.set_read_timeout(Some(DEADLINE)).unwrap();
    from.write_all(b"x").unwrap();
    to.read_exact(&mut [0]).unwrap();
}
