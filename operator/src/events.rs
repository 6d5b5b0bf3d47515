//! Events: what a person reads under `kubectl describe`. Nothing waits for them, and none is sent twice.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::{
    api::core::v1::{Event as ApiEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Error,
    api::{Patch, PatchParams, PostParams},
};
use operator_core::{
    Note, Subject, Time,
    order::{About, Event},
    reason::Tone,
};
use telemetry::Outcome;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

use crate::{
    Clock, convert,
    kubernetes::{Failure, TIMEOUT},
    log,
    metrics::{Metrics, Written},
};

/// Events that wait; of more the oldest are dropped.
const QUEUE: usize = 1024;
/// Events of which is known how often they were published; of more all are forgotten, and looked up again.
const KNOWN: usize = 4096;
/// Bytes that the API takes as the message of an Event (pkg/apis/core/validation/events.go).
const MESSAGE: usize = 1024;
/// Bytes of an object's name in that of an Event: at most 253 with the dot and the hash.
const NAME: usize = 236;

/// Where Events are handed in.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    queue: broadcast::Sender<(Subject, Event)>,
}

impl Events {
    /// A queue, and the task that publishes what is in it under the name of this pod.
    pub(crate) fn new(
        client: Client,
        metrics: Metrics,
        clock: Clock,
        instance: String,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = broadcast::channel(QUEUE);
        let publisher = Publisher {
            client,
            metrics,
            clock,
            instance,
            counts: HashMap::new(),
        };
        (Self { queue }, publisher.run(waiting))
    }

    /// Returns at once. The subject is for the log.
    pub(crate) fn publish(&self, subject: Subject, event: Event) {
        // It fails only when the publisher is gone, and with it the process.
        let _ = self.queue.send((subject, event));
    }
}

struct Publisher {
    client: Client,
    metrics: Metrics,
    clock: Clock,
    instance: String,
    /// How often each was published, by namespace and name.
    counts: HashMap<(String, String), i32>,
}

