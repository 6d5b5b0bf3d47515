//! A host without Kubernetes: an agent and a plugin are installed, serve a task, a reboot goes by, and both are uninstalled.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    running::wait_until,
    world::{ENI, HOME, MAC, World},
};

const ENDPOINT: &str = "169.254.170.2";

/// A host with one agent, which installs the plugin.
pub struct Host {
    pub world: World,
    folder: TempDir,
    agent: Option<Child>,
}

impl Host {
    pub fn new() -> Self {
        let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
        for name in ["bin", "net.d"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        world.ip("host", &format!("addr add {ENDPOINT}/32 dev lo"));
        world.serve("host", 8080);
        world.serve("vpc", 8080);
        Self {
            world,
            folder,
            agent: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self) -> Command {
        let mut command = Command::new("ip");
        let host = self.world.name("host");
        command.args(["netns", "exec", &host, env!("CARGO_BIN_EXE_eniclaim-agent")]);
        command
    }

    /// What starts the daemons of the host starts this one.
    pub fn boot(&mut self) {
        // It is on tmpfs.
        drop(fs::remove_dir_all(self.path("run")));
        fs::create_dir(self.path("run")).unwrap();
        let mut agent = self.program();
        agent
            .args([
                "run",
                "--standalone",
                "--test-drivers=veth",
                "--log-format=text",
            ])
            .arg("--replaced-plugins=ecs-eni,ecs-bridge,ecs-ipam")
            .arg(format!("--plugin={}", plugin().display()))
            .arg(format!("--cni-bin-dir={}", self.path("bin").display()))
            .arg(format!(
                "--socket={}",
                self.path("run/agent.sock").display()
            ))
            .stderr(File::create(self.path("log")).unwrap());
        self.agent = Some(agent.spawn().unwrap());
        let there = ["run/agent.sock", "bin/ecs-eni", "bin/ecs-bridge"];
        wait_until(|| there.iter().all(|name| self.path(name).exists()));
    }

    fn halt(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// What a plugin answers that is called by its own name.
    pub fn call(&self, name: &str, verb: &str, if_name: &str, configuration: &Value) -> Value {
        let (is_success, said) = self.said(name, verb, if_name, configuration);
        assert!(is_success, "{name} {verb}: {said}");
        said
    }

    /// Likewise, be it an error.
    pub fn said(
        &self,
        name: &str,
        verb: &str,
        if_name: &str,
        configuration: &Value,
    ) -> (bool, Value) {
        let mut configuration = configuration.clone();
        configuration["socket"] = json!(self.path("run/agent.sock"));
        let mut child = Command::new(self.path("bin").join(name))
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", "task")
            .env("CNI_NETNS", self.world.path("task"))
            .env("CNI_IFNAME", if_name)
            .env("CNI_PATH", self.path("bin"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin
            .write_all(configuration.to_string().as_bytes())
            .unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said = serde_json::from_str(&said).unwrap_or_default();
        (output.status.success(), said)
    }

    /// What the agent of a container service builds: the bridge first, then the ENI.
    fn task(&self) {
        let bridge = self.call("ecs-bridge", "ADD", "ecs-eth0", &bridge());
        assert_eq!(bridge["ips"][0]["address"], "169.254.172.2/22");
        self.call("ecs-eni", "ADD", "eth0", &eni());
        let reach = |to: &str| self.world.reach("task", None, to, 8080);
        reach(ENDPOINT).unwrap();
        reach("10.0.9.9").unwrap();
        assert!(
            reach("169.254.169.254").is_err(),
            "the metadata service is reached"
        );
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.agent.is_some() {
            self.halt();
        }
    }
}

/// The program beside the agent's.
fn plugin() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eniclaim-agent")).with_file_name("eniclaim")
}

fn bridge() -> Value {
    json!({
        "type": "ecs-bridge", "cniVersion": "0.3.0", "bridge": "ecs-br0", "mtu": 1500,
        "ipam": { "type": "ecs-ipam", "id": "task", "ipv4-subnet": "169.254.172.0/22", "ipv4-routes": [{ "dst": "169.254.170.2/32" }] },
    })
}

fn eni() -> Value {
    json!({
        "type": "ecs-eni", "cniVersion": "0.3.0", "eni": ENI, "mac": MAC,
        "ip-addresses": ["10.0.1.50/24"], "gateway-ip-addresses": ["10.0.1.1"], "block-instance-metadata": true,
    })
}

#[test]
fn installed_serves_a_task_survives_a_reboot_and_leaves_nothing() {
    let mut host = Host::new();
    host.boot();
    host.world.namespace("task");
    host.task();
    // The machine goes down under the task: nothing of it is there at the next boot, and EC2 attaches the ENI again.
    host.halt();
    host.world.kill("task");
    host.world.wait_until_the_veth_is_gone();
    host.world.wire();
    host.world.ip("host", "link del ecs-br0");
    host.world.exec("host", &["nft", "flush", "ruleset"]);
    host.boot();
    host.world.namespace("task");
    host.task();
    for (name, if_name, configuration) in [
        ("ecs-eni", "eth0", eni()),
        ("ecs-bridge", "ecs-eth0", bridge()),
    ] {
        for _ in 0..2 {
            assert_eq!(host.call(name, "DEL", if_name, &configuration), Value::Null);
        }
    }
    assert!(host.world.has_link("host", HOME));
    assert!(
        host.world.has_link("host", "ecs-br0"),
        "it survives its last container"
    );
    host.halt();
    let mut uninstall = host.program();
    let uninstall = uninstall
        .arg("uninstall")
        .arg(format!(
            "--socket={}",
            host.path("run/agent.sock").display()
        ))
        .arg(format!("--cni-bin-dir={}", host.path("bin").display()))
        .arg(format!("--cni-conf-dir={}", host.path("net.d").display()));
    assert!(uninstall.status().unwrap().success());
    assert!(!host.path("run").exists(), "the agent's folder is left");
    assert_eq!(fs::read_dir(host.path("bin")).unwrap().count(), 0);
    assert!(!host.world.has_link("host", "ecs-br0"));
    assert_eq!(host.world.tables("host"), 0);
}
