//! A node with many links, of which some come and go all the time.

use anyhow::ensure;
use e2e::world::{SOON, Space, World, is_ready};

use super::makers::{asking, class, on, pod};

/// Group of the links that the scenario makes, so that one request removes them.
const GROUP: &str = "4207";
const PAIRS: usize = 200;
/// As many as the node has slots.
const PODS: usize = 7;

/// What the agent says while no list of the links is whole.
const NOTICED_LATE: &str = "links come and go on the node without end";

/// 200 veth pairs, and links that are made and removed without pause: every pod gets its interface, and no look at the
/// node is given up (cilium#48718, plugins#1121).
pub fn links_come_and_go(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    space.at_end(quiet_again);
    crowd(world)?;
    let before = world.agent_log(0)?.lines().count();
    let batches = churned(world)?;
    let names: Vec<String> = (0..PODS).map(|n| format!("busy-{n}")).collect();
    for name in &names {
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    world.wait("all pods to be Ready", 2 * SOON, || {
        let pods = space.list("pods")?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        ensure!(ready == PODS, "{ready} of {PODS} are");
        Ok(true)
    })?;
    for name in &names {
        space.await_ready(name)?;
    }
    ensure!(
        churned(world)? > batches,
        "no links came and went while pods started"
    );
    let log = world.agent_log(0)?;
    let failed: Vec<&str> = log
        .lines()
        .skip(before)
        .filter(|line| line.contains("WARN") || line.contains("ERROR"))
        // How often a list is whole is a matter of the processors; nothing else may come of it.
        .filter(|line| !line.contains(NOTICED_LATE))
        .collect();
    ensure!(failed.is_empty(), "the agent's log says {failed:#?}");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    space.kubectl(&[&["delete", "pod", "--timeout=60s"], &names[..]].concat())?;
    quiet_again(world)?;
    world.await_clean()
}

/// The links, and programs that end by themselves, should nobody end them. They leave the processors to others: what is
/// shown is a node with busy links.
fn crowd(world: &World) -> anyhow::Result<()> {
    let script = format!(
        "for n in $(seq {PAIRS}); do echo link add vetha$n group {GROUP} type veth peer name vethb$n group {GROUP}; done |
            ip -batch -
        mkdir /run/churn; : >/run/churn/go; : >/run/churn/batches
        for k in 1 2 3; do
            for n in $(seq 20); do echo link add vethc$k type veth peer name vethd$k; echo link del vethc$k; done >/run/churn/$k
            timeout 150 nice -n 19 sh -c \"while [ -e /run/churn/go ]; do ip -batch /run/churn/$k && echo . >>/run/churn/batches; done\" \
                >/dev/null 2>&1 &
            echo $! >>/run/churn/programs
        done"
    );
    world.on_node(0, &script).map(drop)
}

/// How many batches of links came and went.
fn churned(world: &World) -> anyhow::Result<usize> {
    Ok(world.on_node(0, "cat /run/churn/batches")?.lines().count())
}

/// Each program ends after its batch, whose last line removes its link; only then is nobody left to write a file. There
/// is nothing to delete the second time.
fn quiet_again(world: &World) -> anyhow::Result<()> {
    let script = format!(
        "rm -f /run/churn/go
        for program in $(cat /run/churn/programs 2>/dev/null); do
            while kill -0 $program 2>/dev/null; do sleep 0.05; done
        done
        ip link del group {GROUP} 2>/dev/null || ! ip link show vetha1 2>/dev/null
        rm -rf /run/churn"
    );
    world.on_node(0, &script).map(drop)
}
