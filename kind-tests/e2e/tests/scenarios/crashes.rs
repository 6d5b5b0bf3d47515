//! Things end at the worst moment, and everything converges.

use anyhow::{Context, ensure};
use e2e::world::{PEER, PORT, SOON, SYSTEM, World};
use serde_json::{Value, json};

use super::super::{class, on, pod};

/// The pod goes while EC2 still makes its ENI: nothing is left.
pub fn deleted_while_creating(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    let before = world.calls("CreateNetworkInterface")?.len();
    world.apply(&pod("short", Some("app")))?;
    world.wait("the Create call", SOON, || {
        Ok(world.calls("CreateNetworkInterface")?.len() > before)
    })?;
    world.delete_pods(&["short"])
}

/// SIGKILL to the operator after Create has answered and before Attach has been heard: one ENI, and the pod gets it.
pub fn operator_between_create_and_attach(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    let before = world.calls("CreateNetworkInterface")?.len();
    world.cluster.sim(
        "POST",
        "/sim/faults",
        Some(&json!({"action": "AttachNetworkInterface", "delayMs": 20_000, "times": 1})),
    )?;
    world.apply(&pod("crash", Some("app")))?;
    world.wait("the ENI in the claim's status", SOON, || {
        Ok(world.claim_of("crash")?["status"]["eni"]["id"].is_string())
    })?;
    world.kill("eniclaim-operator")?;
    world.cluster.sim("DELETE", "/sim/faults", None)?;
    world.await_ready("crash")?;
    let made = world.calls("CreateNetworkInterface")?;
    let enis: std::collections::BTreeSet<_> = made
        .iter()
        .skip(before)
        .map(|c| c["result"].to_string())
        .collect();
    ensure!(enis.len() == 1, "more than one ENI was made: {made:#?}");
    world.delete_pods(&["crash"])
}

/// SIGKILL to every agent while a pod talks over its ENI: not one connection fails, and the claim stays Ready.
pub fn agent_under_traffic(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    world.apply(&pod("talker", Some("app")))?;
    world.await_ready("talker")?;
    let address = world.eni_address("talker")?;
    let target = format!("{PEER}:{PORT}");
    let watch = world.cluster.kubectl_spawn(
        "watch",
        &[
            "exec", "talker", "--", "/probe", "watch", &target, "--from", &address,
        ],
    )?;
    let lines = || {
        watch
            .output()
            .map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    world.wait("traffic", SOON, || Ok(lines()?.len() > 5))?;
    world.kill("eniclaim-agent")?;
    world.await_process("eniclaim-agent")?;
    world.await_rollout("daemonset/eniclaim-agent")?;
    let seen = lines()?.len();
    world.wait("traffic after the restart", SOON, || {
        Ok(lines()?.len() > seen + 20)
    })?;
    let failed: Vec<_> = lines()?.into_iter().filter(|line| line != "ok").collect();
    watch.end()?;
    ensure!(failed.is_empty(), "connections failed: {failed:?}");
    ensure!(
        world.claim_of("talker")?["status"]["phase"] == "Ready",
        "the claim is not Ready any more"
    );
    world.delete_pods(&["talker"])
}

/// No agent at all: who does not ask starts as ever, who asks waits with a sentence and starts when the agent is back.
pub fn agent_stopped(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    let selector = |value: &Value| {
        json!({"spec": {"template": {"spec": {"nodeSelector": {"eniclaim.io/nowhere": value}}}}})
            .to_string()
    };
    let patch = |value: &Value| {
        let daemonset = [
            "-n",
            SYSTEM,
            "patch",
            "daemonset",
            "eniclaim-agent",
            "--type=merge",
            "-p",
        ];
        world.kubectl(&[&daemonset[..], &[&selector(value)]].concat())
    };
    patch(&json!("true"))?;
    world.wait("the agents to be gone", SOON, || {
        Ok(world.pids_of("eniclaim-agent")?.is_empty())
    })?;
    world.apply(&pod("unasking", None))?;
    world.apply(&pod("asking", Some("app")))?;
    world.kubectl(&[
        "wait",
        "pod",
        "unasking",
        "--for=condition=Ready",
        "--timeout=30s",
    ])?;
    world.await_event("asking", "eniclaim-agent")?;
    patch(&Value::Null)?;
    world.wait("the waiting pod to be Ready", 2 * SOON, || {
        Ok(world.claim_of("asking")?["status"]["phase"] == "Ready")
    })?;
    world.await_ready("asking")?;
    world.delete_pods(&["asking", "unasking"])
}

/// The pod's namespace dies without a DEL: the same ENI comes home and goes into the next sandbox of the same pod.
pub fn dead_namespace(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    let node = world.cluster.node(0);
    world.apply(&on(pod("victim", Some("app")), &node.name()))?;
    world.await_ready("victim")?;
    let before = world.claim_of("victim")?;
    let sandbox = before["status"]["device"]["containerId"]
        .as_str()
        .context("no sandbox in the claim")?
        .to_owned();
    let netns = "for n in /run/netns/*; do ip netns exec $(basename $n) ip link show eni0 >/dev/null 2>&1 && echo $n; done; true";
    let path = String::from_utf8(node.exec(&["sh", "-c", netns])?.stdout)?
        .trim()
        .to_owned();
    ensure!(
        !path.is_empty() && !path.contains('\n'),
        "not one namespace with eni0: {path:?}"
    );
    node.exec(&["sh", "-c", &format!("umount -l {path} && rm -f {path}")])?;
    world.kill("pause")?;
    world.kill("probe")?;
    world.wait("another sandbox", 2 * SOON, || {
        let device = world.claim_of("victim")?["status"]["device"].clone();
        Ok(device["state"] == "Plugged"
            && device["containerId"].is_string()
            && device["containerId"] != sandbox.as_str())
    })?;
    world.await_ready("victim")?;
    let after = world.claim_of("victim")?;
    ensure!(
        after["status"]["eni"] == before["status"]["eni"],
        "another ENI: {after:#}"
    );
    world.delete_pods(&["victim"])
}
