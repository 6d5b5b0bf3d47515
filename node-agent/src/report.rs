//! Reports to the API server: built here, and repeated until it took them or nobody needs them any more.

use std::{collections::HashMap, time::Duration};

use crds::{
    AGENT,
    claim::EniClaim,
    condition::{Condition, ConditionStatus, kind},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use node_agent_core::{
    claim::{ClaimKey, Metadata, Place, Report},
    layout::Features,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    claim,
    error::Error,
    metrics::{Metrics, Outcome},
};

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
    pub now: Timestamp,
    /// When the device was first seen on the node.
    pub seen: Timestamp,
    /// Whether the class wants the metadata service blocked.
    pub metadata: Metadata,
    /// What the kernel can do about it.
    pub features: Features,
}

impl Notice {
    /// Our whole part of the claim's status: server-side apply removes what an owner no longer says.
    pub fn patch(&self) -> Value {
        let status = self.claim.status.clone().unwrap_or_default();
        let (pod, container, if_name) = match &self.report.place {
            Place::Plugged {
                pod_uid,
                container_id,
            } => (
                Some(pod_uid),
                Some(container_id),
                status.interface.map(|i| i.name),
            ),
            Place::Seen | Place::Home | Place::Released => (None, None, None),
        };
        let mut device = json!({
            "attachmentId": self.report.attachment, "state": self.state(), "since": Time(self.now),
        });
        for (field, value) in [
            ("podUid", json!(pod)),
            ("containerId", json!(container)),
            ("ifName", json!(if_name)),
        ] {
            if let (Some(device), false) = (device.as_object_mut(), value.is_null()) {
                device.insert(field.to_owned(), value);
            }
        }
        let mut timeline = json!({ "seen": status.timeline.seen.unwrap_or(MicroTime(self.seen)) });
        let plugged_now =
            matches!(self.report.place, Place::Plugged { .. }).then_some(MicroTime(self.now));
        if let (Some(timeline), Some(plugged)) = (
            timeline.as_object_mut(),
            status.timeline.plugged.or(plugged_now),
        ) {
            timeline.insert("plugged".to_owned(), json!(plugged));
        }
        let conditions: Vec<_> = self
            .conditions()
            .into_iter()
            .map(|c| c.since(&status.conditions, self.now))
            .collect();
        let metadata = &self.claim.metadata;
        json!({
            "apiVersion": format!("{}/{}", crds::GROUP, crds::VERSION),
            "kind": "EniClaim",
            // With the UID a claim that was made again under the same name refuses the report of the one before.
            "metadata": { "name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid },
            "status": { "device": device, "timeline": timeline, "conditions": conditions },
        })
    }

    fn state(&self) -> &'static str {
        match self.report.place {
            Place::Seen => "Seen",
            Place::Plugged { .. } => "Plugged",
            Place::Home => "Home",
            Place::Released => "Released",
        }
    }

    fn conditions(&self) -> Vec<Condition> {
        let condition = |kind: &str, holds: bool, reason: &str, message: &str| Condition {
            kind: kind.to_owned(),
            status: if holds {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            },
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Time(self.now),
        };
        let plugged = |holds, message| condition(kind::PLUGGED, holds, self.state(), message);
        let mut conditions = vec![match self.report.place {
            Place::Seen => plugged(false, "the device is on the node and waits for its pod"),
            Place::Plugged { .. } => {
                plugged(true, "the device is in the pod, addressed and routed")
            }
            Place::Home => plugged(false, "the device is back on the node"),
            Place::Released => plugged(false, "the device is given back and may be detached"),
        }];
        if let Place::Plugged { .. } = self.report.place {
            let blocked =
                |holds, reason, message| condition(kind::METADATA_BLOCKED, holds, reason, message);
            conditions.push(match (self.metadata, self.features.egress_hook) {
                (Metadata::Blocked, true) => {
                    blocked(true, "Blocked", "refused by routing rules and by a packet filter on the device")
                }
                (Metadata::Blocked, false) => blocked(
                    false,
                    "NoEgressHook",
                    "refused by routing rules alone: raw sockets pass them, and a packet filter needs Linux 5.16 or later",
                ),
                (Metadata::Allowed, _) => blocked(false, "Allowed", "the class allows the instance metadata service"),
            });
        }
        conditions
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

async fn send(client: Client, notice: Notice, metrics: Metrics) {
    let key = claim::key(&notice.claim);
    let api: Api<EniClaim> = Api::namespaced(client, &key.namespace);
    let parameters = PatchParams::apply(AGENT).force();
    let mut pause = FIRST_PAUSE;
    loop {
        // Applying the same again changes nothing, so any failure may be tried again.
        match api
            .patch_status(&key.name, &parameters, &Patch::Apply(notice.patch()))
            .await
        {
            Ok(_) => {
                metrics.report(Outcome::Success);
                return tracing::info!(claim = %key, state = notice.state(), "reported");
            }
            // Gone, or another claim under the same name: the API server says 409 for a UID that differs, but also when
            // it lost against other writers too often, so that only a 409 that stays proves it.
            Err(kube::Error::Api(status))
                if status.code == 404 || (status.code == 409 && pause == LONGEST_PAUSE) =>
            {
                return tracing::info!(claim = %key, state = notice.state(), "nobody needs the report any more");
            }
            Err(error) => {
                metrics.report(Outcome::Failure);
                let error = Error::Api(Box::new(error));
                tracing::warn!(claim = %key, state = notice.state(), %error, "the report is tried again");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
