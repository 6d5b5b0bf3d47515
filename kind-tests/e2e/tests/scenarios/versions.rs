//! Network configurations of any version, for pods that do not ask and for pods that do.

use anyhow::ensure;
use e2e::world::{SOON, Space, World};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

const LIST: &str = "/etc/cni/net.d/10-pods.conflist";

/// Who does not ask gets the result of the plugins before back, byte for byte, whatever version its list has, also none
/// (cni-ipvlan-vpc-k8s#85).
pub fn passed_through(space: &Space) -> anyhow::Result<()> {
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", "9.9.9"] {
        let member = format!(r#""cniVersion":"{version}","#);
        is_passed_through(space.world, &member)?;
    }
    is_passed_through(space.world, "")?;
    is_passed_through(space.world, r#""cniVersion":7,"unknown":{"key":[]},"#)
}

fn is_passed_through(world: &World, version: &str) -> anyhow::Result<()> {
    // Neither the order of the keys nor the spaces are anybody's.
    let previous = format!(
        r#"{{ "ips":[{{"address" :"10.244.1.9/24","interface":0, "x":1.50}}], {version} "interfaces": [{{"name":"eth0"}}] ,"dns":{{}}}}"#
    );
    let input = format!(r#"{{{version}"name":"pods","type":"eniclaim","prevResult":{previous}}}"#);
    let script = format!(
        "printf '%s' '{input}' | CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/none CNI_IFNAME=eth0 \
         CNI_PATH=/opt/cni/bin /opt/cni/bin/eniclaim"
    );
    let said = world.on_node(0, &script)?;
    ensure!(
        said.trim_end_matches('\n') == previous,
        "with {version:?} the plugin answered {said}, not {previous}"
    );
    Ok(())
}

/// On a node whose list has the oldest version that is supported all pods start.
pub fn old_list(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    let list = world.on_node(0, &format!("cat {LIST}"))?;
    let mut old: Value = serde_json::from_str(&list)?;
    space.at_end(move |world| world.put_on_node(0, LIST, &list));
    old["cniVersion"] = json!("0.3.0");
    world.put_on_node(0, LIST, &old.to_string())?;
    space.apply(&on(pod("unasking"), &node))?;
    space.apply(&on(asking(pod("asking"), space.name()), &node))?;
    space.await_pod("unasking", SOON)?;
    space.await_ready("asking")?;
    world.node_is_ready(0)?;
    // The primary network's address is still the pod's.
    let address = space.get("pod", "asking")?["status"]["podIP"].clone();
    ensure!(
        address.as_str().is_some_and(|ip| ip.starts_with("10.244.")),
        "the pod's address is {address}"
    );
    space.delete_pods(&["asking", "unasking"])
}
