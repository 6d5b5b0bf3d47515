//! Reports to the API server: built here, and repeated until it took them or nobody needs them any more.

use std::{collections::HashMap, time::Duration};

use crds::{
    AGENT, ClaimStatus, Condition, EniClaim, Time,
    claim::{Device, DeviceState, Timeline, interface_name},
    condition::{ConditionStatus, MetadataReason, PluggedReason, kind},
    id::NotAnId,
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use node_agent_core::{
    claim::{ClaimKey, Dhcp, Metadata, Place, Report},
    custody::Custody,
    layout::Features,
};
use serde_json::{Value, json};
use telemetry::{Failure, Outcome};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    claim,
    error::{Error, hidden},
    metrics::Metrics,
};

mod leases;

pub use self::leases::reported_leases;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A report with all that its claim's status needs.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The claim as it was last seen.
    pub claim: EniClaim,
    /// What is so now.
    pub report: Report,
    /// When it became so.
    pub now: Time,
    /// When the device was first seen on the node.
    pub seen: Time,
    /// Name of the interface in the pod that has the device.
    pub if_name: Option<String>,
    /// Who moved the device into that pod.
    pub custody: Custody,
    /// Whether the class wants the metadata service blocked.
    pub metadata: Metadata,
    /// Whether its leases configure it.
    pub dhcp: Dhcp,
    /// What the kernel can do about the metadata service.
    pub features: Features,
    /// Whether this agent has plugged the device in without its IPv6 addresses.
    pub without_ipv6: bool,
}

/// A container of the claim's pod that can change the pod's network.
fn net_admin(claim: &EniClaim) -> Option<&str> {
    claim
        .status
        .as_ref()?
        .binding
        .as_ref()?
        .net_admin
        .as_deref()
}

/// Whether the claim's condition `MetadataBlocked` does not say what its binding does of the pod: a container that can change the
/// pod's network came while the pod runs, or this version is the first that says so.
pub fn is_outdated(claim: &EniClaim) -> bool {
    let status = claim.status.as_ref();
    let condition = status.and_then(|status| status.condition(kind::METADATA_BLOCKED));
    condition.is_some_and(|condition| match condition.reason.as_str() {
        reason if reason == MetadataReason::Allowed.as_str() => false,
        reason => (reason == MetadataReason::NetAdmin.as_str()) != net_admin(claim).is_some(),
    })
}

impl Notice {
    /// Our whole part of the claim's status: server-side apply removes what an owner no longer says.
    pub fn patch(&self) -> Result<Value, Error> {
        let before = self.claim.status.clone().unwrap_or_default();
        let plugged = matches!(self.report.place, Place::Plugged { .. });
        let conditions = self.conditions().into_iter();
        let status = ClaimStatus {
            device: Some(self.device(&before)?),
            leases: leases::of_status(&self.report.leases),
            timeline: Timeline {
                seen: before.timeline.seen.or(Some(self.seen)),
                plugged: before.timeline.plugged.or(plugged.then_some(self.now)),
                ..Timeline::default()
            },
            conditions: conditions
                .map(|condition| condition.since(&before.conditions, self.now))
                .collect(),
            ..ClaimStatus::default()
        };
        let metadata = &self.claim.metadata;
        Ok(json!({
            "apiVersion": EniClaim::api_version(&()),
            "kind": "EniClaim",
            // With the UID a claim that was made again under the same name refuses the report of the one before.
            "metadata": { "name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid },
            "status": status,
        }))
    }

    fn device(&self, before: &ClaimStatus) -> Result<Device, Error> {
        let attachment = self.report.attachment.parse();
        let (pod_uid, container_id, if_name) = match &self.report.place {
            Place::Plugged {
                pod_uid,
                container_id,
            }
            | Place::Hidden {
                pod_uid,
                container_id,
            } => (
                Some(pod_uid.as_str().into()),
                Some(container_id.as_str().into()),
                Some(
                    (self.if_name.as_deref())
                        .map_or_else(|| interface_name(before).into(), Into::into),
                ),
            ),
            Place::Seen | Place::Home | Place::Released => (None, None, None),
        };
        let device = Device {
            attachment_id: attachment.map_err(|error: NotAnId| Error::Claim {
                claim: claim::key(&self.claim).to_string(),
                why: error.to_string(),
            })?,
            state: self.state(),
            pod_uid,
            container_id,
            if_name,
            node_access: self.report.node_access.clone(),
            since: self.now,
        };
        // What is new is a lease: the device is where it was.
        let was = before.device.as_ref().filter(|was| {
            let since = was.since;
            reported_leases(before) != self.report.leases
                && **was
                    == Device {
                        since,
                        ..device.clone()
                    }
        });
        Ok(was.cloned().unwrap_or(device))
    }

    fn state(&self) -> DeviceState {
        match self.report.place {
            Place::Seen => DeviceState::Seen,
            Place::Plugged { .. } | Place::Hidden { .. } => DeviceState::Plugged,
            Place::Home => DeviceState::Home,
            Place::Released => DeviceState::Released,
        }
    }

    /// That of the condition `Plugged`.
    fn reason(&self) -> &'static str {
        let reason = match &self.report.place {
            Place::Seen => PluggedReason::Seen,
            Place::Plugged { .. } if self.lacks_ipv6() => PluggedReason::WithoutIpv6,
            Place::Plugged { .. } => PluggedReason::Plugged,
            Place::Hidden { .. } => PluggedReason::Hidden,
            Place::Home => PluggedReason::Home,
            Place::Released => PluggedReason::Released,
        };
        reason.as_str()
    }

