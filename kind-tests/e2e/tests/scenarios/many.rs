//! Many pods at once.

use std::collections::BTreeSet;

use anyhow::ensure;
use e2e::world::World;

use super::super::{class, on, pod};

/// Ten pods over two nodes: ten ENIs, ten addresses, one Create and one Attach each.
pub fn ten_pods(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    let before = (
        world.calls("CreateNetworkInterface")?.len(),
        world.calls("AttachNetworkInterface")?.len(),
    );
    let names: Vec<String> = (0..10).map(|n| format!("many-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        world.apply(&on(
            pod(name, Some("app")),
            &world.cluster.node(n % 2).name(),
        ))?;
    }
    for name in &names {
        world.await_ready(name)?;
    }
    let claims = world.claims()?;
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
        world.calls("CreateNetworkInterface")?.len() == before.0 + 10,
        "not one Create for each pod"
    );
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.delete_pods(&names)
}
