//! A class is edited while its pods wait.

use anyhow::ensure;
use e2e::world::{SOON, Space};
use serde_json::json;

use super::makers::{asking, class, pod};

/// An interface that is not plugged yet follows the edited class.
pub fn edited_before_plug(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.fault(&json!({"action": "AttachNetworkInterface", "delayMs": 5_000, "times": 1}))?;
    space.apply(&asking(pod("early"), space.name()))?;
    space.world.wait("the claim to be bound", SOON, || {
        Ok(space.claim_of("early")?["status"]["binding"].is_object())
    })?;
    let mut edited = class(space);
    edited["spec"]["interface"] = json!({"name": "eni7"});
    space.apply(&edited)?;
    let device = &space.claim_of("early")?["status"]["device"];
    ensure!(
        device["state"] != "Plugged",
        "the edit came too late: {device}"
    );
    space.await_ready("early")?;
    space.exec("early", &["/bin/ip", "address", "show", "eni7"])?;
    let name = &space.claim_of("early")?["status"]["device"]["ifName"];
    ensure!(name == "eni7", "the claim names {name}");
    space.delete_pods(&["early"])
}