    /// Whether the pod has the device without its IPv6 addresses. What an agent before has said of this sandbox still holds.
    fn lacks_ipv6(&self) -> bool {
        let status = self.claim.status.as_ref();
        let plugged = status.and_then(|status| status.condition(kind::PLUGGED));
        let said =
            plugged.is_some_and(|before| before.reason == PluggedReason::WithoutIpv6.as_str());
        let device = status.and_then(|status| status.device.as_ref());
        let same = match &self.report.place {
            Place::Plugged { container_id, .. } => {
                let before = device.and_then(|device| device.container_id.as_deref());
                before == Some(container_id)
            }
            Place::Seen | Place::Hidden { .. } | Place::Home | Place::Released => false,
        };
        self.without_ipv6 || said && same
    }

    /// Why it has not, and the way out.
    fn without_ipv6(&self) -> &'static str {
        if self.features.ipv6 {
            "the device is in the pod with its IPv4 addresses alone, since IPv6 is disabled in the pod; set the sysctl net.ipv6.conf.all.disable_ipv6 of the pod to 0, or take IPv6 out of spec.ipFamilies of the class"
        } else {
            "the device is in the pod with its IPv4 addresses alone, since the kernel of the node has no IPv6; start it without ipv6.disable=1, or take IPv6 out of spec.ipFamilies of the class"
        }
    }

    /// The pod that the claim is bound to, as namespace/name.
    fn pod(&self) -> Option<String> {
        let status = self.claim.status.as_ref()?;
        let binding = status.binding.as_ref()?;
        let namespace = self.claim.metadata.namespace.as_deref()?;
        Some(format!("{namespace}/{}", binding.pod_name))
    }

    fn conditions(&self) -> Vec<Condition> {
        let (holds, message) = match &self.report.place {
            Place::Seen => (false, "the device is on the node and waits for its pod"),
            Place::Plugged { .. } if self.lacks_ipv6() => (true, self.without_ipv6()),
            Place::Plugged { .. } => (
                true,
                match self.custody {
                    Custody::Ours => "the device is in the pod, addressed and routed",
                    Custody::Borrowed(_) => {
                        "the device is in the pod, where another CNI plugin moved it, addressed and routed"
                    }
                },
            ),
            Place::Hidden { pod_uid, .. } => (false, &*self.hidden(pod_uid)),
            Place::Home => (false, "the device is back on the node"),
            Place::Released => (false, "the device is given back and may be detached"),
        };
        let mut conditions = vec![self.condition(kind::PLUGGED, holds, self.reason(), message)];
        if let Place::Plugged { .. } = self.report.place {
            let undone = net_admin(&self.claim).map(|container| format!(
                "container {container} of the pod is privileged or has NET_ADMIN or SYS_ADMIN and can undo the routing rules and the packet filter: take that from it, or set instanceMetadata: Allowed in the class"
            ));
            let (blocked, reason, message) = match (
                self.metadata,
                &undone,
                self.features.egress_hook,
            ) {
                (Metadata::Blocked, Some(undone), _) => {
                    (false, MetadataReason::NetAdmin, undone.as_str())
                }
                (Metadata::Blocked, None, true) => (
                    true,
                    MetadataReason::Blocked,
                    "refused by routing rules and by a packet filter on the device",
                ),
                (Metadata::Blocked, None, false) => (
                    false,
                    MetadataReason::NoEgressHook,
                    "refused by routing rules alone: raw sockets pass them, and a packet filter needs Linux 5.16 or later",
                ),
                (Metadata::Allowed, _, _) => (
                    false,
                    MetadataReason::Allowed,
                    "the class allows the instance metadata service",
                ),
            };
            conditions.push(self.condition(
                kind::METADATA_BLOCKED,
                blocked,
                reason.as_str(),
                message,
            ));
        }
        let leases = leases::of_status(&self.report.leases);
        let stands = leases::condition(&leases, &self.own_addresses(), self.dhcp);
        conditions.extend(stands.map(|(holds, reason, message)| {
            self.condition(kind::LEASED, holds, reason.as_str(), &message)
        }));
        conditions
    }

    /// The addresses of the claim, as text.
    fn own_addresses(&self) -> Vec<String> {
        let status = self.claim.status.as_ref();
        let ipam = status.and_then(|status| status.ipam.as_ref());
        let addresses = ipam.iter().flat_map(|ipam| &ipam.addresses);
        addresses.map(|it| it.address.to_string()).collect()
    }

    /// Why the device of a pod does not return, and the way out.
    fn hidden(&self, pod_uid: &str) -> String {
        let status = self.claim.status.as_ref();
        let mac = status.and_then(|status| status.eni.as_ref());
        let mac = mac.map_or("of the ENI", |eni| eni.mac.as_str());
        let bound = status
            .and_then(|status| status.binding.as_ref())
            .filter(|binding| binding.pod_uid.as_str() == pod_uid);
        let name = bound.map_or_else(String::new, |binding| format!("{} ", binding.pod_name));
        hidden(mac, &format!("pod {name}with UID {pod_uid}"))
    }

    fn condition(&self, kind: &str, holds: bool, reason: &str, message: &str) -> Condition {
        Condition {
            kind: kind.into(),
            status: ConditionStatus::of(holds),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: self.now,
            observed_generation: self.claim.metadata.generation,
        }
    }
}

