//! Another client of EC2 takes the ENI of a Ready pod: the loss is reported, and the pod made again gets a new ENI.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, condition};

use super::makers::{asking, class, pod};

/// Detach: within a minute the claim is not Ready, with a reason, and the pod has an Event that names the ENI.
/// Cases: A08.
pub fn detached(space: &Space) -> anyhow::Result<()> {
    let eni = robbed(space)?;
    is_reported(space, &eni)?;
    space.delete_pods(&["victim"])?;
    made_again(space, &eni)
}

/// Detach, then Delete: the same.
pub fn deleted(space: &Space) -> anyhow::Result<()> {
    let eni = robbed(space)?;
    space.world.wait("the ENI to be deleted", SOON, || {
        let deleted = space
            .world
            .ec2("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]);
        deleted.map(|_| true)
    })?;
    is_reported(space, &eni)?;
    space.delete_pods(&["victim"])?;
    made_again(space, &eni)
}

/// A Ready pod whose ENI somebody else detaches; gives the ENI.
fn robbed(space: &Space) -> anyhow::Result<String> {
    space.apply(&class(space))?;
    space.apply(&asking(pod("victim"), space.name()))?;
    space.await_ready("victim")?;
    let eni = space.eni_of("victim")?;
    let seen = space.world.eni(&eni)?;
    let attachment = seen["attachment"]["id"].as_str().context("no attachment")?;
    let attachment = [("AttachmentId", attachment)];
    space.world.ec2("DetachNetworkInterface", &attachment)?;
    Ok(eni)
}

fn is_reported(space: &Space, eni: &str) -> anyhow::Result<()> {
    let mut ready = condition(&space.claim_of("victim")?, "Ready");
    space.world.wait("the claim to be not Ready", SOON, || {
        ready = condition(&space.claim_of("victim")?, "Ready");
        Ok(ready["status"] == "False")
    })?;
    let told = |word: &str| ready[word].as_str().is_some_and(|text| !text.is_empty());
    ensure!(
        told("reason") && told("message") && ready["reason"] != "Ready",
        "the condition Ready gives no reason: {ready}"
    );
    space.await_event("victim", eni).map(drop)
}

fn made_again(space: &Space, former: &str) -> anyhow::Result<()> {
    space.apply(&asking(pod("victim"), space.name()))?;
    space.await_ready("victim")?;
    ensure!(space.eni_of("victim")? != former, "the pod has its old ENI");
    space.exec("victim", &["/bin/ip", "address", "show", "eni0"])?;
    space.delete_pods(&["victim"])
}
