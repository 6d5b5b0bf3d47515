//! The DHCP lease of a device, with times that its claim does not have: a renewal writes nothing to the API server.

use std::{sync::mpsc::Receiver, time::Duration};

use node_agent_core::dhcp::{BootTime, Times};
use serde::{Deserialize, Serialize};

use super::Device;
use crate::dhcp::Kept;

/// A keeper that is busy answers within a turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// A lease, or how far it is from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// IPv4 or IPv6.
    pub family: String,
    /// What the client does, as its RFC calls it.
    pub state: String,
    /// Seconds until its server is asked to prolong it (T1).
    pub renews_in: Option<u64>,
    /// Seconds until any server is asked (T2).
    pub rebinds_in: Option<u64>,
    /// Seconds until it ends; none: it has no end, or there is no lease.
    pub expires_in: Option<u64>,
}

/// Puts the leases to their devices.
pub(super) fn show(kept: &Receiver<Vec<Kept>>, devices: &mut [Device]) {
    // Without a keeper, in tests, there are none.
    for kept in kept.recv_timeout(PATIENCE).unwrap_or_default() {
        let mac = kept.mac.to_string();
        if let Some(device) = devices.iter_mut().find(|device| device.device == mac) {
            device.leases.push(lease(&kept));
        }
    }
}

fn lease(kept: &Kept) -> Lease {
    let Times {
        renew_at,
        rebind_at,
        expires_at,
    } = kept.times.unwrap_or_default();
    let seconds = |at: Option<BootTime>| at.map(|at| at.since(kept.now) / 1_000);
    Lease {
        family: kept.family.as_str().to_owned(),
        state: kept.state.to_owned(),
        renews_in: seconds(renew_at),
        rebinds_in: seconds(rebind_at),
        expires_in: seconds(expires_at),
    }
}
