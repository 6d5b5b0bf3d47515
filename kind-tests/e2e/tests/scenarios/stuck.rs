//! EC2 does not get on with what it has begun.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, World};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

/// An attachment that stays `attaching`: after 90 s it is reported and detached, and another slot is taken.
pub fn attaching(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    // The operator leaves the slot alone for ten minutes, as long as it lives.
    space.at_end(World::restart_operator);
    let (attach, detach) = ("AttachNetworkInterface", "DetachNetworkInterface");
    let (attached, detached) = (
        space.world.calls(attach)?.len(),
        space.world.calls(detach)?.len(),
    );
    // An Attach that comes before the ENI is available is refused, and would spend the fault.
    space.fault(&json!({"action": attach, "times": 1, "takesMs": 600_000}))?;
    let node = space.world.cluster.node(0).name();
    space.apply(&on(asking(pod("stuck"), space.name()), &node))?;
    space.world.wait("the ENI in the claim", SOON, || {
        space.eni_of("stuck").map(|_| true)
    })?;
    let eni = space.eni_of("stuck")?;
    let what = format!("a Warning of ours that names {eni}");
    space.await_event_where("stuck", &what, Duration::from_mins(2), |event| {
        let who = event["reportingComponent"].as_str().unwrap_or_default();
        let message = event["message"].as_str().unwrap_or_default();
        event["type"] == "Warning" && who.contains("eniclaim") && message.contains(&eni)
    })?;
    space.world.wait("Detach", SOON, || {
        Ok(space.world.calls(detach)?.len() > detached)
    })?;
    space.await_ready("stuck")?;
    let calls = space.world.calls(attach)?;
    let slots: Vec<_> = calls.iter().skip(attached).map(slot).collect();
    let (first, last) = (slots.first().context("no Attach")?, slots.last());
    ensure!(Some(first) != last, "the same slot again: {slots:?}");
    space.delete_pods(&["stuck"])
}

fn slot(call: &Value) -> (Value, Value) {
    let parameters = &call["parameters"];
    (
        parameters["NetworkCardIndex"].clone(),
        parameters["DeviceIndex"].clone(),
    )
}
