//! What the agent is allowed: exactly what the chart says.

use std::fs;

use anyhow::{Context, bail, ensure};
use e2e::world::{SYSTEM, Space, World};
use serde_json::Value;

/// Capabilities by number (capabilities(7), `include/uapi/linux/capability.h`).
const CAPABILITIES: &[(&str, u32)] = &[
    ("NET_BIND_SERVICE", 10),
    ("NET_BROADCAST", 11),
    ("NET_ADMIN", 12),
    ("NET_RAW", 13),
    ("SYS_ADMIN", 21),
];
/// The agent's container.
pub const AGENT: &str = "/spec/template/spec/containers/0";

/// The process has what the chart says, and the chart's own values say nothing else.
pub fn as_in_the_chart(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    let (installed, rendered) = (daemonset(world)?, rendered(world)?);
    for path in [
        "/spec/template/spec/securityContext",
        "/spec/template/spec/volumes",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/containers/0/securityContext",
        "/spec/template/spec/containers/0/volumeMounts",
    ] {
        let (is, should) = (installed.pointer(path), rendered.pointer(path));
        ensure!(
            is == should && is.is_some(),
            "{path}: installed {is:?}, in the chart {should:?}"
        );
    }
    let pid = world.agent_pid(0)?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).with_context(|| format!("no {name}"))
    };
    let mut mask = 0_u64;
    for capability in capabilities(&installed)? {
        let known = CAPABILITIES.iter().find(|(name, _)| *name == capability);
        mask |= 1
            << known
                .with_context(|| format!("which number has {capability}?"))?
                .1;
    }
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        let has = u64::from_str_radix(field(set)?, 16)?;
        ensure!(has == mask, "{set} {has:#x}, and the chart says {mask:#x}");
    }
    ensure!(
        field("NoNewPrivs:")? == "1" && field("Seccomp:")? == "2",
        "no_new_privs or seccomp are not set: {status}"
    );
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts"))?;
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/"));
    ensure!(
        root.is_some_and(|line| line.contains(" ro,")),
        "the root is not read-only: {root:?}"
    );
    Ok(())
}

/// The `DaemonSet` as it is installed.
pub fn daemonset(world: &World) -> anyhow::Result<Value> {
    world.existing(SYSTEM).get("daemonset", "eniclaim-agent")
}

/// The `DaemonSet` as the chart has it without further values.
fn rendered(world: &World) -> anyhow::Result<Value> {
    let chart = world.chart("eniclaim");
    let template = [
        "template",
        "eniclaim",
        &chart,
        "-n",
        SYSTEM,
        "--show-only",
        "templates/agent.yaml",
    ];
    for document in world.helm(&template)?.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document)?;
        if object["kind"] == "DaemonSet" {
            return Ok(object);
        }
    }
    bail!("the chart has no DaemonSet")
}

/// The capabilities that a `DaemonSet` gives its agents.
pub fn capabilities(daemonset: &Value) -> anyhow::Result<Vec<String>> {
    let add = daemonset.pointer(&format!("{AGENT}/securityContext/capabilities/add"));
    Ok(serde_json::from_value(
        add.context("no capabilities")?.clone(),
    )?)
}
