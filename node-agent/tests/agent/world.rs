//! A node, pods and a VPC made of network namespaces, gone when the test ends, however it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use node_agent::{
    kernel::{link::Drivers, namespace::Namespace, view::Inspector},
    plug::{Eni, Node},
};
use node_agent_core::claim::{Address, DefaultRoute, Dhcp, Interface, Metadata, Mtu};
use rustix::net::{
    AddressFamily, SocketType, bind, connect, socket,
    sockopt::{Timeout, set_socket_timeout},
};
use serde_json::Value;

use crate::running::wait_until;

pub const MAC: &str = "02:ec:00:00:00:0a";
pub const ENI: &str = "eni-0123456789abcdef0";
pub const HOME: &str = "ec02ec0000000a";

/// Runs a program that must succeed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = attempt(program, arguments);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub fn attempt(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed: {e}"))
}

/// Runs a line of `ip` arguments.
pub fn ip(line: &str) -> String {
    run("ip", &line.split_whitespace().collect::<Vec<_>>())
}

/// A set of namespaces with a prefix of its own.
pub struct World {
    prefix: String,
    made: Vec<String>,
    /// Where the agent of this world finds `/proc/sys/net`.
    pub proc_sys_net: PathBuf,
}

impl World {
    /// A host with a device, a VPC router on the other end of the wire, and a pod with its own first interface.
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!(
            "eat{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let mut world = Self {
            prefix,
            made: Vec::new(),
            proc_sys_net: "/proc/sys/net".into(),
        };
        for name in ["host", "vpc"] {
            world.namespace(name);
        }
        world.wire();
        world.pod("pod");
        world
    }

    pub fn name(&self, short: &str) -> String {
        format!("{}-{short}", self.prefix)
    }

    pub fn path(&self, short: &str) -> String {
        format!("/run/netns/{}", self.name(short))
    }

    /// A folder with this world's namespaces alone.
    pub fn namespaces(&self) -> PathBuf {
        let folder = std::env::temp_dir().join(&self.prefix);
        std::fs::create_dir_all(&folder).unwrap();
        for name in &self.made {
            let link = folder.join(name);
            if !link.is_symlink() {
                std::os::unix::fs::symlink(Path::new("/run/netns").join(name), link).unwrap();
            }
        }
        folder
    }

    pub fn namespace(&mut self, short: &str) {
        let name = self.name(short);
        run("ip", &["netns", "add", &name]);
        self.made.push(name);
        self.ip(short, "link set lo up");
    }

    /// Lets a namespace die: what is in it goes when nobody holds it any more.
    pub fn kill(&mut self, short: &str) {
        let name = self.name(short);
        run("ip", &["netns", "del", &name]);
        self.made.retain(|made| *made != name);
    }

    /// Makes the device appear on the host, with the VPC at its other end.
    pub fn wire(&self) {
        let (host, vpc) = (self.name("host"), self.name("vpc"));
        ip(&format!(
            "-n {host} link add eth1 address {MAC} type veth peer name eni0a netns {vpc}"
        ));
        self.ip("vpc", "addr add 10.0.1.1/24 dev eni0a");
        self.ip("vpc", "link set eni0a up");
        // What a router would answer for: other subnets, and the metadata service.
        self.ip("vpc", "addr replace 10.0.9.9/32 dev lo");
        self.ip("vpc", "addr replace 169.254.169.254/32 dev lo");
    }

    /// A pod whose first interface leads to the host.
    pub fn pod(&mut self, short: &str) {
        self.namespace(short);
        let (host, pod, index) = (self.name("host"), self.name(short), self.made.len());
        ip(&format!(
            "-n {host} link add veth{index} type veth peer name eth0 netns {pod}"
        ));
        self.ip("host", &format!("link set veth{index} up"));
        self.ip(short, "addr add 10.244.1.2/24 dev eth0");
        self.ip(short, "link set eth0 up");
        self.ip(short, "route add default via 10.244.1.1");
        // The kernel says some time later that a link is up.
        self.wait_until(|world| {
            let links = world.json(short, "link show eth0");
            links[0]["operstate"] == "UP"
        });
    }

    /// Gives a link that is up another name: before Linux 6.2 only one that is down takes it.
    pub fn rename(&self, short: &str, link: &str, name: &str) {
        self.ip(short, &format!("link set {link} down"));
        self.ip(short, &format!("link set {link} name {name}"));
        self.ip(short, &format!("link set {name} up"));
    }

    pub fn ip(&self, short: &str, line: &str) -> String {
        ip(&format!("-n {} {line}", self.name(short)))
    }

    pub fn json(&self, short: &str, line: &str) -> Value {
        let text = self.ip(short, &format!("-j {line}"));
        if text.trim().is_empty() {
            Value::Array(Vec::new())
        } else {
            serde_json::from_str(&text).unwrap()
        }
    }

    /// Runs a program inside a namespace.
    pub fn exec(&self, short: &str, program: &[&str]) -> Output {
        let name = self.name(short);
        attempt("ip", &[&["netns", "exec", &name], program].concat())
    }

    pub fn nft(&self, short: &str) -> Value {
        let output = self.exec(short, &["nft", "-j", "list", "ruleset"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How many tables nftables has in a namespace.
    pub fn tables(&self, short: &str) -> usize {
        let ruleset = self.nft(short);
        let objects = ruleset["nftables"].as_array().unwrap().iter();
        objects
            .filter(|object| object.get("table").is_some())
            .count()
    }

    /// All that ip and nft say about a namespace, without what counts by itself.
    pub fn portrait(&self, short: &str) -> Value {
        let mut parts: Vec<_> = [
            "link",
            "addr",
            "route show table all",
            "-6 route show table all",
            "rule",
            "-6 rule",
        ]
        .map(|line| self.json(short, line))
        .into();
        parts.push(self.nft(short));
        let mut portrait = Value::Array(parts);
        without_what_settles(&mut portrait);
        portrait
    }

    pub fn netns(&self, short: &str) -> Namespace {
        Namespace::open(&self.path(short)).unwrap()
    }

    pub fn inspector(&self) -> Inspector {
        let features = self
            .netns("host")
            .inside(|| Inspector::features(Path::new("/proc/sys/net")))
            .unwrap()
            .unwrap();
        Inspector {
            drivers: Drivers {
                for_tests: vec!["veth".into()],
            },
            proc_sys_net: self.proc_sys_net.clone(),
            features,
        }
    }

    pub fn node(&self) -> Node {
        Node::new(self.netns("host"), self.inspector())
    }

    pub fn has_link(&self, short: &str, name: &str) -> bool {
        self.json(short, "link")
            .as_array()
            .unwrap()
            .iter()
            .any(|link| link["ifname"] == name)
    }

    /// Accepts connections in a namespace, on every address, until the test ends.
    pub fn serve(&self, short: &str, port: u16) {
        let listener = self
            .netns(short)
            .inside(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))
            .unwrap()
            .unwrap();
        std::thread::spawn(move || listener.incoming().for_each(drop));
    }

    /// Connects from a namespace, from an address of it if one is given.
    pub fn reach(&self, short: &str, from: Option<&str>, to: &str, port: u16) -> io::Result<()> {
        let to: IpAddr = to.parse().unwrap();
        let family = if to.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let attempt = || {
            let socket = socket(family, SocketType::STREAM, None)?;
            set_socket_timeout(&socket, Timeout::Send, Some(Duration::from_secs(2)))?;
            if let Some(from) = from {
                bind(&socket, &SocketAddr::new(from.parse().unwrap(), 0))?;
            }
            connect(&socket, &SocketAddr::new(to, port))
        };
        Ok(self.netns(short).inside(attempt).unwrap()?)
    }

    /// Waits for something that the kernel does in its own time.
    pub fn wait_until(&self, mut so: impl FnMut(&Self) -> bool) {
        wait_until(|| so(self));
    }

    /// The device, and so its other end, goes with a namespace, once nobody holds that.
    pub fn wait_until_the_veth_is_gone(&self) {
        self.wait_until(|world| !world.has_link("vpc", "eni0a"));
    }

    /// The link with the ENI's address, wherever it is.
    pub fn device(&self, short: &str) -> Option<Value> {
        self.json(short, "addr")
            .as_array()
            .unwrap()
            .iter()
            .find(|link| link["address"] == MAC)
            .cloned()
    }
}

/// The kernel makes and checks `fe80::` addresses, makes their routes, and says that a link has its carrier in its own time, up to
/// two seconds.
fn without_what_settles(value: &mut Value) {
    let is_link_local = |value: &Value| {
        ["local", "dst"].iter().any(|key| {
            let text = value.get(key).and_then(Value::as_str);
            text.is_some_and(|text| text.starts_with("fe80::") || text == "ff00::/8")
        })
    };
    match value {
        Value::Array(values) => {
            values.retain(|value| !is_link_local(value));
            values.retain(|value| value != "NO-CARRIER" && value != "LOWER_UP");
            values.iter_mut().for_each(without_what_settles);
        }
        Value::Object(fields) => {
            fields.remove("operstate");
            fields.values_mut().for_each(without_what_settles);
        }
        _ => {}
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in &self.made {
            drop(Command::new("ip").args(["netns", "del", name]).output());
        }
        drop(std::fs::remove_dir_all(
            std::env::temp_dir().join(&self.prefix),
        ));
    }
}

pub fn an_eni() -> Eni {
    Eni {
        mac: MAC.parse().unwrap(),
        id: ENI.into(),
    }
}

pub fn an_interface() -> Interface {
    Interface {
        name: "eni0".into(),
        mtu: Mtu::Usual,
        up: true,
        leased_mtu: None,
        node_access: None,
        metadata: Metadata::Blocked,
        addresses: vec![Address {
            ip: "10.0.1.50".parse().unwrap(),
            prefix: 24,
            gateway: Some("10.0.1.1".parse().unwrap()),
        }],
        prefixes: vec![],
        default_route: DefaultRoute::Never,
        destinations: Vec::new(),
        cluster: BTreeSet::new(),
        sysctls: BTreeMap::new(),
        dhcp: Dhcp::OFF,
    }
}
