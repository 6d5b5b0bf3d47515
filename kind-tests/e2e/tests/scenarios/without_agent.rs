//! Pods go while their node has no agent.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space};
use serde_json::json;

use super::makers::{asking, class, on, pod};

/// How long a pod may take to go: its grace period, the 2 s that DEL waits, and what kubelet needs.
const QUICK: Duration = Duration::from_secs(10);
/// For how long the ENIs are seen to stay while there is no agent.
const SPAN: Duration = Duration::from_secs(5);
/// For how long EC2 does not hear that an ENI is to be detached, so that its device can be seen on the host.
const UNHEARD_MS: u64 = 10_000;

/// No pod is held up. The device of one is back on the host with the end of its namespace; that of the other, whose
/// namespace somebody keeps, when the agent is back. Until then both stay attached, and after it nothing is left.
pub fn deleted(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    for name in ["gone", "kept"] {
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    for name in ["gone", "kept"] {
        space.await_ready(name)?;
    }
    let (gone, kept) = (mac(space, "gone")?, mac(space, "kept")?);
    let enis = [space.eni_of("gone")?, space.eni_of("kept")?];
    // Where runtimes mount namespaces the agent looks.
    space.keep_netns("kept", 0, "/run/netns/kept")?;
    space.agents_need_label()?;
    world.wait("the agents to be gone", SOON, || {
        Ok(world.pids_of("eniclaim-agent")?.is_empty())
    })?;

    for name in ["gone", "kept"] {
        let start = Instant::now();
        space.kubectl(&["delete", "pod", name, "--wait=true", "--timeout=60s"])?;
        let took = start.elapsed();
        println!("pod {name} went after {took:.1?}");
        ensure!(took < QUICK, "pod {name} went after {took:.1?}");
    }
    let left = world.on_node(0, "find /run/eniclaim/tombstones -type f")?;
    ensure!(!left.is_empty(), "DEL has left no tombstone");
    world.wait("a device on the host", SOON, || is_on_host(space, &gone))?;
    world.holds("attachments without an agent", SPAN, || {
        ensure!(!is_on_host(space, &kept)?, "{kept} is on the host");
        for claim in space.claims()? {
            let device = &claim["status"]["device"];
            ensure!(device["state"] == "Plugged", "a claim's device: {device}");
        }
        enis.iter().try_for_each(|eni| world.is_attached(eni))
    })?;

    let unheard = json!({"action": "DetachNetworkInterface", "delayMs": UNHEARD_MS, "times": 2});
    space.fault(&unheard)?;
    space.agents_everywhere()?;
    world.wait("the other device on the host", SOON, || {
        is_on_host(space, &kept)
    })?;
    world.await_clean()?;
    world.wait("the tombstones to be gone", SOON, || {
        let left = world.on_node(0, "find /run/eniclaim/tombstones -type f")?;
        ensure!(left.is_empty(), "there are {left}");
        Ok(true)
    })
}

fn mac(space: &Space, pod: &str) -> anyhow::Result<String> {
    let claim = space.claim_of(pod)?;
    let mac = claim["status"]["eni"]["mac"].as_str().context("no MAC")?;
    Ok(mac.to_owned())
}

fn is_on_host(space: &Space, mac: &str) -> anyhow::Result<bool> {
    Ok(space.world.on_node(0, "ip -o link")?.contains(mac))
}
