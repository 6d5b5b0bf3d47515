//! A pod moves its ENI's device to where the agent cannot enter.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::world::{SOON, Signal, Space, condition};

use super::makers::{asking, capable, class, on, pod};

/// For how long the ENI is seen to stay.
const SPAN: Duration = Duration::from_secs(15);
/// A process in a network namespace of its own takes the device. It holds none of the streams that `kubectl exec` waits for.
const HIDE: &str = "
    own() { /bin/busybox readlink /proc/$1/ns/net; }
    /bin/busybox unshare --net /bin/busybox sleep 3600 </dev/null >/dev/null 2>&1 &
    while [ \"$(own $!)\" = \"$(own self)\" ]; do :; done
    /bin/ip link set eni0 netns $!
    ! /bin/ip link show eni0 2>/dev/null";

/// Kubelet hangs, and somebody deletes the pod by force: its process runs on, the claim names the pod, and EC2 keeps the
/// attachment. When the process has ended nothing is left.
pub fn by_its_pod(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    let hostile = capable(pod("hostile"), &["NET_ADMIN", "SYS_ADMIN"]);
    space.apply(&on(asking(hostile, space.name()), &node))?;
    space.await_ready("hostile")?;
    let eni = space.eni_of("hostile")?;
    let uid = space.get("pod", "hostile")?["metadata"]["uid"].clone();
    let uid = uid.as_str().context("the pod has no UID")?;
    space.exec("hostile", &["/bin/sh", "-euc", HIDE])?;

    space.at_end(|world| world.signal_kubelet(0, Signal::CONT));
    world.signal_kubelet(0, Signal::STOP)?;
    let forget = ["delete", "pod", "hostile", "--force", "--grace-period=0"];
    space.kubectl(&forget)?;
    world.wait("the claim to say Hidden", SOON, || {
        is_kept(space, uid, &eni)?;
        says_hidden(space, uid)
    })?;
    world.holds("the attachment of a hidden ENI", SPAN, || {
        says_hidden(space, uid)?;
        is_kept(space, uid, &eni)
    })?;

    world.signal_kubelet(0, Signal::CONT)?;
    world.await_clean()?;
    let left = world.pids_of_pod("busybox", uid)?;
    ensure!(left.is_empty(), "given back while {left:?} run");
    Ok(())
}

fn says_hidden(space: &Space, uid: &str) -> anyhow::Result<bool> {
    let plugged = condition(&space.claim_of("hostile")?, "Plugged");
    let message = plugged["message"].as_str().unwrap_or_default();
    ensure!(
        plugged["status"] == "False"
            && plugged["reason"] == "Hidden"
            && message.contains(&format!("pod hostile with UID {uid}")),
        "Plugged is {plugged}"
    );
    Ok(true)
}

/// Fails unless EC2 has the ENI attached, for a claim that is not given back, while the pod's process has the device.
fn is_kept(space: &Space, uid: &str, eni: &str) -> anyhow::Result<()> {
    let world = space.world;
    let device = &space.claim_of("hostile")?["status"]["device"];
    ensure!(device["state"] == "Plugged", "the claim's device: {device}");
    world.is_attached(eni)?;
    let holders = world.pids_of_pod("busybox", uid)?;
    ensure!(holders.len() == 1, "processes that hold it: {holders:?}");
    Ok(())
}
