//! The plugin and its place in the node's CNI chain, while the agent runs.

use std::time::Duration;

use anyhow::ensure;
use e2e::world::{SOON, Space, World, condition};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

const PLUGIN: &str = "/opt/cni/bin/eniclaim";
const DROP_IN: &str = "/etc/cni/net.d/pods/90-eniclaim.conf";
const OTHER: &str = "/etc/cni/net.d/05-other.conflist";
/// What the agent may take to see that something of its installation is gone, and to put it back.
const MENDED: Duration = Duration::from_secs(10);
/// A start that meets the gap is tried again by kubelet.
const USUAL: Duration = Duration::from_secs(30);

/// The binary vanishes, then the drop-in: each is back within seconds; pods that do not ask start meanwhile, and afterwards
/// pods that do get their interfaces (istio/istio#34524).
pub fn removed(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    for (path, name) in [(PLUGIN, "without-plugin"), (DROP_IN, "without-drop-in")] {
        space.at_end(move |world| put_back(world, path));
        let attributes = format!("stat -c '%a %u %s' {path}; sha256sum {path}");
        let before = world.on_node(0, &attributes)?;
        world.on_node(0, &format!("cp -p {path} /run/kept && rm {path}"))?;
        space.apply(&on(pod(name), &node))?;
        world.wait(&format!("{path} to be there again"), MENDED, || {
            Ok(world.on_node(0, &attributes)? == before)
        })?;
        says(world, "True", "")?;
        space.await_pod(name, USUAL)?;
        world.node_is_ready(0)?;
    }
    space.apply(&on(asking(pod("asking"), space.name()), &node))?;
    has_interface(space, "asking")?;
    space.delete_pods(&["asking", "without-plugin", "without-drop-in"])
}

/// So that a failed scenario does not spoil the next one.
fn put_back(world: &World, path: &str) -> anyhow::Result<()> {
    let script = format!("[ -e {path} ] || cp -p /run/kept {path}; rm -f /run/kept");
    world.on_node(0, &script).map(drop)
}

/// A list of another network takes the first place: it is joined, and left when it goes (multus-cni#972).
pub fn other_list_comes_first(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    space.at_end(remove_other);
    world.put_on_node(0, OTHER, &other(world)?.to_string())?;
    world.wait("a drop-in of the other network", MENDED, || {
        world.on_node(0, "cat /etc/cni/net.d/other/90-eniclaim.conf")?;
        Ok(true)
    })?;
    says(world, "True", "other")?;
    space.apply(&on(asking(pod("first"), space.name()), &node))?;
    has_interface(space, "first")?;
    remove_other(world)?;
    says(world, "True", "pods")?;
    space.apply(&on(asking(pod("second"), space.name()), &node))?;
    has_interface(space, "second")?;
    space.delete_pods(&["first", "second"])
}

/// A list that keeps drop-ins out takes the first place: the EniNode names it, until it is gone.
pub fn closed_list_comes_first(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    space.at_end(remove_other);
    let mut closed = other(world)?;
    closed["loadOnlyInlinedPlugins"] = json!(true);
    world.put_on_node(0, OTHER, &closed.to_string())?;
    says(world, "False", "05-other.conflist")?;
    remove_other(world)?;
    says(world, "True", "")
}

/// The node's own list under another name; its pods' addresses are known on the node alone.
fn other(world: &World) -> anyhow::Result<Value> {
    let list = world.on_node(0, "cat /etc/cni/net.d/10-pods.conflist")?;
    let mut list: Value = serde_json::from_str(&list)?;
    list["name"] = json!("other");
    list["plugins"][0]["ipam"]["ranges"] = json!([[{"subnet": "10.245.0.0/24"}]]);
    Ok(list)
}

fn remove_other(world: &World) -> anyhow::Result<()> {
    // The runtime sees a removal.
    world
        .on_node(0, &format!("rm -rf {OTHER} /etc/cni/net.d/other"))
        .map(drop)
}

/// Waits until the EniNode says that the plugin is installed, or not, and names the cause or the network.
fn says(world: &World, status: &str, names: &str) -> anyhow::Result<()> {
    let node = world.cluster.node(0).name();
    world.wait(&format!("PluginInstalled={status}"), MENDED, || {
        let installed = condition(&world.get("eninode", &node)?, "PluginInstalled");
        let message = installed["message"].as_str().unwrap_or_default();
        ensure!(
            installed["status"] == status && message.contains(names),
            "EniNode {node}: PluginInstalled {installed}"
        );
        Ok(true)
    })
}

/// Ready alone does not say that the plugin was asked.
fn has_interface(space: &Space, pod: &str) -> anyhow::Result<()> {
    space.await_pod(pod, 2 * SOON)?;
    space.exec(pod, &["/bin/ip", "link", "show", "eni0"])?;
    space.await_ready(pod)
}
