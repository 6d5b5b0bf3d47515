//! IPv6 beside IPv4 in the network of a node's pods, as long as a scenario lasts.

use e2e::world::{Space, World};
use serde_json::{Value, json};

const LIST: &str = "/etc/cni/net.d/10-pods.conflist";
/// The network of the pods in IPv6. Their node alone knows it, and masquerades what they send elsewhere.
const PODS: &str = "fd00:10:244:1::/64";

/// Pods that are made on the first node from now on have an address of each family on `eth0`.
pub fn on_the_first_node(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    let list = world.on_node(0, &format!("cat {LIST}"))?;
    let mut dual: Value = serde_json::from_str(&list)?;
    let ipam = &mut dual["plugins"][0]["ipam"];
    for (list, more) in [
        ("ranges", json!([{"subnet": PODS}])),
        ("routes", json!({"dst": "::/0"})),
    ] {
        if let Some(list) = ipam[list].as_array_mut() {
            list.push(more);
        }
    }
    space.at_end(move |world| {
        masquerade(world, "")?;
        world.put_on_node(0, LIST, &list)
    });
    let rule = format!("ip6 saddr {PODS} ip6 daddr != {PODS} masquerade");
    let hook = "type nat hook postrouting priority srcnat";
    masquerade(
        world,
        &format!("table ip6 pods {{ chain out {{ {hook}; {rule}; }}; }}"),
    )?;
    world.put_on_node(0, LIST, &dual.to_string())
}

/// Puts this in the place of the table, or nothing.
fn masquerade(world: &World, table: &str) -> anyhow::Result<()> {
    let script = format!("nft 'add table ip6 pods; delete table ip6 pods; {table}'");
    world.on_node(0, &script).map(drop)
}
