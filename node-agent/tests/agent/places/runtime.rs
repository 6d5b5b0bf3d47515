//! A container runtime made of upstream's tools, on the node of a world with an agent.

use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use crds::EniClaim;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    running::{Agent, a_claim},
    world::World,
};

/// The plugin's capability, as configurations have it.
pub const CAPABILITY: &str = "io.kubernetes.cri.pod-annotations";
/// The pod that has the claim, as kubelet names it.
const ARGS: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1";

/// A node with an agent that knows one claim, a pod without any interface, and one network.
pub struct Site {
    pub world: World,
    pub agent: Agent,
    claim: EniClaim,
    /// What the runtime keeps.
    folder: TempDir,
    /// The pod's annotations.
    pub annotations: Value,
}

/// What a program said, if it succeeded, or else its error.
pub type Said = Result<Value, String>;

impl Site {
    pub fn new() -> Self {
        Self::of(a_claim())
    }

    /// The same with this claim.
    pub fn of(claim: EniClaim) -> Self {
        let mut world = World::new();
        world.namespace("bare");
        let agent = Agent::start(&world);
        agent.list(vec![claim.clone()]);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("net.d")).unwrap();
        fs::create_dir_all(folder.path().join("lib")).unwrap();
        Self {
            world,
            agent,
            claim,
            folder,
            annotations: json!({ "eniclaim.io/class": "app" }),
        }
    }

    /// The agent ends and another one starts.
    pub fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same, with something done to what the first one left.
    pub fn restart_after(self, change: impl FnOnce(&TempDir)) -> Self {
        let folder = self.agent.stop();
        change(&folder);
        let agent = Agent::start_in(&self.world, folder);
        agent.list(vec![self.claim.clone()]);
        Self { agent, ..self }
    }

    /// Makes these plugins the network `pods`. Ours are told where the agent listens.
    pub fn network(&self, plugins: &Value) {
        let list = json!({ "cniVersion": "1.1.0", "name": "pods", "plugins": plugins });
        self.list(list);
    }

    /// As [`Site::network`], for a whole list.
    pub fn list(&self, mut list: Value) {
        for plugin in list["plugins"].as_array_mut().unwrap() {
            self.tell(plugin);
        }
        let path = self.folder.path().join("net.d/10-pods.conflist");
        fs::write(path, list.to_string()).unwrap();
    }

    fn tell(&self, plugin: &mut Value) {
        let socket = self.agent.socket();
        if plugin["type"] == "eniclaim" {
            plugin["socket"] = json!(socket);
        } else if plugin["ipam"]["type"] == "eniclaim" {
            plugin["ipam"]["socket"] = json!(socket);
        }
    }

    /// What cnitool does for the pod `bare`: `add`, `check`, `del` or `gc`.
    pub fn cnitool(&self, verb: &str) -> Said {
        let capabilities = json!({ CAPABILITY: self.annotations });
        let netns = self.world.path("bare");
        let mut command = self.on_the_node("cnitool");
        command
            .args([verb, "pods", &netns])
            .env("NETCONFPATH", self.folder.path().join("net.d"))
            .env("CAP_ARGS", capabilities.to_string());
        said(command, None)
    }

    /// What a plugin does that is called without libcni, with this configuration of one plugin.
    pub fn plugin(&self, verb: &str, mut configuration: Value, previous: Option<&Value>) -> Said {
        self.tell(&mut configuration);
        configuration["cniVersion"] = json!("1.1.0");
        configuration["name"] = json!("pods");
        configuration["runtimeConfig"] = json!({ CAPABILITY: self.annotations });
        if let Some(previous) = previous {
            configuration["prevResult"] = previous.clone();
        }
        let mut command = self.on_the_node(configuration["type"].as_str().unwrap());
        command
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", "c1")
            .env("CNI_NETNS", self.world.path("bare"));
        said(command, Some(configuration.to_string()))
    }

    /// A program that sees the node's network, and keeps what it keeps in this test's folder.
    fn on_the_node(&self, program: &str) -> Command {
        let (upstream, ours) = (cluster::cni_plugins().unwrap(), our_programs());
        let program = [&upstream, &ours]
            .map(|folder| folder.join(program))
            .into_iter()
            .find(|program| program.exists());
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.world.name("host"), "sh", "-c"])
            // Where libcni keeps results and host-local its addresses.
            .arg("mount --bind \"$0\" /var/lib && exec \"$@\"")
            .arg(self.folder.path().join("lib"))
            .arg(program.expect("the program: run `make build`"))
            .env("CNI_ARGS", ARGS)
            .env("CNI_IFNAME", "eth0")
            .env(
                "CNI_PATH",
                env::join_paths([upstream.clone(), ours.clone()]).unwrap(),
            );
        command
    }
}

/// The folder of our own programs, where `make build` puts them.
fn our_programs() -> PathBuf {
    let tests = env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().to_owned()
}

fn said(mut command: Command, input: Option<String>) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(input.unwrap_or_default().as_bytes())
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    if output.status.success() {
        Ok(serde_json::from_str(&stdout).unwrap_or_default())
    } else {
        Err(format!("{stdout}{stderr}"))
    }
}

/// The plugin behind others.
pub fn ours() -> Value {
    json!({ "type": "eniclaim", "capabilities": { CAPABILITY: true } })
}

/// Upstream's ptp with addresses of host-local.
pub fn ptp() -> Value {
    json!({ "type": "ptp", "ipam": {
        "type": "host-local", "subnet": "10.244.7.0/24", "routes": [{ "dst": "0.0.0.0/0" }],
    } })
}

/// Upstream's host-device, which moves the claim's device.
pub fn host_device() -> Value {
    json!({ "type": "host-device", "device": "eth1" })
}