/// Sends notices until the channel closes. Of one claim only the latest is sent.
pub async fn send_all(
    client: Client,
    mut notices: mpsc::UnboundedReceiver<Notice>,
    metrics: Metrics,
) {
    let mut running: HashMap<ClaimKey, JoinHandle<()>> = HashMap::new();
    while let Some(notice) = notices.recv().await {
        running.retain(|_, task| !task.is_finished());
        let key = claim::key(&notice.claim);
        if let Some(before) = running.remove(&key) {
            before.abort();
            // Two reports of one claim are never under way together.
            drop(before.await);
        }
        running.insert(
            key,
            tokio::spawn(send(client.clone(), notice, metrics.clone())),
        );
    }
}

fn outcome(error: &kube::Error) -> Outcome {
    match error {
        kube::Error::Api(status) if status.code == 409 => Outcome::Conflict,
        kube::Error::Api(status) if status.code == 429 => Outcome::Throttled,
        kube::Error::Api(status) if (400..500).contains(&status.code) => Outcome::Refused,
        _ => Outcome::Unavailable,
    }
}

async fn send(client: Client, notice: Notice, metrics: Metrics) {
    let key = claim::key(&notice.claim);
    let api: Api<EniClaim> = Api::namespaced(client, &key.namespace);
    let parameters = PatchParams::apply(AGENT).force();
    let mut pause = FIRST_PAUSE;
    let (pod, reason) = (notice.pod(), notice.reason());
    let patch = match notice.patch() {
        Ok(patch) => Patch::Apply(patch),
        Err(error) => {
            return tracing::error!(claim = %key, pod, reason, %error, "a report cannot be made");
        }
    };
    loop {
        // Applying the same again changes nothing, so any failure may be tried again.
        match api.patch_status(&key.name, &parameters, &patch).await {
            Ok(_) => {
                metrics.reported(Outcome::Success);
                return tracing::info!(claim = %key, pod, reason, "reported");
            }
            // Gone, or another claim under the same name: the API server says 409 for a UID that differs, but also when
            // it lost against other writers too often, so that only a 409 that stays proves it.
            Err(kube::Error::Api(status))
                if status.code == 404 || (status.code == 409 && pause == LONGEST_PAUSE) =>
            {
                metrics.reported(Outcome::NotFound);
                return tracing::info!(claim = %key, pod, reason, "nobody needs the report any more");
            }
            Err(error) => {
                metrics.reported(outcome(&error));
                let Failure { error, code } = Failure::from(&error);
                tracing::warn!(claim = %key, pod, reason, error, code, "the report is tried again");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
