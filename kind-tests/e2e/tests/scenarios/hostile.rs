//! A pod with `NET_ADMIN` and `NET_RAW` that does what it can.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, World, condition, is_ready};
use serde_json::{Value, json};

use super::makers::{asking, capable, class, on, pod};

const ORDINARY: usize = 10;
/// How much slower ten ordinary pods may start beside it; the machine's own noise is not smaller.
const SLOWER: f64 = 1.5;
/// What the agent may have ever had in memory, in kilobytes. Its container is given 128 MiB.
const MEMORY: u64 = 96 * 1024;

/// Beside the attack ten ordinary pods start as fast as without it, every device returns, the agent's memory is bounded,
/// and nothing of the pod is left on the device.
pub fn beside_ordinary_pods(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    let usual = ten_start(space, "before")?;
    world.await_clean()?;
    let agent = world.agent_pid(0)?;

    attacked(space, &node)?;
    let beside = ten_start(space, "beside")?;
    println!("ten pods without the attack: {usual:.1?}, beside it: {beside:.1?}");
    ensure!(
        beside < usual.mul_f64(SLOWER) + Duration::from_secs(2),
        "ten pods took {beside:.1?} beside the attack, {usual:.1?} without it"
    );
    claim_says_that_nothing_holds(space)?;
    space.kubectl(&["delete", "pod", "hostile", "--wait=true", "--timeout=60s"])?;
    world.wait("the claim of the hostile pod to be gone", SOON, || {
        Ok(space.claim_of("hostile")?.is_null())
    })?;
    remove_pushed(world)?;
    world.await_clean()?;
    ensure!(world.agent_pid(0)? == agent, "the agent was started again");
    let peak = world.memory_peak(agent)?;
    println!("the agent's memory was at most {peak} kB");
    ensure!(peak < MEMORY, "the agent's memory was {peak} kB");
    Ok(())
}

/// The same ENI goes into the next sandbox of the pod as if it were new; what was stacked on it is gone, also in a
/// namespace that somebody keeps alive.
pub fn device_is_as_new(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    attacked(space, &node)?;
    space.keep_netns("hostile", 0, "/run/kept-netns")?;
    let former = space.end_sandbox("hostile")?;
    space.await_sandbox("hostile", &former)?;
    let left = world.on_node(0, "nsenter --net=/run/kept-netns ip -o link")?;
    ensure!(
        !left.contains("mv0") && !left.contains("vlan7"),
        "links on the device in the namespace that it left: {left}"
    );
    let left = world.on_node(0, "ip -o link")?;
    ensure!(
        !left.contains("mvnode"),
        "links on the device on the node: {left}"
    );
    let device = space.exec("hostile", &["/bin/ip", "link", "show", "eni0"])?;
    ensure!(
        device.contains(" mtu 9001 ") && device.contains("qlen 1000"),
        "the next pod's device: {device}"
    );
    for trace in ["PROMISC", "NOARP", "alias", "altname"] {
        ensure!(!device.contains(trace), "the next pod's device: {device}");
    }
    remove_pushed(world)?;
    space.delete_pods(&["hostile"])
}

/// A pod whose attack is under way, at a rest for nobody. At the end it goes first: it would make its links again.
pub fn attacked(space: &Space, node: &str) -> anyhow::Result<()> {
    space.at_end(remove_pushed);
    let delete = ["-n", space.name(), "delete", "pod", "hostile"];
    space.kubectl_at_end(&[&delete[..], &["--ignore-not-found", "--timeout=60s"]].concat());
    let mut hostile = capable(pod("hostile"), &["NET_ADMIN", "NET_RAW"]);
    let attacker = json!({
        "name": "attacker", "image": "localhost/eniclaim/probe:dev", "args": ["attack", "--once", "/before/attacked"], "volumeMounts": [{"name": "before", "mountPath": "/before"}],
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
    });
    hostile["spec"]["volumes"] = json!([{"name": "before", "emptyDir": {}}]);
    let containers = hostile["spec"]["containers"].as_array_mut();
    containers.context("no containers")?.push(attacker);
    space.apply(&on(asking(hostile, space.name()), node))?;
    let mut said = String::new();
    // It may never be Ready: its rules send the answers to kubelet's probe out by the ENI.
    let reported = space.world.wait("the attack", 3 * SOON, || {
        said = space.kubectl(&["logs", "hostile", "-c", "attacker"])?;
        Ok(said.contains("attacked"))
    });
    println!("{said}");
    reported
}

/// In a namespace that the pod can change nothing holds, and the claim says so.
fn claim_says_that_nothing_holds(space: &Space) -> anyhow::Result<()> {
    let blocked = condition(&space.claim_of("hostile")?, "MetadataBlocked");
    ensure!(
        blocked["status"] == "False" && blocked["reason"] == "NetAdmin",
        "MetadataBlocked is {blocked}"
    );
    Ok(())
}

/// How long ten pods take from their creation until all are Ready with their interfaces.
fn ten_start(space: &Space, prefix: &str) -> anyhow::Result<Duration> {
    // The node of the attack has seven slots.
    let start = Instant::now();
    let names: Vec<String> = (0..ORDINARY).map(|n| format!("{prefix}-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let node = space.world.cluster.node(n % 2).name();
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    space.world.wait("ten pods to be Ready", 2 * SOON, || {
        let all = space.list("pods")?.into_iter();
        let ours = |pod: &Value| name(pod).starts_with(prefix);
        let ready = all.filter(|pod| ours(pod) && is_ready(pod)).count();
        ensure!(ready == ORDINARY, "{ready} are");
        Ok(true)
    })?;
    let took = start.elapsed();
    for name in &names {
        space.await_ready(name)?;
        space.exec(name, &["/bin/ip", "link", "show", "eni0"])?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    space.kubectl(&[&["delete", "pod", "--timeout=60s"], &names[..]].concat())?;
    Ok(took)
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

/// Links that the attack made in the node's own namespace: nobody but it knows them.
fn remove_pushed(world: &World) -> anyhow::Result<()> {
    let script = "ip -o link show type bridge | sed -n 's/^[0-9]*: \\([^:@]*\\)[:@].*/\\1/p' |
        while read -r link; do ip link del $link; done";
    world.on_node(0, script).map(drop)
}
