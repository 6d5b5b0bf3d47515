//! A node's reports and its agent come and go.

use std::time::Duration;

use anyhow::ensure;
use e2e::world::{SOON, Space, condition, is_ready};
use serde_json::Value;

use super::makers::{asking, class, on, pod};

/// How long an EniNode may be without its agent's part.
const SECONDS: Duration = Duration::from_secs(20);

/// A deleted EniNode is made again with its agent's part, and the node serves.
pub fn eninode_deleted(space: &Space) -> anyhow::Result<()> {
    let node = space.world.cluster.node(0).name();
    let before = space.world.get("eninode", &node)?;
    space.kubectl(&["delete", "eninode", &node])?;
    space
        .world
        .wait("the EniNode to be filled again", SECONDS, || {
            let now = space.world.get("eninode", &node)?;
            ensure!(
                now["metadata"]["uid"] != before["metadata"]["uid"],
                "the EniNode is the old one"
            );
            space.world.agent_is_ready(&node)
        })?;
    serves(space, &node)
}

/// A Node that was deleted and registered again by its kubelet serves again.
pub fn registered_again(space: &Space) -> anyhow::Result<()> {
    let node = space.world.cluster.node(1).name();
    let before = uid(&space.world.get("node", &node)?);
    space.world.cluster.register_again(1)?;
    space.world.wait("the Node to be Ready again", SOON, || {
        let now = space.world.get("node", &node)?;
        Ok(is_ready(&now) && uid(&now) != before)
    })?;
    let what = "the agent of the Node to be ready again";
    space.world.wait(what, SECONDS, || {
        let owner = space.world.get("eninode", &node)?["metadata"]["ownerReferences"][0].clone();
        let now = uid(&space.world.get("node", &node)?);
        ensure!(
            owner["uid"] == now.as_str(),
            "the EniNode is owned by {owner}, the Node is {now}"
        );
        space.world.agent_is_ready(&node)
    })?;
    serves(space, &node)
}

/// A node whose agent is gone is not offered: `AgentReady` is False, the class label is off, pods run elsewhere.
pub fn without_agent(space: &Space) -> anyhow::Result<()> {
    let (gone, kept) = (
        space.world.cluster.node(0).name(),
        space.world.cluster.node(1).name(),
    );
    space.apply(&class(space))?;
    let label = format!("class.eniclaim.io/{}", space.name());
    let offered = |node: &str| -> anyhow::Result<bool> {
        let node = space.world.get("node", node)?;
        Ok(node["metadata"]["labels"][&label].is_string())
    };
    space.world.wait("both nodes to be offered", SOON, || {
        Ok(offered(&gone)? && offered(&kept)?)
    })?;
    space.keep_agent(&kept)?;
    space.agents_need_label()?;
    space.world.wait("AgentReady to be False", SOON, || {
        let report = space.world.get("eninode", &gone)?;
        Ok(condition(&report, "AgentReady")["status"] == "False")
    })?;
    space.world.wait("the class label to be off", SOON, || {
        Ok(!offered(&gone)? && offered(&kept)?)
    })?;
    let names = ["one", "two", "three", "four"];
    for name in names {
        space.apply(&asking(pod(name), space.name()))?;
    }
    for name in names {
        space.await_ready(name)?;
        let pod = space.get("pod", name)?;
        let node = &pod["spec"]["nodeName"];
        ensure!(*node == kept.as_str(), "pod {name} runs on {node}");
    }
    space.delete_pods(&names)
}

fn serves(space: &Space, node: &str) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.apply(&on(asking(pod("after"), space.name()), node))?;
    space.await_ready("after")?;
    space.delete_pods(&["after"])
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