impl Publisher {
    async fn run(mut self, mut waiting: broadcast::Receiver<(Subject, Event)>) {
        loop {
            match waiting.recv().await {
                Ok((subject, event)) => self.publish(&subject, &event).await,
                Err(RecvError::Lagged(dropped)) => {
                    tracing::warn!(
                        events = dropped,
                        "Events dropped: the API server takes them too slowly"
                    );
                    self.metrics.dropped(dropped);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn publish(&mut self, subject: &Subject, event: &Event) {
        let now = self.clock.now();
        let Event { about, note } = event;
        let said = self.say(api_event(about, note, &self.instance, now), now);
        let (outcome, failure) = match timeout(TIMEOUT, said).await {
            Ok(Ok(())) => (Outcome::Success, None),
            Ok(Err(error)) => (Failure::from(&error).outcome_word(), Some(error)),
            Err(_) => (Outcome::Unavailable, None),
        };
        self.metrics.wrote(Written::Event, outcome);
        if outcome == Outcome::Success {
            self.metrics.event(note.reason);
            return log::event(subject, event);
        }
        let failure = failure.map(|error| telemetry::Failure::from(&error));
        tracing::warn!(
            object = kind(about),
            name = name_of(about),
            reason = note.reason.as_str(),
            note = note.message,
            outcome = outcome.as_str(),
            code = failure.as_ref().and_then(|failure| failure.code.as_deref()),
            error = failure.as_ref().map(|failure| failure.error.as_str()),
            "Event not published"
        );
    }

    /// The name follows from what is said of whom: said again, it is counted, also after another process said it.
    async fn say(&mut self, event: ApiEvent, now: Time) -> Result<(), Error> {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let name = event.metadata.name.clone().unwrap_or_default();
        let api: Api<ApiEvent> = Api::namespaced(self.client.clone(), &namespace);
        let key = (namespace, name);
        if let Some(count) = self.counts.get(&key) {
            match count_up(&api, &key.1, *count, now).await {
                Err(Error::Api(status)) if status.is_not_found() => {}
                counted => return counted.map(|count| self.remember(key, count)),
            }
        }
        let count = match api.create(&PostParams::default(), &event).await {
            Err(Error::Api(status)) if status.is_already_exists() => {
                let count = api.get(&key.1).await?.count.unwrap_or(1);
                count_up(&api, &key.1, count, now).await?
            }
            created => created.map(|_| 1)?,
        };
        self.remember(key, count);
        Ok(())
    }

    fn remember(&mut self, key: (String, String), count: i32) {
        if self.counts.len() >= KNOWN {
            self.counts.clear();
        }
        self.counts.insert(key, count);
    }
}

async fn count_up(api: &Api<ApiEvent>, name: &str, count: i32, now: Time) -> Result<i32, Error> {
    let count = count.saturating_add(1);
    let patch =
        Patch::Merge(serde_json::json!({ "count": count, "lastTimestamp": convert::time_of(now) }));
    api.patch(name, &PatchParams::default(), &patch).await?;
    Ok(count)
}

/// As client-go's recorder writes it (tools/record/event.go).
fn api_event(about: &About, note: &Note, instance: &str, now: Time) -> ApiEvent {
    let object = reference(about);
    let (reason, now) = (note.reason.to_string(), convert::time_of(now));
    ApiEvent {
        metadata: ObjectMeta {
            name: Some(name(&object, note)),
            // Events about objects without a namespace live in this one.
            namespace: Some(object.namespace.clone().unwrap_or_else(|| "default".into())),
            ..ObjectMeta::default()
        },
        involved_object: object,
        reason: Some(reason),
        message: Some(cut(&note.message, MESSAGE).to_owned()),
        type_: Some(match Tone::of(note.reason) {
            Tone::Silent | Tone::Normal => "Normal".to_owned(),
            Tone::Warning => "Warning".to_owned(),
        }),
        source: Some(EventSource {
            component: Some(api::name::OPERATOR.to_owned()),
            host: None,
        }),
        reporting_component: Some(api::name::OPERATOR.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..ApiEvent::default()
    }
}

fn name(object: &ObjectReference, note: &Note) -> String {
    // The algorithm may differ between versions of the standard library: then one Event is written anew.
    let mut hasher = DefaultHasher::new();
    (&object.uid, note.reason, &note.message).hash(&mut hasher);
    let name = cut(object.name.as_deref().unwrap_or_default(), NAME);
    format!(
        "{}.{:016x}",
        name.trim_end_matches(['-', '.']),
        hasher.finish()
    )
}

fn kind(about: &About) -> &'static str {
    match about {
        About::Pod(..) => "Pod",
        About::Node(..) => "Node",
        About::Claim(..) => "EniClaim",
        About::Class(..) => "EniClass",
        About::Report(..) => "EniNode",
        About::Cluster(_) => "Namespace",
    }
}

/// Namespace and name, or the name alone.
fn name_of(about: &About) -> String {
    match about {
        About::Pod(key, _) | About::Claim(key, _) => key.to_string(),
        About::Class(name, _) => name.to_string(),
        About::Node(name, _) | About::Report(name, _) => name.to_string(),
        About::Cluster(_) => "kube-system".to_owned(),
    }
}

fn reference(about: &About) -> ObjectReference {
    let group = match about {
        About::Pod(..) | About::Node(..) | About::Cluster(_) => None,
        About::Claim(..) | About::Class(..) | About::Report(..) => Some(api::name::GROUP),
    };
    let (namespace, name, uid) = match about {
        About::Pod(key, uid) => (Some(&key.namespace), key.name.as_str(), uid.as_str()),
        About::Claim(key, uid) => (Some(&key.namespace), key.name.as_str(), uid.as_str()),
        About::Class(name, uid) => (None, name.as_str(), uid.as_str()),
        About::Node(name, uid) => (None, name.as_str(), uid.as_str()),
        About::Report(name, uid) => (None, name.as_str(), uid.as_str()),
        About::Cluster(uid) => (None, "kube-system", uid.as_str()),
    };
    ObjectReference {
        api_version: Some(group.map_or_else(
            || "v1".to_owned(),
            |group| format!("{group}/{}", api::name::VERSION),
        )),
        kind: Some(kind(about).to_owned()),
        namespace: namespace.map(ToString::to_string),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use operator_core::{Reason, cluster::Key};

    use super::*;
    use crate::script::{self, Call};

    fn an_event(about: &About, message: &str) -> ApiEvent {
        let note = Note::new(Reason::NodeFull, message);
        api_event(about, &note, "operator-0", Time(1_800_000_000_000))
    }

    #[test]
    fn what_is_said_again_of_the_same_object_has_the_same_name() {
        let pod = |uid: &str| About::Pod(Key::new("a", "web-0"), uid.into());
        let name = |about: &About, message| an_event(about, message).metadata.name;
        assert_eq!(name(&pod("u"), "full"), name(&pod("u"), "full"));
        assert_ne!(name(&pod("u"), "full"), name(&pod("v"), "full"));
        assert_ne!(name(&pod("u"), "full"), name(&pod("u"), "fuller"));
    }

    #[test]
    fn an_event_fits_the_api() {
        let about = About::Claim(Key::new("a", &format!("{}-b", "x".repeat(235))), "u".into());
        let event = an_event(&about, &format!("a{}", "…".repeat(400)));
        let name = event.metadata.name.unwrap();
        assert!(name.len() <= 253 && !name.contains("-."), "{name}");
        assert_eq!(event.message.unwrap().len(), 1 + 341 * "…".len());
        assert_eq!(
            (event.metadata.namespace.as_deref(), event.type_.as_deref()),
            (Some("a"), Some("Warning"))
        );
        assert_eq!(
            event.involved_object.api_version.as_deref(),
            Some("eniclaim.io/v1alpha1")
        );
    }

    #[test]
    fn events_about_objects_without_a_namespace_live_in_default() {
        let event = an_event(&About::Node("n1".into(), "u".into()), "full");
        assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
        assert_eq!(event.involved_object.namespace, None);
    }

    fn pods_event() -> Event {
        Event {
            about: About::Pod(Key::new("a", "web-0"), "u".into()),
            note: Note::new(Reason::NodeFull, "full"),
        }
    }

    fn publisher(client: Client, metrics: Metrics) -> (Events, impl Future<Output = ()> + Send) {
        Events::new(client, metrics, Clock::start(), "operator-0".into())
    }

    /// Publishes the same Event so often, and returns what was called.
    async fn publish(
        times: usize,
        script: impl Fn(&Call) -> Option<(u16, String)> + Clone + Send + Sync + 'static,
    ) -> Vec<Call> {
        let (client, calls) = script::client(script);
        let (events, task) = publisher(client, Metrics::default());
        (0..times).for_each(|_| events.publish(Subject::default(), pods_event()));
        drop(events);
        task.await;
        let calls = calls.lock().unwrap();
        calls.clone()
    }

    fn stored(count: i32) -> Option<(u16, String)> {
        let event = serde_json::json!({ "metadata": { "name": "e" }, "involvedObject": {}, "count": count });
        Some((200, event.to_string()))
    }

    fn outline(calls: &[Call]) -> Vec<(&str, Option<i64>)> {
        let line = |call: &'_ Call| call.body["count"].as_i64();
        calls
            .iter()
            .map(|call| (call.method.as_str(), line(call)))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_published_again_is_counted_by_one_write() {
        let calls = publish(3, |_| stored(1)).await;
        assert_eq!(
            outline(&calls),
            [("POST", Some(1)), ("PATCH", Some(2)), ("PATCH", Some(3))]
        );
        assert!(calls[0].path.starts_with("/api/v1/namespaces/a/events"));
        assert!(calls[1].body["lastTimestamp"].is_string());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_of_an_earlier_process_is_counted_on() {
        let calls = publish(1, |call| match call.method.as_str() {
            "POST" => script::failure(409, "AlreadyExists"),
            _ => stored(4),
        })
        .await;
        assert_eq!(
            outline(&calls),
            [("POST", Some(1)), ("GET", None), ("PATCH", Some(5))]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_expired_is_published_anew() {
        let calls = publish(2, |call| match call.method.as_str() {
            "PATCH" => script::failure(404, "NotFound"),
            _ => stored(1),
        })
        .await;
        assert_eq!(
            outline(&calls),
            [("POST", Some(1)), ("PATCH", Some(2)), ("POST", Some(1))]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_events_and_of_too_many_the_oldest_are_dropped() {
        let (client, calls) = script::client(|_| None);
        let metrics = Metrics::default();
        let (events, task) = publisher(client, metrics.clone());
        (0..QUEUE + 7).for_each(|_| events.publish(Subject::default(), pods_event()));
        let task = tokio::spawn(task);
        while calls.lock().unwrap().len() < 2 {
            tokio::time::sleep(TIMEOUT).await;
        }
        task.abort();
        let metrics = metrics.encode();
        assert!(metrics.contains("events_dropped_total 7"), "{metrics}");
        let unavailable = r#"kubernetes_writes_total{object="Event",outcome="unavailable"}"#;
        assert!(metrics.contains(unavailable), "{metrics}");
        assert!(!metrics.contains("events_total"), "{metrics}");
    }

    #[test]
    fn only_an_event_that_is_published_is_counted_and_logged_as_such() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let _entered = runtime.enter();
        for (answer, published) in [
            (script::failure(403, "Forbidden"), false),
            (stored(1), true),
        ] {
            let metrics = Metrics::default();
            let (client, _) = script::client(move |_| answer.clone());
            let (events, task) = publisher(client, metrics.clone());
            events.publish(Subject::default(), pods_event());
            drop(events);
            let lines = telemetry::line::captured(|| runtime.block_on(task)).unwrap();
            let ours = lines
                .iter()
                .filter(|line| line["target"].as_str().unwrap().starts_with("operator"));
            let messages = ours.map(|line| line["message"].as_str().unwrap());
            let message = if published {
                "Event published"
            } else {
                "Event not published"
            };
            assert!(messages.eq([message]), "{lines:?}");
            let text = metrics.encode();
            let counted = text.contains(r#"events_total{reason="NodeFull"} 1"#);
            assert_eq!(counted, published, "{text}");
        }
    }
}
