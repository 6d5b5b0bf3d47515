//! The agent is killed at every step of taking an ENI out of a pod's sandbox and putting it into the next one.

use std::{collections::BTreeSet, env};

use anyhow::{Context, ensure};
use e2e::{
    steps::{End, Steps},
    world::{SOON, Space},
};
use serde_json::Value;

use super::makers::{asking, class, on, pod};

/// How many steps at most there are, and how many are left out between two that are tried; all with `ENICLAIM_KILLS=all`.
const MOST: usize = 200;
const STRIDE: usize = 5;

/// While another pod talks: it loses no packet, the device is in its pod again, and journal, status and kernel agree.
/// Cases: A06, M07.
pub fn at_every_step(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    for name in ["talker", "victim"] {
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    for name in ["talker", "victim"] {
        space.await_ready(name)?;
    }
    let eni = space.eni_of("victim")?;
    let retransmitted = space.retransmitted("talker")?;
    let traffic = space.traffic("talker")?;
    let all = env::var("ENICLAIM_KILLS").is_ok_and(|kills| kills == "all");
    let stride = if all { 1 } else { STRIDE };
    for step in (0..MOST).step_by(stride) {
        let end = round(space, step).with_context(|| format!("step {step}"))?;
        let agrees = || all_agrees(space, &eni);
        world.wait("journal, status and kernel to agree", SOON, || {
            agrees().map(|()| true)
        })?;
        traffic.answered()?;
        match end {
            End::Killed(before) => println!("{step}: killed before: {before}"),
            End::Fewer(steps) => {
                println!("there are {} steps: {steps:#?}", steps.len());
                ensure!(step > 0, "no step was seen");
                break;
            }
        }
    }
    let seen = traffic.answered()?;
    world.wait("traffic", SOON, || Ok(traffic.answered()? > seen + 5))?;
    traffic.end()?;
    let now = space.retransmitted("talker")?;
    ensure!(
        now == retransmitted,
        "retransmitted segments: {retransmitted} before, {now} after"
    );
    space.delete_pods(&["talker", "victim"])
}

/// The victim's sandbox ends, and the agent before this step of what follows; then the victim is Ready in another one.
fn round(space: &Space, step: usize) -> anyhow::Result<End> {
    let world = space.world;
    world.await_process("eniclaim-agent")?;
    world.wait("the agent", SOON, || Ok(world.agent_pid(0)? > 0))?;
    let steps = Steps::kill_before(world.agent_pid(0)?, step)?;
    let former = space.end_sandbox("victim")?;
    world.wait("another sandbox, or the agent's end", SOON, || {
        let now = space.sandbox("victim")?;
        Ok(steps.is_over() || (!now.is_null() && now != former.sandbox))
    })?;
    let end = steps.end()?;
    space.await_sandbox("victim", &former)?;
    Ok(end)
}

/// The same ENI is in the pod, the journal has what the statuses have, and nothing is on the node.
fn all_agrees(space: &Space, eni: &str) -> anyhow::Result<()> {
    let world = space.world;
    ensure!(space.eni_of("victim")? == eni, "another ENI");
    space.exec("victim", &["/bin/ip", "link", "show", "eni0"])?;
    let mut plugged = BTreeSet::new();
    for claim in space.claims()? {
        let device = &claim["status"]["device"];
        ensure!(device["state"] == "Plugged", "the status says {device}");
        let container = device["containerId"].as_str().context("no sandbox")?;
        plugged.insert(container.to_owned());
    }
    let journal = world.on_node(
        0,
        "find /run/eniclaim/journal -name '*.json' -exec cat {} +",
    )?;
    let plugs = serde_json::Deserializer::from_str(&journal).into_iter::<Value>();
    let plugs = plugs.collect::<Result<Vec<_>, _>>()?;
    let mut written = BTreeSet::new();
    for plug in &plugs {
        collect(plug, &mut written);
    }
    ensure!(
        plugged.is_subset(&written) && plugs.len() == plugged.len(),
        "the statuses have the sandboxes {plugged:?}, the journal is {journal}"
    );
    let links = world.on_node(0, "ip -o link | cut -d: -f2")?;
    let stray: Vec<&str> = links
        .split_whitespace()
        .filter(|link| {
            !(link.starts_with("lo") || link.starts_with("eth0@") || link.starts_with("veth"))
        })
        .collect();
    ensure!(stray.is_empty(), "on the node there are {stray:?}");
    Ok(())
}

/// All text in a value, wherever it stands.
fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text.clone())),
        Value::Array(all) => all.iter().for_each(|value| collect(value, texts)),
        Value::Object(all) => all.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
