//! The running program, network namespaces that play instances and pods, and what is asked of them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const CREATE_DELAY: Duration = Duration::from_millis(100);
pub const ATTACH_DELAY: Duration = Duration::from_millis(300);
pub const DETACH_DELAY: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_secs(20);
/// How long a connection that no rule lets in is waited for. A first packet that is lost is sent again after a second (`TCP_TIMEOUT_INIT`,
/// `include/net/tcp.h`): a link that has just been set up may drop one.
const REFUSED_AFTER: Duration = Duration::from_millis(1_500);

/// A running vpc-sim and its namespaces; all is gone when it is dropped.
pub struct Machine {
    pub prefix: String,
    pub child: Child,
    folder: TempDir,
    /// Arguments beside the usual ones.
    arguments: Vec<String>,
    namespaces: Vec<String>,
}

impl Machine {
    /// Returns once the program says that it serves.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with these arguments; `{}` in one stands for the machine's folder.
    pub fn start_with(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("vpcsim{}x{n}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display().to_string();
        let arguments: Vec<String> = arguments.iter().map(|a| a.replace("{}", &here)).collect();
        let child = run(&prefix, &folder, &arguments);
        Self {
            prefix,
            child,
            folder,
            arguments,
            namespaces: Vec::new(),
        }
    }

    /// Kills the program as a crash would, and starts it again under the same prefix.
    pub fn crash_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.restart();
    }

    /// Starts the program that has ended again, under the same prefix.
    pub fn restart(&mut self) {
        self.child = run(&self.prefix, &self.folder, &self.arguments);
    }

    pub fn stop(&mut self, signal: Signal) -> bool {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().success()
    }

    pub fn vpc_namespace(&self) -> String {
        format!("{}-vpc", self.prefix)
    }

    /// An empty network namespace.
    pub fn namespace(&mut self, name: &str) -> String {
        let name = format!("{}-{name}", self.prefix);
        ip(&format!("netns add {name}"));
        self.namespaces.push(name.clone());
        ip(&format!("-n {name} link set lo up"));
        name
    }

    /// An instance with a configured `eth0`: its namespace and its id.
    pub fn instance(&mut self, name: &str, address: &str, group: &str) -> (String, String) {
        let netns = self.namespace(name);
        let subnet = if address.starts_with("10.0.0.") {
            "subnet-000000000000000a0"
        } else {
            "subnet-000000000000000a1"
        };
        let new = json!({
            "name": name, "netns": netns, "subnetId": subnet, "privateIp": address, "instanceType": "m5.large",
            "securityGroupIds": [group], "routes": [format!("10.244.{}.0/24", address.rsplit('.').next().unwrap())],
            "sourceDestCheck": false,
        });
        let (status, instance) = self.sim("POST", "/sim/instances", &new.to_string());
        assert_eq!(status, 200, "{instance}");
        configure(&netns, "eth0", address);
        (netns, instance["instanceId"].as_str().unwrap().to_owned())
    }

    /// A file of the machine's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks the control socket.
    pub fn sim(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let socket = UnixStream::connect(self.folder.path().join("sim.sock")).unwrap();
        let (status, body) = http(socket, method, path, &[], body).expect("an answer");
        (status, serde_json::from_str(&body).unwrap())
    }

    pub fn audit(&self) -> Value {
        self.sim("GET", "/sim/audit", "").1
    }
}

/// Makes an EC2 call from `netns`; `None` if the connection ended without an answer.
pub fn call(netns: &str, form: &str) -> Option<(u16, String)> {
    call_at(netns, "POST", "/", form)
}

/// The same by another method or to another path.
pub fn call_at(netns: &str, method: &str, path: &str, form: &str) -> Option<(u16, String)> {
    let scope = "AKIA/20260101/us-east-1/ec2/aws4_request";
    let header = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    );
    let (method, path, form) = (method.to_owned(), path.to_owned(), form.to_owned());
    within(netns, move || {
        let stream =
            TcpStream::connect_timeout(&"192.0.2.1:80".parse().unwrap(), DEADLINE).unwrap();
        http(stream, &method, &path, &[&header], &form)
    })
}

