//! Many pods at once.

use std::collections::BTreeSet;

use anyhow::ensure;
use e2e::world::Space;

use super::makers::{asking, class, on, pod};

/// Ten pods over two nodes: ten ENIs, ten addresses, one Create and one Attach each.
/// Cases: M16.
pub fn ten_pods(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let before = (
        space.world.calls("CreateNetworkInterface")?.len(),
        space.world.calls("AttachNetworkInterface")?.len(),
    );
    let names: Vec<String> = (0..10).map(|n| format!("many-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let node = space.world.cluster.node(n % 2).name();
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    for name in &names {
        space.await_ready(name)?;
    }
    let claims = space.claims()?;
    let distinct = |path: &str| {
        claims
            .iter()
            .filter_map(|c| c.pointer(path))
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
            .len()
    };
    ensure!(
        distinct("/status/eni/id") == 10,
        "{} ENIs for ten pods",
        distinct("/status/eni/id")
    );
    ensure!(
        distinct("/status/ipam/addresses/0/address") == 10,
        "an address was given twice"
    );
    ensure!(distinct("/status/nodeName") == 2, "not on two nodes");
    ensure!(
        space.world.calls("CreateNetworkInterface")?.len() == before.0 + 10,
        "not one Create for each pod"
    );
    let calls = space.world.calls("AttachNetworkInterface")?;
    let attached: Vec<String> = calls
        .iter()
        .skip(before.1)
        .map(|call| call["parameters"]["NetworkInterfaceId"].to_string())
        .collect();
    ensure!(
        attached.len() == 10 && attached.iter().collect::<BTreeSet<_>>().len() == 10,
        "not one Attach for each ENI: {attached:?}"
    );
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    space.delete_pods(&names)
}
