//! The agents: on which nodes they run, and what the nodes say of them.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{SOON, SYSTEM, Space, World, condition};

/// A label without which a node gets no agent while [`Space::agents_need_label`] holds.
const LABEL: &str = "test.eniclaim.io/agent";

impl World {
    /// Waits until every node's plugin is installed, by its EniNode.
    pub fn await_plugins(&self) -> anyhow::Result<()> {
        for node in self.cluster.nodes() {
            let what = format!("the plugin of {} to be installed", node.name());
            self.wait(&what, SOON, || {
                let installed = condition(&self.get("eninode", &node.name())?, "PluginInstalled");
                ensure!(installed["status"] == "True", "it says {installed}");
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Waits until every EniNode says how many ENIs its node can hold, and these numbers if any are given; gives them.
    pub fn await_capacities(&self, usual: Option<&[u64]>) -> anyhow::Result<Vec<u64>> {
        let mut seen = Vec::new();
        self.wait("each node's capacity", SOON, || {
            let nodes = self.cluster.nodes().iter();
            let capacity = |name: String| {
                let status = &self.get("eninode", &name)?["status"];
                let capacity = status["capacity"].as_u64();
                capacity.with_context(|| format!("EniNode {name} has no capacity"))
            };
            seen = nodes
                .map(|node| capacity(node.name()))
                .collect::<anyhow::Result<Vec<_>>>()?;
            if let Some(usual) = usual {
                ensure!(seen == usual, "they are {seen:?}, not {usual:?}");
            }
            Ok(true)
        })?;
        Ok(seen)
    }

    /// Waits until every node's agent is ready, by its EniNode.
    pub fn await_agents(&self) -> anyhow::Result<()> {
        self.await_rollout("daemonset/eniclaim-agent")?;
        for node in self.cluster.nodes() {
            let what = format!("the agent of {} to be ready", node.name());
            self.wait(&what, SOON, || self.agent_is_ready(&node.name()))?;
        }
        Ok(())
    }

    /// Whether the EniNode says that the node's agent is ready, and which pod it is.
    pub fn agent_is_ready(&self, node: &str) -> anyhow::Result<bool> {
        let report = self.get("eninode", node)?;
        let (ready, agent) = (condition(&report, "AgentReady"), &report["status"]["agent"]);
        ensure!(
            ready["status"] == "True" && agent["podUid"].is_string(),
            "EniNode {node}: AgentReady {ready}, agent {agent}"
        );
        Ok(true)
    }
}

impl Space<'_> {
    /// From now on no node has an agent but those given to [`Space::keep_agent`], until [`Space::agents_everywhere`] or
    /// this value's end.
    pub fn agents_need_label(&self) -> anyhow::Result<()> {
        self.at_end(|world| {
            select(world, &Value::Null)?;
            world.await_agents()
        });
        select(self.world, &json!("true"))
    }

    /// Lets this node have its agent.
    pub fn keep_agent(&self, node: &str) -> anyhow::Result<()> {
        self.kubectl_at_end(&["label", "node", node, &format!("{LABEL}-")]);
        let label = format!("{LABEL}=true");
        self.kubectl(&["label", "node", node, &label]).map(drop)
    }

    /// Lets every node have its agent.
    pub fn agents_everywhere(&self) -> anyhow::Result<()> {
        select(self.world, &Value::Null)
    }
}

fn select(world: &World, value: &Value) -> anyhow::Result<()> {
    let patch = json!({"spec": {"template": {"spec": {"nodeSelector": {LABEL: value}}}}});
    let daemonset = ["-n", SYSTEM, "patch", "daemonset", "eniclaim-agent"];
    world
        .kubectl(&[&daemonset[..], &["--type=merge", "-p", &patch.to_string()]].concat())
        .map(drop)
}