/// Creates an interface of the group `app` and waits until it is available: its id, MAC and address.
pub fn available_eni(netns: &str) -> (String, String, String) {
    let form = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&SecurityGroupId.1=sg-000000000000000a2";
    let (status, body) = call(netns, form).unwrap();
    assert_eq!(status, 200, "{body}");
    let id = text(&body, "networkInterfaceId");
    await_available(netns, &id);
    (
        id,
        text(&body, "macAddress"),
        text(&body, "privateIpAddress"),
    )
}

pub fn await_available(netns: &str, eni: &str) {
    let describe = format!("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1={eni}");
    eventually("interface is available", || {
        let body = call(netns, &describe).unwrap().1;
        body.contains("<status>available</status>").then_some(())
    });
}

/// The attachment's id.
pub fn attach(netns: &str, eni: &str, instance: &str) -> String {
    attach_at(netns, eni, instance, 2)
}

/// The same at another index than 2.
pub fn attach_at(netns: &str, eni: &str, instance: &str, device: u32) -> String {
    let form = format!(
        "Action=AttachNetworkInterface&NetworkInterfaceId={eni}&InstanceId={instance}&DeviceIndex={device}"
    );
    let (status, body) = call(netns, &form).unwrap();
    assert_eq!(status, 200, "{body}");
    text(&body, "attachmentId")
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The program may have ended already; what it left would show in the next run's names.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
        for name in self.namespaces.iter().chain([&self.vpc_namespace()]) {
            let _ = Command::new("ip")
                .args(["netns", "del", name])
                .stderr(Stdio::null())
                .status();
        }
    }
}

fn run(prefix: &str, folder: &TempDir, arguments: &[String]) -> Child {
    let delay = |name: &str, delay: Duration| format!("--{name}-delay={}ms", delay.as_millis());
    // Programs that a test puts into the folder's `bin` are found first.
    let path = std::env::var("PATH").unwrap();
    let bin = folder.path().join("bin");
    let mut child = Command::new(env!("CARGO_BIN_EXE_vpc-sim"))
        .env("PATH", format!("{}:{path}", bin.display()))
        .args(["serve", "--prefix", prefix, "--state-dir"])
        .arg(folder.path())
        .args([
            delay("create", CREATE_DELAY),
            delay("attach", ATTACH_DELAY),
            delay("detach", DETACH_DELAY),
        ])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// Gives a device its address and the way to the VPC's router, as a node or pod does.
pub fn configure(netns: &str, device: &str, address: &str) {
    let gateway = format!("{}.1", address.rsplit_once('.').unwrap().0);
    ip(&format!(
        "-n {netns} addr replace {address}/24 dev {device}"
    ));
    ip(&format!("-n {netns} link set {device} up"));
    ip(&format!("-n {netns} route replace default via {gateway}"));
}

/// Runs `ip` and expects success.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub fn exists(netns: &str) -> bool {
    std::path::Path::new("/run/netns").join(netns).exists()
}

/// The device with this MAC in a namespace, as `ip -j` shows it.
pub fn device(netns: &str, mac: &str) -> Option<Value> {
    let links: Vec<Value> = serde_json::from_str(&ip(&format!("-n {netns} -j link show"))).unwrap();
    links.into_iter().find(|link| link["address"] == mac)
}

/// Runs `act` on a thread inside a namespace.
pub fn within<T: Send + 'static>(netns: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(format!("/run/netns/{netns}")).unwrap();
    let thread = thread::spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        act()
    });
    thread.join().unwrap()
}

/// Listens in a namespace for as long as the listener is kept; the kernel completes handshakes by itself.
pub fn listen(netns: &str, address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().unwrap();
    within(netns, move || TcpListener::bind(address).unwrap())
}

/// Whether a TCP connection from a namespace comes about.
pub fn reaches(netns: &str, to: &str) -> bool {
    let to: SocketAddr = to.parse().unwrap();
    within(netns, move || {
        TcpStream::connect_timeout(&to, REFUSED_AFTER).is_ok()
    })
}

/// One HTTP exchange; `None` if the other side closes without an answer.
pub fn http(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Option<(u16, String)> {
    let headers: Vec<String> = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n{}",
        headers.concat()
    );
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The text of the first element `name`.
pub fn text(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("<{name}>")).unwrap().1;
    after.split_once('<').unwrap().0.to_owned()
}

/// Waits until `look` sees something.
pub fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            begin.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
