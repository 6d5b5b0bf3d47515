//! Events: what a person reads under `kubectl describe`. Nothing waits for them, and none is sent twice.

mod object;

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Event as ApiEvent;
use kube::{
    Api, Client, Error,
    api::{Patch, PatchParams, PostParams},
};
use operator_core::{Subject, Time, order::Event};
use telemetry::Outcome;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

use crate::{
    Clock, convert,
    events::object::{api_event, kind, name_of},
    kubernetes::{Failure, TIMEOUT},
    log,
    metrics::{Metrics, Written},
};

/// Events that wait; of more the oldest are dropped.
const QUEUE: usize = 1024;
/// Events of which is known how often they were published; of more all are forgotten, and looked up again.
const KNOWN: usize = 4096;

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

#[cfg(test)]
mod tests {
    use operator_core::{Note, Reason, cluster::Key, order::About};

    use super::*;
    use crate::script::{self, Call};

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
