//! The examples in the documents of plugins that are replaced, to the letter, as libcni runs them by the names of those plugins.

#[path = "replaced/ecs_bridge.rs"]
mod ecs_bridge;
#[path = "replaced/ecs_eni.rs"]
mod ecs_eni;
#[path = "replaced/enim.rs"]
mod enim;

use std::{
    env,
    fs::{self, create_dir_all},
    io::Write,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
};

use cni::config::{PLUGIN, REPLACED};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::runtime::Said;
use crate::{
    running::{Agent, a_claim},
    world::World,
};

const PORT: u16 = 8080;
const METADATA: &str = "169.254.169.254";

/// The pod as kubelet's runtimes name it.
const POD: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1";

/// The versions in which the examples are run: their own, the first one with CHECK, and the newest.
const VERSIONS: [&str; 3] = ["0.3.0", "0.4.0", "1.1.0"];

/// The text with more keys, each as it is written in JSON.
fn with(text: &str, keys: &str) -> String {
    text.replacen('{', &format!("{{{keys},"), 1)
}

/// cnitool finds a network by its name, which no example of the ECS plugins has.
fn named(text: &str) -> String {
    with(text, r#""name":"examplenet""#)
}

/// The text in another version than that of its document.
fn speaking(text: &str, version: &str) -> String {
    text.replace(
        r#""cniVersion":"0.3.0""#,
        &format!(r#""cniVersion":"{version}""#),
    )
}

/// A container runtime on the node of a world. The plugin lies beside upstream's under the names that it replaces, and the agent listens
/// at the place that a configuration need not say.
struct Runtime {
    world: World,
    agent: Agent,
    folder: TempDir,
    arguments: &'static str,
}

impl Runtime {
    /// With the container `task` in a namespace with nothing in it but `lo`.
    fn new() -> Self {
        let mut world = World::new();
        world.namespace("task");
        let agent = Agent::start(&world);
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "net.d", "lib", "run/netns", "run/eniclaim"] {
            create_dir_all(folder.path().join(name)).unwrap();
        }
        // As the agent installs it.
        let bin = folder.path().join("bin");
        let program =
            PathBuf::from(env!("CARGO_BIN_EXE_eniclaim-agent")).with_file_name("eniclaim");
        assert!(program.exists(), "the plugin: run `make build`");
        symlink(program, bin.join(PLUGIN)).unwrap();
        for name in REPLACED {
            symlink(PLUGIN, bin.join(name)).unwrap();
        }
        world.serve("host", PORT);
        world.serve("vpc", PORT);
        world.serve("task", PORT);
        Self {
            world,
            agent,
            folder,
            arguments: "",
        }
    }

    /// With a pod that has a claim.
    fn of_a_pod() -> Self {
        let runtime = Self::new();
        runtime.agent.list(vec![a_claim()]);
        Self {
            arguments: POD,
            ..runtime
        }
    }

    /// What `cnitool add`, `check` or `del` does with this text as the network `examplenet`.
    fn cnitool(&self, verb: &str, text: &str) -> Said {
        let networks = self.folder.path().join("net.d");
        fs::write(networks.join("10-examplenet.conf"), text).unwrap();
        let mut command = self.program("cnitool");
        command
            .args([verb, "examplenet", &self.world.path("task")])
            .env("NETCONFPATH", networks)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_ARGS", self.arguments);
        said(command, "")
    }

    /// What `cat mynet.conf | ../bin/name` does with this text.
    fn piped(&self, name: &str, text: &str, environment: &[(&str, &str)]) -> Said {
        let mut command = self.program(name);
        command
            .env("CNI_ARGS", self.arguments)
            .envs(environment.iter().copied());
        said(command, text)
    }

    /// A program on the node. What it keeps in `/var/lib` is this test's, and the agent's folder is in `/run` for it alone.
    fn program(&self, name: &str) -> Command {
        const PLACES: &str = "set -e
            mount --bind \"$0/lib\" /var/lib
            mount --rbind /run/netns \"$0/run/netns\"
            mount --bind \"$1\" \"$0/run/eniclaim\"
            mount --rbind \"$0/run\" /run
            shift
            exec \"$@\"";
        let folders = [
            self.folder.path().join("bin"),
            cluster::cni_plugins().unwrap(),
        ];
        let program = folders.iter().map(|folder| folder.join(name));
        let program = program.into_iter().find(|program| program.exists());
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.world.name("host")])
            .args(["sh", "-c", PLACES])
            .arg(self.folder.path())
            .arg(self.agent.folder().path())
            .arg(program.expect("the program"))
            .env("CNI_PATH", env::join_paths(&folders).unwrap());
        command
    }

    /// ADD with what `looks` at it, CHECK where the version has it, and DEL twice, after which nothing is left.
    fn serves(&self, text: &str, version: &str, looks: impl FnOnce(&Value)) {
        self.adds(text, version, looks);
        for _ in 0..2 {
            assert_eq!(self.cnitool("del", text), Ok(Value::Null), "{version}");
            self.has_nothing(version);
        }
    }

    fn adds(&self, text: &str, version: &str, looks: impl FnOnce(&Value)) {
        let added = self.cnitool("add", text);
        let added = added.unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(added["cniVersion"], version);
        looks(&added);
        match self.cnitool("check", text) {
            Ok(checked) => assert!(version != "0.3.0" && checked.is_null(), "{checked}"),
            Err(error) => assert!(
                version == "0.3.0" && error.contains("does not support the CHECK command"),
                "{version}: {error}"
            ),
        }
    }

    /// Neither container nor node nor journal have anything of the network. Rules of an ENI that has left die with the namespace.
    fn has_nothing(&self, version: &str) {
        let links = self.world.json("task", "link");
        assert_eq!(links.as_array().unwrap().len(), 1, "{version}: {links}");
        assert_eq!(links[0]["ifname"], "lo");
        assert_eq!(self.routes(), Vec::<String>::new(), "{version}");
        assert_eq!((self.agent.journal(), self.ports()), (0, 0), "{version}");
        assert_eq!(self.world.tables("host"), 0, "{version}");
    }

    /// How many ports the journal has.
    fn ports(&self) -> usize {
        let files = fs::read_dir(self.agent.folder().path().join("ports")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name != "common.json" && name != ".unreadable")
            .count()
    }

    fn reaches(&self, from: &str, to: &str) {
        let reached = self.world.reach(from, None, to, PORT);
        reached.unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
    }

    fn does_not_reach(&self, to: &str) {
        let reached = self.world.reach("task", None, to, PORT);
        assert!(reached.is_err(), "{to} is reached");
    }

    /// MAC address, MTU and IPv4 addresses of the container's interface `eth0`.
    fn eth0(&self) -> Value {
        let eth0 = &self.world.json("task", "addr show eth0")[0];
        let addresses = eth0["addr_info"].as_array().unwrap().iter();
        let addresses = addresses.filter(|one| one["family"] == "inet").map(|one| {
            let (ip, prefix) = (one["local"].as_str().unwrap(), &one["prefixlen"]);
            format!("{ip}/{prefix}")
        });
        json!([eth0["address"], eth0["mtu"], addresses.collect::<Vec<_>>()])
    }

    /// The routes of the container, as destinations with their routers.
    fn routes(&self) -> Vec<String> {
        let routes = self.world.json("task", "-4 route");
        let routes = routes.as_array().unwrap().iter().map(|route| {
            let (to, by) = (&route["dst"], &route["gateway"]);
            let by = by.as_str().map(|by| format!(" via {by}"));
            format!("{}{}", to.as_str().unwrap(), by.unwrap_or_default())
        });
        let mut routes: Vec<_> = routes.collect();
        routes.sort();
        routes
    }
}

/// What a program prints if it succeeds, or else its error.
fn said(mut command: Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that has ended did not want it.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    match output.status.success() {
        true if stdout.is_empty() => Ok(Value::Null),
        true => Ok(serde_json::from_str(&stdout).unwrap()),
        false => Err(format!("{stdout}{stderr}")),
    }
}
