//! All slots of a node are taken, and pods come and go.

use std::{
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space};
use serde_json::{Value, json};

use super::makers::{class, deployment, job};

/// How long EC2 takes to detach and to attach.
const DETACH_AND_ATTACH: Duration = Duration::from_millis(1200 + 1500);
/// EC2 tells nobody that a detach or an attach is done: the operator reads it once a second, the agent sees the device.
const SEEN: Duration = Duration::from_secs(1);
/// Counted by the scheduler alone.
const SEAT: &str = "example.com/seat";

/// Twelve short pods at a time on a node with seven slots: kubelet rejects none, all forty end well.
pub fn quick_job(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let node = space.world.cluster.node(0).name();
    let mut quick = job("quick", space.name(), 40, 12, 0);
    let selector = json!({"kubernetes.io/hostname": node});
    quick["spec"]["template"]["spec"]["nodeSelector"] = selector;
    space.apply(&quick)?;
    await_job(space, "quick", 40)?;
    // The pods are still there, only their ENIs are gone.
    space.world.await_clean()?;
    space.kubectl(&["delete", "job", "quick"]).map(drop)
}

/// Waits until so many pods of a Job ended well, and fails if one did not.
pub fn await_job(space: &Space, name: &str, completions: u64) -> anyhow::Result<()> {
    let what = format!("{completions} pods of Job {name} to succeed");
    let limit = 5 * SOON + SOON / 60 * u32::try_from(completions)?;
    space.world.wait(&what, limit, || {
        let succeeded = space.get("job", name)?["status"]["succeeded"].clone();
        ensure!(succeeded.is_u64(), "none has succeeded");
        ensure!(succeeded == completions, "{succeeded} have succeeded");
        Ok(true)
    })?;
    let failed: Vec<String> = space
        .list("pods")?
        .iter()
        .filter(|pod| pod["status"]["phase"] == "Failed")
        .map(|pod| {
            let (name, status) = (&pod["metadata"]["name"], &pod["status"]);
            format!("{name}: {} {}", status["reason"], status["message"])
        })
        .collect();
    ensure!(failed.is_empty(), "pods failed: {failed:#?}");
    Ok(())
}

/// A Deployment that fills a node is replaced as one that fills it with another resource. A pod that waits is told for which ENI.
pub fn rollout(space: &Space) -> anyhow::Result<()> {
    space.real_delays()?;
    // Leases are asked for and given back in the background, and are work for the two processors of a test machine.
    let mut without_leases = class(space);
    without_leases["spec"]["interface"]["dhcp"] = json!({"ipv4": "Disabled"});
    space.apply(&without_leases)?;
    let node = space.world.cluster.node(0).name();
    let capacity = space.world.get("eninode", &node)?["status"]["capacity"]
        .as_u64()
        .context("the EniNode has no capacity")?;
    add_seats(space, &node, capacity)?;
    let mut plain = deployment("plain", capacity, &node);
    plain["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"limits": {SEAT: "1"}});
    let mut full = deployment("full", capacity, &node);
    let template = &mut full["spec"]["template"];
    template["metadata"]["labels"]["eniclaim.io/class"] = json!(space.name());
    for deployment in [plain, full] {
        space.apply(&deployment)?;
    }
    for name in ["plain", "full"] {
        rolled_out(space, name)?;
    }
    hardly_slower(space, capacity)?;
    space.kubectl(&["delete", "deployment", "plain"])?;
    waiting_pod_gets_an_event(space)?;
    no_warning_advises_the_resource(space)?;
    space.kubectl(&["delete", "deployment", "full"])?;
    space.world.await_clean()
}

/// A resource of which the node has as many as it has slots, so that the scheduler holds a pod back until another ends.
pub fn add_seats(space: &Space, node: &str, seats: u64) -> anyhow::Result<()> {
    let patch = |seats: Value| {
        json!({"status": {"capacity": {SEAT: seats}, "allocatable": {SEAT: seats}}}).to_string()
    };
    let args = ["patch", "node", node, "--subresource=status", "-p"];
    let (add, remove) = (patch(json!(seats.to_string())), patch(Value::Null));
    space.kubectl_at_end(&[&args[..], &[&remove]].concat());
    space.kubectl(&[&args[..], &[&add]].concat()).map(drop)
}

/// Replaces both Deployments in turn. Where nothing else runs, `ENICLAIM_ROUNDS` has it done so often at most until the fastest times are as they
/// shall be: other processes only add to them. In virtual time that is a test of the operator's.
fn hardly_slower(space: &Space, capacity: u64) -> anyhow::Result<()> {
    let rounds: u32 = env::var("ENICLAIM_ROUNDS").map_or(Ok(1), |rounds| rounds.parse())?;
    let (mut plain, mut with_enis) = (Duration::MAX, Duration::MAX);
    for round in 1..=rounds {
        plain = plain.min(restarted(space, "plain")?);
        with_enis = with_enis.min(restarted(space, "full")?);
        println!(
            "rollout of {capacity} pods on one node, fastest of {round}: {:.1} s without ENIs, {:.1} s with",
            plain.as_secs_f32(),
            with_enis.as_secs_f32()
        );
        if round > 1 && with_enis <= plain + DETACH_AND_ATTACH + SEEN {
            return Ok(());
        }
    }
    ensure!(rounds == 1, "{with_enis:?} with ENIs, {plain:?} without");
    Ok(())
}

/// How long it takes to replace all pods of a Deployment.
fn restarted(space: &Space, name: &str) -> anyhow::Result<Duration> {
    let start = Instant::now();
    space.kubectl(&["rollout", "restart", &format!("deployment/{name}")])?;
    rolled_out(space, name)?;
    Ok(start.elapsed())
}

fn rolled_out(space: &Space, name: &str) -> anyhow::Result<()> {
    let deployment = format!("deployment/{name}");
    let status = ["rollout", "status", &deployment, "--timeout=180s"];
    space.kubectl(&status).map(drop)
}

fn waiting_pod_gets_an_event(space: &Space) -> anyhow::Result<()> {
    let pods = space.list("pods")?;
    let live = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let pod = pods.iter().find(live).context("no pod of the Deployment")?;
    let first = pod["metadata"]["name"].as_str().context("a name")?;
    let eni = space.eni_of(first)?;
    // Long enough to be worth an Event.
    space.fault(&json!({"action": "DetachNetworkInterface", "takesMs": 8_000}))?;
    space.kubectl(&["delete", "pod", first, "--wait=false"])?;
    let what = format!("an Event of the next pod that names {eni}");
    space.world.wait(&what, SOON, || {
        let events = space.list("events")?;
        Ok(events.iter().any(|event| {
            let about = &event["involvedObject"];
            let message = event["message"].as_str().unwrap_or_default();
            about["kind"] == "Pod" && about["name"] != first && message.contains(&eni)
        }))
    })?;
    rolled_out(space, "full")
}

/// The pods have the resource already: a Warning that advises it is wrong.
fn no_warning_advises_the_resource(space: &Space) -> anyhow::Result<()> {
    let events = space.list("events")?;
    let wrong: Vec<_> = events
        .iter()
        .filter(|event| {
            let who = event["reportingComponent"].as_str().unwrap_or_default();
            let message = event["message"].as_str().unwrap_or_default();
            event["type"] == "Warning"
                && who.contains("eniclaim")
                && message.contains("eniclaim.io/eni")
        })
        .map(|event| &event["message"])
        .collect();
    ensure!(wrong.is_empty(), "Warnings advise what is done: {wrong:#?}");
    Ok(())
}
