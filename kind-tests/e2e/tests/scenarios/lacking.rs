//! What breaks when the agent lacks one of the things that the chart gives it: none is given in vain.

use anyhow::{Context, ensure};
use e2e::world::{SOON, SYSTEM, Space, World, condition};
use serde_json::{Value, json};

use super::{
    makers::{asking, class, on, pod},
    rights::{AGENT, capabilities, daemonset},
};

/// Without any one of the capabilities and mounts something breaks, and it is said what.
pub fn nothing_in_vain(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    let mut victim = on(asking(pod("victim"), space.name()), &node);
    // As containerd before 2.0 and CRI-O leave it; without it every port is for everybody in a pod of containerd 2.
    victim["spec"]["securityContext"]["sysctls"] =
        json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "1024"}]);
    space.apply(&victim)?;
    space.await_ready("victim")?;
    let whole = daemonset(world)?;
    let kept = whole.clone();
    space.at_end(move |world| restore(world, &kept));
    let mut silent = Vec::new();
    for capability in capabilities(&whole)? {
        let mut less = whole.clone();
        let add = less
            .pointer_mut(&format!("{AGENT}/securityContext/capabilities/add"))
            .and_then(Value::as_array_mut);
        add.context("no capabilities")?
            .retain(|name| *name != capability.as_str());
        // EACCES of bind(2), EPERM of everything else.
        let says = match capability.as_str() {
            "NET_BIND_SERVICE" => "Permission denied",
            _ => "not permitted",
        };
        silent.extend(breaks(space, &less, &capability, says)?);
    }
    for mount in mounts(&whole)? {
        let mut less = whole.clone();
        let all = less
            .pointer_mut(&format!("{AGENT}/volumeMounts"))
            .and_then(Value::as_array_mut);
        all.context("no mounts")?
            .retain(|one| one["name"] != mount["name"]);
        let (name, path) = (text(&mount, "name"), text(&mount, "mountPath"));
        // What lies below has the names of its parts.
        let says = if name == "sysctls" {
            "cannot set rp_filter"
        } else {
            &path
        };
        silent.extend(breaks(space, &less, &name, says)?);
    }
    ensure!(
        silent.is_empty(),
        "without these nothing was said: {silent:#?}"
    );
    restore(world, &whole)?;
    space.await_ready("victim")?;
    space.delete_pods(&["victim"])
}

/// Runs the first node's agent with less, and waits until somebody says what is missing; otherwise gives what was said.
fn breaks(
    space: &Space,
    less: &Value,
    missing: &str,
    word: &str,
) -> anyhow::Result<Option<String>> {
    replace(space.world, less)?;
    // The pod's next sandbox needs all that an agent does.
    let _ = space.end_sandbox("victim");
    let (mut said, mut sentence) = (String::new(), None);
    let waited = space.world.wait("somebody to say it", SOON / 2, || {
        said = everything_said(space)?;
        sentence = said
            .lines()
            .find(|line| line.contains(word))
            .map(str::to_owned);
        Ok(sentence.is_some())
    });
    println!("without {missing}: {}", sentence.unwrap_or_default());
    Ok(waited.err().map(|_| format!("{missing}: {said}")))
}

/// Lines of the agent's log, now and before it was started again, Events of the pod, and the EniNode's conditions.
fn everything_said(space: &Space) -> anyhow::Result<String> {
    let world = space.world;
    let agent = world.agent_pod(0)?;
    let mut said = Vec::new();
    for which in [&["-c", "agent"][..], &["-c", "agent", "--previous"]] {
        let logs = [&["-n", SYSTEM, "logs", &agent][..], which].concat();
        said.extend(world.kubectl(&logs).ok());
    }
    let system = world.existing(SYSTEM);
    let name = agent.trim_start_matches("pod/");
    for event in [
        system.events_of("Pod", name)?,
        space.events_of("Pod", "victim")?,
    ]
    .concat()
    {
        said.extend(event["message"].as_str().map(str::to_owned));
    }
    let node = world.get("eninode", &world.cluster.node(0).name())?;
    said.push(condition(&node, "PluginInstalled").to_string());
    Ok(said.join("\n"))
}

/// Gives the first node an agent of this template; the others keep theirs.
fn replace(world: &World, daemonset: &Value) -> anyhow::Result<()> {
    set(world, &json!({"type": "OnDelete"}), daemonset)?;
    let former = world.agent_pod(0)?;
    world.kubectl(&["-n", SYSTEM, "delete", &former, "--grace-period=1"])?;
    world.wait("another agent", SOON, || {
        let now = world.agent_pod(0)?;
        Ok(!now.is_empty() && now != former)
    })
}

/// Makes the `DaemonSet` what it was.
fn restore(world: &World, daemonset: &Value) -> anyhow::Result<()> {
    set(world, &daemonset["spec"]["updateStrategy"], daemonset)?;
    world.await_agents()
}

fn set(world: &World, strategy: &Value, daemonset: &Value) -> anyhow::Result<()> {
    let patch = json!([
        {"op": "replace", "path": "/spec/updateStrategy", "value": strategy},
        {"op": "replace", "path": "/spec/template", "value": daemonset["spec"]["template"]},
    ]);
    let here = [
        "-n",
        SYSTEM,
        "patch",
        "daemonset",
        "eniclaim-agent",
        "--type=json",
    ];
    world
        .kubectl(&[&here[..], &["-p", &patch.to_string()]].concat())
        .map(drop)
}

fn mounts(daemonset: &Value) -> anyhow::Result<Vec<Value>> {
    let mounts = daemonset.pointer(&format!("{AGENT}/volumeMounts"));
    Ok(serde_json::from_value(
        mounts.context("no mounts")?.clone(),
    )?)
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}
