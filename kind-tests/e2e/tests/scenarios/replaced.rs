//! Configurations that were written for ecs-bridge and ecs-ipam, called by their own names on a node of the cluster.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::world::Space;
use serde_json::{Value, json};

/// How long the EniNode may be behind.
const SECONDS: Duration = Duration::from_secs(20);
const BRIDGE: &str = "e2e-br0";

/// A container reaches the node over the bridge, the EniNode says who has which address, another agent goes on, and DEL gives all back.
pub fn bridge(space: &Space) -> anyhow::Result<()> {
    let task = Task {
        space,
        container: space.name(),
    };
    let node = space.world.cluster.node(0).name();
    let on_node = |script: &str| space.world.on_node(0, script);
    on_node(&format!("ip netns add {}", task.container))?;
    let result = task.call("ADD", &configuration())?;
    ensure!(
        result["ips"][0]["address"] == "169.254.180.2/24",
        "ADD: {result}"
    );
    let netns = format!("/run/netns/{}", task.container);
    // kubelet listens on every address of the node.
    let reach = |to: &str| {
        on_node(&format!(
            "nsenter --net={netns} timeout 3 bash -c 'exec 3<>/dev/tcp/{to}/10250'"
        ))
    };
    reach("169.254.180.1")?;
    let said = || -> anyhow::Result<Value> {
        Ok(space.world.get("eninode", &node)?["status"]["nodeAccess"].clone())
    };
    let expected = json!([{
        "addresses": ["169.254.180.2/24"], "bridge": BRIDGE, "id": "task", "network": "ecs-bridge",
        "containerId": task.container, "interface": "ecs-eth0",
    }]);
    let shows = |expected: &Value| {
        let now = said()?;
        ensure!(now == *expected, "it says {now}");
        Ok(true)
    };
    let what = "the EniNode to say who has the address";
    space.world.wait(what, SECONDS, || shows(&expected))?;
    // Another agent knows it from the journal, and says it again on an EniNode that is made anew.
    on_node(&format!("kill -9 {}", space.world.agent_pid(0)?))?;
    space.kubectl(&["delete", "eninode", &node])?;
    space.world.wait(what, SECONDS, || shows(&expected))?;
    let mut check = configuration();
    check["prevResult"] = result;
    ensure!(task.call("CHECK", &check)? == Value::Null, "CHECK");
    reach("169.254.180.1")?;
    for _ in 0..2 {
        ensure!(task.call("DEL", &configuration())? == Value::Null, "DEL");
    }
    space
        .world
        .wait("the EniNode to say nothing", SECONDS, || {
            shows(&Value::Null)
        })?;
    let links = on_node(&format!("ip -j link show master {BRIDGE}"))?;
    ensure!(links.trim() == "[]", "ports are left: {links}");
    on_node(&format!(
        "ip link del {BRIDGE} && ip netns del {}",
        task.container
    ))
    .map(drop)
}

fn configuration() -> Value {
    json!({
        "type": "ecs-bridge", "cniVersion": "0.4.0", "bridge": BRIDGE,
        "ipam": { "type": "ecs-ipam", "id": "task", "ipv4-subnet": "169.254.180.0/24" },
    })
}

/// What a container agent calls the plugin for.
struct Task<'a> {
    space: &'a Space<'a>,
    container: &'a str,
}

impl Task<'_> {
    /// What the plugin says; null where it says nothing.
    fn call(&self, verb: &str, configuration: &Value) -> anyhow::Result<Value> {
        let script = format!(
            "printf '%s' '{configuration}' | CNI_COMMAND={verb} CNI_CONTAINERID={id} CNI_NETNS=/run/netns/{id} \
             CNI_IFNAME=ecs-eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/ecs-bridge",
            id = self.container
        );
        let said = self.space.world.on_node(0, &script);
        let said = said.with_context(|| format!("{verb} by the name ecs-bridge"))?;
        Ok(serde_json::from_str(&said).unwrap_or_default())
    }
}
