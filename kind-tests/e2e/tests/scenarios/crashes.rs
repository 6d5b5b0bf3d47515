//! Things end at the worst moment, and everything converges.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space};
use serde_json::json;

use super::makers::{asking, class, on, pod};

/// The pod goes while EC2 still makes its ENI: nothing is left.
/// Cases: A07.
pub fn deleted_while_creating(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let (create, attach) = ("CreateNetworkInterface", "AttachNetworkInterface");
    let world = space.world;
    let (created, attached) = (world.calls(create)?.len(), world.calls(attach)?.len());
    space.fault(&json!({"action": create, "times": 1, "takesMs": 10_000}))?;
    space.apply(&asking(pod("short"), space.name()))?;
    let mut eni = String::new();
    world.wait("Create", SOON, || {
        let calls = world.calls(create)?;
        let made = calls.get(created).and_then(|call| call["result"].as_str());
        made.context("no Create call yet")?.clone_into(&mut eni);
        Ok(true)
    })?;
    space.kubectl(&["delete", "pod", "short", "--wait=false"])?;
    let status = world.eni(&eni)?["status"].clone();
    ensure!(
        status == "pending",
        "the pod went too late: {eni} is {status}"
    );
    space.delete_pods(&["short"])?;
    ensure!(
        world.calls(attach)?.len() == attached,
        "an ENI was attached for a pod that had gone"
    );
    Ok(())
}

/// SIGKILL to the operator after Create has answered and before Attach has been heard: one ENI, and the pod gets it.
pub fn operator_between_create_and_attach(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let (created, attached) = (
        space.world.calls("CreateNetworkInterface")?.len(),
        space.world.calls("AttachNetworkInterface")?.len(),
    );
    space.fault(&json!({"action": "AttachNetworkInterface", "delayMs": 20_000, "times": 1}))?;
    space.apply(&asking(pod("crash"), space.name()))?;
    space
        .world
        .wait("the ENI in the claim's status", SOON, || {
            space.eni_of("crash").map(|_| true)
        })?;
    space.world.kill("eniclaim-operator")?;
    ensure!(
        space.world.calls("AttachNetworkInterface")?.len() == attached,
        "an Attach was answered before the operator was killed"
    );
    let eni = space.world.eni(&space.eni_of("crash")?)?;
    ensure!(
        eni["id"].is_string() && eni["attachment"].is_null(),
        "not between Create and Attach: {eni}"
    );
    space.world.forget_faults()?;
    space.await_ready("crash")?;
    let made = space.world.made_for_claims(created)?;
    ensure!(
        made.len() == 1 && made.values().all(|enis| enis.len() == 1),
        "not one ENI for one claim: {made:#?}"
    );
    space.delete_pods(&["crash"])
}

/// SIGKILL to every agent while a pod talks over its ENI: not one connection fails, and the claim stays Ready.
pub fn agent_under_traffic(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.apply(&asking(pod("talker"), space.name()))?;
    space.await_ready("talker")?;
    let traffic = space.traffic("talker")?;
    let former = space.world.pids_of("eniclaim-agent")?;
    space.world.kill("eniclaim-agent")?;
    // Until kubelet has seen their end the DaemonSet says that all are ready.
    space.world.wait("other agents", SOON, || {
        let now = space.world.pids_of("eniclaim-agent")?;
        ensure!(
            now.len() == former.len() && now.iter().all(|pid| !former.contains(pid)),
            "the agents were {former:?} and are {now:?}"
        );
        Ok(true)
    })?;
    space.world.await_rollout("daemonset/eniclaim-agent")?;
    let seen = traffic.answered()?;
    space.world.wait("traffic after the restart", SOON, || {
        Ok(traffic.answered()? > seen + 20)
    })?;
    traffic.answered()?;
    traffic.end()?;
    ensure!(
        space.claim_of("talker")?["status"]["phase"] == "Ready",
        "the claim is not Ready any more"
    );
    space.delete_pods(&["talker"])
}

/// No agent at all: who does not ask starts as ever, who asks waits with a sentence and starts when the agent is back.
pub fn agent_stopped(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.agents_need_label()?;
    space.world.wait("the agents to be gone", SOON, || {
        Ok(space.world.pids_of("eniclaim-agent")?.is_empty())
    })?;
    space.apply(&pod("unasking"))?;
    space.apply(&asking(pod("asking"), space.name()))?;
    let ready = ["--for=condition=Ready", "--timeout=30s"];
    space.kubectl(&[&["wait", "pod", "unasking"], &ready[..]].concat())?;
    space.await_event("asking", "agent")?;
    space.agents_everywhere()?;
    space.await_ready("asking")?;
    space.delete_pods(&["asking", "unasking"])
}

/// The pod's namespace dies without a DEL: the same ENI comes home and goes into the next sandbox of the same pod.
pub fn dead_namespace(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let node = space.world.cluster.node(0);
    space.apply(&on(asking(pod("victim"), space.name()), &node.name()))?;
    space.await_ready("victim")?;
    let before = space.claim_of("victim")?;
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
    // From here on no DEL finds the namespace.
    let script = format!("umount -l {path} && rm {path}");
    space.world.on_node(0, &script)?;
    space.world.kill("pause")?;
    space.world.kill("probe")?;
    space.world.wait("another sandbox", 2 * SOON, || {
        let device = space.claim_of("victim")?["status"]["device"].clone();
        Ok(device["state"] == "Plugged"
            && device["containerId"].is_string()
            && device["containerId"] != sandbox.as_str())
    })?;
    space.await_ready("victim")?;
    let after = space.claim_of("victim")?;
    ensure!(
        after["status"]["eni"] == before["status"]["eni"],
        "another ENI: {after:#}"
    );
    space.delete_pods(&["victim"])
}
