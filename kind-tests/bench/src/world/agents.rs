//! What a node's agent does about a claim.

use api::Time;
use operator_core::claim::{Claim, Device, DeviceState};

use super::cloud::Cloud;

/// What it does.
pub enum Act {
    /// Nothing is to be done.
    Nothing,
    /// The device is not there yet.
    Later,
    /// It has plugged or given back the device, and reports that.
    Report(Device),
}

/// What is to be done for the attachment that the status names.
pub fn act(claim: &Claim, cloud: &impl Cloud, now: Time) -> Act {
    let status = &claim.status;
    let (Some(eni), Some(attachment)) = (&status.eni, &status.attachment) else {
        return Act::Nothing;
    };
    let Some(id) = &attachment.id else {
        return Act::Nothing;
    };
    let state = if attachment.is_released() {
        DeviceState::Released
    } else if cloud.is_attached(&eni.id) {
        DeviceState::Plugged
    } else {
        return Act::Later;
    };
    let reported = claim.device_state();
    if reported == Some(state) || reported == Some(DeviceState::Released) {
        return Act::Nothing;
    }
    let plugged = state == DeviceState::Plugged;
    let pod = status.binding.as_ref().map(|b| b.pod_uid.clone());
    Act::Report(Device {
        node_access: Vec::new(),
        attachment_id: id.clone(),
        state,
        pod_uid: pod.filter(|_| plugged),
        container_id: None,
        if_name: plugged.then(|| "eni0".into()),
        since: now.whole_second(),
    })
}
