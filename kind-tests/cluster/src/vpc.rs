//! The machines of a cluster: instances of a simulated VPC, each a network namespace.

use std::{
    env,
    fmt::Write as _,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    error::{ClusterError, Result, at},
    made::{Made, Thing},
    process::{feed, run},
    signals,
};

/// The subnet of the control plane and of peers.
pub(crate) const CONTROL_SUBNET: &str = "subnet-000000000000000a0";
/// The subnet of the nodes and of the pods' ENIs.
pub(crate) const NODE_SUBNET: &str = "subnet-000000000000000a1";
/// The security group of the nodes and of the control plane.
pub(crate) const NODE_GROUP: &str = "sg-000000000000000a1";

/// Where network namespaces have their names, ip-netns(8).
pub(crate) fn netns_path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Makes a network namespace of a cluster.
pub(crate) fn make_netns(made: &Made, name: &str) -> Result<()> {
    let _gate = signals::gate();
    made.record(Thing::Netns, name)?;
    let mut ip = Command::new("ip");
    run(ip.args(["netns", "add", name]), Stdio::null()).map(drop)
}

/// A program that is built beside the one that runs: in the same folder, or above `deps/` for a test.
pub(crate) fn beside(program: &'static str) -> Result<PathBuf> {
    let exe = at("/proc/self/exe", env::current_exe())?;
    let folders = exe.ancestors().skip(1).take(2);
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or(ClusterError::NotBuilt(program, exe))
}

/// An instance to start.
pub(crate) struct Machine<'a> {
    pub(crate) netns: &'a str,
    pub(crate) address: &'a str,
    pub(crate) subnet: &'a str,
    pub(crate) groups: &'a [&'a str],
    pub(crate) kind: &'a str,
    /// The pods' network behind this instance, routed to it by the VPC.
    pub(crate) pods: Option<&'a str>,
    /// How many IPv6 addresses it has.
    pub(crate) ipv6: u32,
}

/// Where an instance runs, as its node should say.
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) zone: String,
}

/// The simulated VPC of a cluster, by its control socket.
#[derive(Debug, Clone)]
pub(crate) struct Vpc {
    socket: PathBuf,
    made: Made,
}

impl Vpc {
    /// The VPC of the cluster in this folder.
    pub(crate) fn of(state: &Path) -> Self {
        Self {
            socket: state.join("vpc/sim.sock"),
            made: Made::of(state),
        }
    }

    /// Makes a network namespace, and an instance of it with a working `eth0`.
    pub(crate) fn launch(&self, machine: &Machine) -> Result<Instance> {
        let Machine {
            netns,
            address,
            subnet,
            groups,
            kind,
            pods,
            ipv6,
        } = *machine;
        make_netns(&self.made, netns)?;
        let answer = self.request(
            "POST",
            "/sim/instances",
            Some(&json!({
                "name": netns, "netns": netns, "subnetId": subnet, "privateIp": address, "instanceType": kind,
                "securityGroupIds": groups, "routes": pods.into_iter().collect::<Vec<_>>(), "sourceDestCheck": pods.is_none(),
                "ipv6AddressCount": ipv6,
            })),
        )?;
        let gateway = address.rsplit_once('.').map_or("", |(network, _)| network);
        let mut setup = format!(
            "link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\nroute add default via {gateway}.1\n"
        );
        let ipv6 = answer.get("ipv6Addresses").and_then(Value::as_array);
        for address in ipv6.into_iter().flatten().filter_map(Value::as_str) {
            // Duplicate address detection would keep it for a second.
            let _ = writeln!(setup, "addr add {address}/128 dev eth0 nodad");
            let _ = writeln!(setup, "route replace ::/0 via fe80:ec2::1 dev eth0");
        }
        feed(
            Command::new("ip").args(["-n", netns, "-batch", "-"]),
            &setup,
        )?;
        let field = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Instance {
            id: field("instanceId"),
            zone: field("zone"),
        })
    }

    /// One request to the control socket; the answer's body.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let unanswered = |source| ClusterError::SimAnswer {
            method: method.to_owned(),
            path: path.to_owned(),
            source,
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let (status, answer) = self.exchange(method, path, &body).map_err(unanswered)?;
        if !status.starts_with('2') {
            return Err(ClusterError::Sim {
                method: method.to_owned(),
                path: path.to_owned(),
                status,
                body: answer,
            });
        }
        if answer.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).map_err(|error| unanswered(error.into()))
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<(String, String)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: vpc-sim\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer");
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
        let status = head
            .lines()
            .next()
            .and_then(|line| line.split_once(' '))
            .ok_or_else(malformed)?
            .1;
        Ok((status.to_owned(), body.to_owned()))
    }
}
