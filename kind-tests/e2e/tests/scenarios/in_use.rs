//! A claim is deleted while its pod runs: nothing changes for the pod, and the claim goes with it.

use std::time::Duration;

use anyhow::ensure;
use e2e::world::{SOON, Space, Traffic, condition};

use super::makers::{asking, class, pod};

/// `kubectl delete eniclaim` of a running pod: Terminating with the reason `InUse`, no packet lost, no second claim.
/// Cases: A07.
pub fn deleted_claim(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.apply(&asking(pod("talker"), space.name()))?;
    space.await_ready("talker")?;
    let traffic = space.traffic("talker")?;
    let name = claim_name(space)?;
    space.kubectl(&["delete", "eniclaim", &name, "--wait=false"])?;
    let what = "the claim to be Terminating with the reason InUse";
    space.world.wait(what, SOON, || is_in_use(space, &name))?;
    let before = traffic.answered()?;
    space.world.holds(
        "traffic of a pod whose claim was deleted",
        Duration::from_secs(15),
        || {
            only(space, &name)?;
            traffic.answered().map(drop)
        },
    )?;
    ensure!(
        traffic.answered()? > before + 50,
        "hardly any traffic in 15 s"
    );
    traffic.end()?;
    space.delete_pods(&["talker"])
}

/// Foreground deletion of a pod deletes its claim first: the pod keeps its interface to its last second.
pub fn foreground(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let mut slow = asking(pod("talker"), space.name());
    // The probe does not end by SIGTERM.
    slow["spec"]["terminationGracePeriodSeconds"] = 15.into();
    space.apply(&slow)?;
    space.await_ready("talker")?;
    let traffic = space.traffic("talker")?;
    let name = claim_name(space)?;
    let delete = ["delete", "pod", "talker", "--cascade=foreground"];
    space.kubectl(&[&delete[..], &["--wait=false"]].concat())?;
    space.world.holds(
        "traffic in the pod's grace period",
        Duration::from_secs(10),
        || still_talks(space, &name, &traffic),
    )?;
    space.world.wait("the pod to be gone", SOON, || {
        Ok(space.get("pod", "talker")?.is_null())
    })?;
    traffic.end()?;
    space.world.await_clean()
}

fn still_talks(space: &Space, claim: &str, traffic: &Traffic) -> anyhow::Result<()> {
    let pod = space.get("pod", "talker")?;
    ensure!(
        pod["metadata"]["deletionTimestamp"].is_string(),
        "the pod is not in its grace period: {pod}"
    );
    only(space, claim)?;
    traffic.answered().map(drop)
}

fn claim_name(space: &Space) -> anyhow::Result<String> {
    let claim = space.claim_of("talker")?;
    Ok(claim["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

fn is_in_use(space: &Space, name: &str) -> anyhow::Result<bool> {
    let claim = space.get("eniclaim", name)?;
    let ready = condition(&claim, "Ready");
    ensure!(
        claim["metadata"]["deletionTimestamp"].is_string(),
        "the claim is not Terminating"
    );
    let events = space.events_of("EniClaim", name)?;
    let said = events.iter().any(|event| event["reason"] == "InUse");
    ensure!(
        said || ready["reason"] == "InUse",
        "no Event InUse, and the condition Ready is {ready}"
    );
    Ok(true)
}

/// Fails unless this is the only claim, and it has an attachment whose release nobody asked for.
fn only(space: &Space, name: &str) -> anyhow::Result<()> {
    let claims = space.claims()?;
    let names: Vec<_> = claims.iter().map(|c| &c["metadata"]["name"]).collect();
    ensure!(names == [name], "the claims are {names:?}, not only {name}");
    let attachment = &claims[0]["status"]["attachment"];
    ensure!(
        attachment["id"].is_string() && attachment["release"].is_null(),
        "the attachment is released: {attachment}"
    );
    Ok(())
}
