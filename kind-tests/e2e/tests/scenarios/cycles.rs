//! Many pods, one after the other and several at a time, after which everything is as it was.

use std::{collections::BTreeMap, env, fs, time::Instant};

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, World};
use serde_json::json;

use super::{
    full_node::await_job,
    makers::{class, job},
};

/// How many, unless `ENICLAIM_CYCLES` says otherwise.
const CYCLES: u32 = 200;
/// As many as two nodes have slots.
const AT_ONCE: u32 = 14;
/// By how much an agent's memory may differ, in kilobytes: pages that the allocator keeps.
const PAGES: u64 = 4096;

/// How many more descriptors and threads an agent may have: a connection or two, a thread that is still idle.
const BREATH: u64 = 4;

/// Links, rules, routes, tables, namespaces, files, ENIs, the agents' descriptors, threads and memory are the same before
/// and after.
pub fn many(space: &Space) -> anyhow::Result<()> {
    let cycles = env::var("ENICLAIM_CYCLES").map_or(Ok(CYCLES), |cycles| cycles.parse())?;
    let world = space.world;
    space.apply(&class(space))?;
    // What is made once and stays is made before.
    run(space, "warm", 2 * AT_ONCE)?;
    let (before, memory) = (things(world)?, memory(world)?);
    let start = Instant::now();
    run(space, "cycles", cycles)?;
    println!("{cycles} pods took {:.0?}", start.elapsed());
    // Idle threads end after a while.
    let mut after = BTreeMap::new();
    let same = world.wait("everything to be as before", SOON, || {
        after = things(world)?;
        Ok(before.iter().all(|(kind, before)| {
            let after = after.get(kind).copied().unwrap_or_default();
            let breathes = kind.contains("agent") && after < before + BREATH;
            after == *before || breathes
        }))
    });
    same.with_context(|| format!("before: {before:#?}, after: {after:#?}"))?;
    for (node, (before, after)) in memory.into_iter().zip(self::memory(world)?).enumerate() {
        println!("the agent of node {node} has {after} kB, and had {before} kB");
        ensure!(
            after < before + PAGES,
            "the agent of node {node} has grown from {before} kB to {after} kB"
        );
    }
    Ok(())
}

fn run(space: &Space, name: &str, cycles: u32) -> anyhow::Result<()> {
    space.apply(&job(name, space.name(), cycles, AT_ONCE, 0))?;
    await_job(space, name, cycles.into())?;
    space.world.await_clean()?;
    let delete = [
        "delete",
        "job",
        name,
        "--cascade=foreground",
        "--timeout=120s",
    ];
    space.kubectl(&delete).map(drop)
}

/// How many there are of each kind of thing, on each node and in EC2.
fn things(world: &World) -> anyhow::Result<BTreeMap<String, u64>> {
    let counts = "
        echo links $(ip -o link | wc -l)
        echo rules $( (ip -4 rule; ip -6 rule) | wc -l)
        echo routes $( (ip -4 route show table all; ip -6 route show table all) | wc -l)
        echo tables $(nft list tables | wc -l)
        echo namespaces $(ls /run/netns | wc -l)
        echo files $(find /run/eniclaim -type f | wc -l)
        echo results $(ls /var/lib/cni/results | wc -l)
        echo configurations $(find /etc/cni/net.d | wc -l)";
    let mut things = BTreeMap::new();
    for (n, node) in world.cluster.nodes().iter().enumerate() {
        for line in world.on_node(n, counts)?.lines() {
            let (kind, count) = line.split_once(' ').context("not a count")?;
            things.insert(format!("{} {kind}", node.name()), count.trim().parse()?);
        }
        let agent = world.agent_pid(n)?;
        for kind in ["fd", "task"] {
            let count = fs::read_dir(format!("/proc/{agent}/{kind}"))?.count();
            things.insert(
                format!("{} agent {kind}", node.name()),
                u64::try_from(count)?,
            );
        }
    }
    let snapshot = world.cluster.sim("GET", "/sim/snapshot", None)?;
    let enis = snapshot["enis"].as_array().map_or(0, Vec::len);
    things.insert("ENIs".to_owned(), u64::try_from(enis)?);
    ensure!(world.audit()? == json!([]), "the audit found something");
    Ok(things)
}

/// What the agents have in memory, in kilobytes.
fn memory(world: &World) -> anyhow::Result<Vec<u64>> {
    let nodes = 0..world.cluster.nodes().len();
    nodes
        .map(|node| world.memory(world.agent_pid(node)?))
        .collect()
}
