//! What the API server itself says: refused objects, explained fields.

use anyhow::{Context, bail, ensure};
use e2e::world::{SYSTEM, World};
use serde_json::Value;

/// The objects that crds/tests evaluates locally, sent to a real API server.
pub fn rules(world: &World) -> anyhow::Result<()> {
    // The operator deletes a claim whose pod does not exist; here only the API server's word counts.
    operators(world, 0)?;
    let cases: Vec<Value> =
        serde_saphyr::from_str(include_str!("../../../../crds/tests/rules.yaml"))?;
    let judged = cases.iter().try_for_each(|case| judge(world, case));
    world.kubectl(&["delete", "eniclaims", "--all", "--timeout=30s"])?;
    operators(world, 1)?;
    judged
}

fn operators(world: &World, replicas: usize) -> anyhow::Result<()> {
    let replicas = format!("--replicas={replicas}");
    let scale = ["-n", SYSTEM, "scale", "deployment/eniclaim-operator"];
    world.kubectl(&[&scale[..], &[&replicas]].concat())?;
    world.await_rollout("deployment/eniclaim-operator")
}

fn judge(world: &World, case: &Value) -> anyhow::Result<()> {
    let says = case["says"].as_str().unwrap_or_default();
    // A status is written only to an object that is there, by its subresource; an apply leaves it out.
    let of_status = case["accepted"]["status"].is_object();
    if let Some(before) = case
        .get("before")
        .or(of_status.then_some(&case["accepted"]))
    {
        world.apply(before)?;
    }
    if case["before"]["status"].is_object() {
        send(world, &case["before"], &["replace", "--subresource=status"])?;
    }
    let verb: &[&str] = if of_status {
        &["replace", "--subresource=status", "--dry-run=server"]
    } else {
        &["apply", "--dry-run=server"]
    };
    send(world, &case["accepted"], verb).with_context(|| format!("{says}: the accepted object"))?;
    match send(world, &case["refused"], verb) {
        Ok(()) => bail!("{says}: the API server took the refused object"),
        Err(error) => ensure!(
            format!("{error:#}").contains(says),
            "{says}: the API server said {error:#}"
        ),
    }
    // The next case begins with a status of its own.
    if of_status {
        send(world, &case["accepted"], &["delete"])?;
    }
    Ok(())
}

fn send(world: &World, object: &Value, verb: &[&str]) -> anyhow::Result<()> {
    let file = world.cluster.state_dir().join("judged.json");
    std::fs::write(&file, object.to_string())?;
    let file = e2e::world::text(&file);
    world.kubectl(&[verb, &["-f", &*file]].concat()).map(|_| ())
}

/// `kubectl explain` has a sentence for every field.
pub fn explain(world: &World) -> anyhow::Result<()> {
    let said = world.kubectl(&["explain", "eniclaim.status"])?;
    for field in [
        "phase",
        "nodeName",
        "binding",
        "creation",
        "lastError",
        "eni",
        "attachment",
        "ipam",
        "device",
        "timeline",
        "conditions",
    ] {
        let after = said
            .split_once(&format!("  {field}\t"))
            .map(|(_, rest)| rest.lines().nth(1).unwrap_or_default().trim());
        ensure!(
            after.is_some_and(|line| line.len() > 10),
            "kubectl explain does not explain {field}: {said}"
        );
    }
    Ok(())
}

/// A wrong value is refused by the chart's schema, before anything is installed.
pub fn chart_values(world: &World) -> anyhow::Result<()> {
    for (value, says) in [
        ("aws.region=Frankfurt", "region"),
        ("agent.httpPort=0", "httpPort"),
        ("operatr.x=1", "operatr"),
    ] {
        let refused = world.helm(&[
            "template",
            "eniclaim",
            &world.chart("eniclaim"),
            "--set",
            value,
        ]);
        let said = refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        ensure!(
            said.contains(says),
            "helm took {value}, or said something else: {said}"
        );
    }
    Ok(())
}
