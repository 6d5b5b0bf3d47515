//! Events: what a person reads under `kubectl describe`.

use std::fmt::Debug;

use crds::OPERATOR;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Error,
    api::{Patch, PatchParams, PostParams},
};
use operator_core::{
    Time,
    order::Tell,
    reason::{Note, Tone},
};
use tokio::time::{Duration, timeout};

use crate::{
    border::micro,
    metrics::{Metrics, Written},
};

/// An Event is worth no longer wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters that the API takes as the note of an Event.
const NOTE: usize = 1024;

#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    metrics: Metrics,
}

impl Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    pub(crate) fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// On the claim and on the pod; an Event that cannot be published is only logged.
    pub(crate) async fn publish(&self, tell: &Tell, now: Time) {
        let Tell { claim, pod, note } = tell;
        let claim = claim
            .as_ref()
            .map(|(key, uid)| reference("eniclaim.io/v1alpha1", "EniClaim", key, uid.as_str()));
        let pod = pod
            .as_ref()
            .map(|(key, uid)| reference("v1", "Pod", key, uid.as_str()));
        self.metrics.told(note.reason);
        for (about, related) in [(&claim, &pod), (&pod, &claim)] {
            let Some(about) = about else { continue };
            let event = event(about, related.clone(), note, now);
            match timeout(PATIENCE, self.say(event, now)).await {
                Ok(Ok(())) => self.metrics.wrote(Written::Event, true),
                failed => {
                    self.metrics.wrote(Written::Event, false);
                    tracing::warn!(reason = %note.reason, about = about.name, ?failed, "event not published");
                }
            }
        }
    }

    /// The name follows from what is said of whom: said again, it is counted, also by another process.
    async fn say(&self, event: Event, now: Time) -> Result<(), Error> {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let name = event.metadata.name.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        match api.create(&PostParams::default(), &event).await {
            Err(Error::Api(status)) if status.is_already_exists() => {}
            created => return created.map(|_| ()),
        }
        let held = api.get(&name).await?;
        let count = held.series.map_or(1, |s| s.count).saturating_add(1);
        let patch =
            serde_json::json!({ "series": EventSeries { count, last_observed_time: micro(now) } });
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(|_| ())
    }
}

fn reference(
    version: &str,
    kind: &str,
    key: &operator_core::id::Key,
    uid: &str,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(key.namespace.to_string()),
        name: Some(key.name.clone()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

fn event(
    about: &ObjectReference,
    related: Option<ObjectReference>,
    note: &Note,
    now: Time,
) -> Event {
    let message: String = note.message.chars().take(NOTE).collect();
    let name = about.name.clone().unwrap_or_default();
    let tag = operator_core::token::event_tag(about.uid.as_deref().unwrap_or_default(), note);
    Event {
        metadata: ObjectMeta {
            // At most 253 characters with the tag of 16.
            name: Some(format!(
                "{}.{tag}",
                name.chars()
                    .take(236)
                    .collect::<String>()
                    .trim_end_matches(['-', '.'])
            )),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(note.reason.to_string()),
        reason: Some(note.reason.to_string()),
        type_: Some(match note.reason.tone() {
            Tone::Step | Tone::Waits => "Normal".to_owned(),
            Tone::Warns => "Warning".to_owned(),
        }),
        note: Some(message),
        event_time: Some(micro(now)),
        regarding: Some(about.clone()),
        related,
        reporting_controller: Some("eniclaim.io/operator".to_owned()),
        reporting_instance: Some(OPERATOR.to_owned()),
        ..Event::default()
    }
}
