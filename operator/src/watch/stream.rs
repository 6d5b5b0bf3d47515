//! One watch: its events as facts; an object that cannot be read is reported and stops nothing.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    hash::Hash,
    pin::pin,
};

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api, Resource,
    core::error_boundary::InvalidObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use operator_core::{Change, Fact, cluster::Key, fact::Unreadable, order::About};
use serde::de::DeserializeOwned;
use telemetry::Failure;
use tokio::sync::mpsc::{Sender, error::SendError};

use super::guarded::Guarded;

/// How objects of one kind become facts.
pub(super) struct Stream<O, K, T> {
    /// The fact about a change.
    pub(super) fact: fn(Change<K, T>) -> Fact,
    /// What tells an object from every other, from its metadata.
    pub(super) key: fn(&Guarded<O>) -> K,
    /// The object as the core sees it; none for one that the API server cannot have sent.
    pub(super) convert: fn(O) -> Option<T>,
    /// What an Event about the object is about, from its key and UID; none where Events do not help.
    pub(super) about: fn(Key, String) -> Option<About>,
}

/// Those that cannot be read, by their UID.
type Unread<K> = HashMap<String, (K, String)>;

impl<O, K, T> Stream<O, K, T>
where
    O: Resource<DynamicType: Default + Eq + Hash>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
    K: Send + 'static,
    T: Send + 'static,
{
    /// Sends facts until nobody takes them any more.
    pub(super) async fn follow(
        self,
        api: Api<Guarded<O>>,
        config: watcher::Config,
        facts: Sender<Fact>,
    ) {
        let events = watcher::watcher(api, config).default_backoff();
        let mut events = pin!(events.inspect_err(|error| {
            let Failure { error, code } = Failure::from(error);
            tracing::warn!(object = %kind::<O>(), error, code, "watch interrupted; trying again");
        }));
        let (mut unread, mut listed, mut seen) = (Unread::new(), Vec::new(), HashSet::new());
        while let Some(event) = events.next().await {
            let taken = match event {
                Err(_) => Ok(()),
                Ok(Event::Init) => {
                    listed.clear();
                    seen.clear();
                    Ok(())
                }
                Ok(Event::InitApply(object)) => {
                    let key = (self.key)(&object);
                    match object.0 {
                        Ok(object) => {
                            listed.extend((self.convert)(object));
                            Ok(())
                        }
                        Err(invalid) => {
                            seen.extend(invalid.metadata.uid.clone());
                            self.pass_over(&mut unread, key, invalid, &facts).await
                        }
                    }
                }
                Ok(Event::InitDone) => {
                    let gone = unread.extract_if(|uid, _| !seen.contains(uid));
                    let gone: Vec<K> = gone.map(|(_, (key, _))| key).collect();
                    self.listed(gone, std::mem::take(&mut listed), &facts).await
                }
                Ok(Event::Apply(object)) => self.changed(&mut unread, object, &facts).await,
                Ok(Event::Delete(object)) => {
                    unread.remove(object.meta().uid.as_deref().unwrap_or_default());
                    let gone = Change::Gone((self.key)(&object));
                    facts.send((self.fact)(gone)).await
                }
            };
            if taken.is_err() {
                return;
            }
        }
    }

    /// What could not be read and is not there any more goes first: a list takes the place of all that was known.
    async fn listed(
        &self,
        gone: Vec<K>,
        listed: Vec<T>,
        facts: &Sender<Fact>,
    ) -> Result<(), SendError<Fact>> {
        for key in gone {
            facts.send((self.fact)(Change::Gone(key))).await?;
        }
        facts.send((self.fact)(Change::All(listed))).await
    }

    async fn changed(
        &self,
        unread: &mut Unread<K>,
        object: Guarded<O>,
        facts: &Sender<Fact>,
    ) -> Result<(), SendError<Fact>> {
        let key = (self.key)(&object);
        match object.0 {
            Ok(object) => {
                unread.remove(object.meta().uid.as_deref().unwrap_or_default());
                match (self.convert)(object) {
                    Some(item) => facts.send((self.fact)(Change::Set(Box::new(item)))).await,
                    None => Ok(()),
                }
            }
            Err(invalid) => self.pass_over(unread, key, invalid, facts).await,
        }
    }

    /// Reported once for each error; what was known of the object before stays known.
    async fn pass_over(
        &self,
        unread: &mut Unread<K>,
        key: K,
        invalid: InvalidObject,
        facts: &Sender<Fact>,
    ) -> Result<(), SendError<Fact>> {
        let InvalidObject { error, metadata } = invalid;
        let uid = metadata.uid.clone().unwrap_or_default();
        if unread.get(&uid).is_some_and(|(_, known)| *known == error) {
            return Ok(());
        }
        let object = Key::new(
            metadata.namespace.as_deref().unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default(),
        );
        tracing::error!(object = %kind::<O>(), name = %object, error, "an object does not fit the types of this version");
        unread.insert(uid.clone(), (key, error.clone()));
        match (self.about)(object, uid) {
            Some(about) => {
                facts
                    .send(Fact::Unreadable(Unreadable { about, error }))
                    .await
            }
            None => Ok(()),
        }
    }
}

pub(super) fn kind<O: Resource<DynamicType: Default>>() -> String {
    O::kind(&O::DynamicType::default()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use crds::EniClass;
    use operator_core::cluster::Class;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{convert, script};

    fn class(name: &str, version: u32, group: &str) -> Value {
        json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass",
            "metadata": { "name": name, "uid": format!("uid-{name}"), "resourceVersion": version.to_string() },
            "spec": { "subnets": { "ids": [] }, "securityGroups": { "ids": [group] } },
        })
    }

    fn good(name: &str, version: u32) -> Value {
        class(name, version, "sg-0a1b2c3d4e5f60718")
    }

    fn bad(name: &str, version: u32) -> Value {
        class(name, version, "nonsense")
    }

    fn list(items: &[Value]) -> String {
        let list = json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClassList",
            "metadata": { "resourceVersion": "2" }, "items": items,
        });
        list.to_string()
    }

    fn lines(events: &[(&str, Value)]) -> String {
        let line = |(kind, object): &(&str, Value)| {
            format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
        };
        events.iter().map(line).collect()
    }

    /// The facts of a watch whose lists and streams are answered one after the other, then never again.
    async fn facts(answers: Vec<String>, count: usize) -> Vec<Fact> {
        let next = Arc::new(AtomicUsize::new(0));
        let (client, _) = script::client(move |_| {
            let next = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some((200, answers.get(next)?.clone()))
        });
        let classes: Stream<EniClass, _, Class> = Stream {
            fact: Fact::Classes,
            key: |class| convert::name_of(class),
            convert: convert::class,
            about: |key, uid| Some(About::Class(key.name.clone().into(), uid)),
        };
        let (sender, mut receiver) = mpsc::channel(100);
        let config = watcher::Config::default();
        let watch = tokio::spawn(classes.follow(Api::all(client), config, sender));
        let mut facts = Vec::new();
        while facts.len() < count {
            facts.push(receiver.recv().await.unwrap());
        }
        assert!(receiver.is_empty());
        watch.abort();
        facts
    }

    /// What happened to which class.
    fn short(facts: &[Fact]) -> Vec<String> {
        let short = |fact: &Fact| match fact {
            Fact::Classes(Change::All(all)) => {
                let names = all.iter().map(|c| c.name.as_str());
                format!("all {}", names.collect::<Vec<_>>().join(" "))
            }
            Fact::Classes(Change::Set(class)) => format!("set {}", class.name),
            Fact::Classes(Change::Gone(name)) => format!("gone {name}"),
            Fact::Unreadable(Unreadable {
                about: About::Class(name, uid),
                error,
            }) => {
                assert_eq!(*uid, format!("uid-{name}"));
                assert!(error.contains("is not a security group id"), "{error}");
                format!("unreadable {name}")
            }
            other => panic!("{other:?}"),
        };
        facts.iter().map(short).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_cannot_be_read_is_reported_once_and_stops_nothing() {
        let events = lines(&[
            ("MODIFIED", bad("b", 4)),
            ("MODIFIED", good("a", 5)),
            ("ADDED", good("c", 6)),
            ("MODIFIED", good("b", 7)),
            ("MODIFIED", bad("b", 8)),
            ("DELETED", bad("b", 9)),
        ]);
        let facts = facts(vec![list(&[good("a", 1), bad("b", 2)]), events], 7).await;
        let seen = [
            "unreadable b",
            "all a",
            "set a",
            "set c",
            "set b",
            "unreadable b",
            "gone b",
        ];
        assert_eq!(short(&facts), seen);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_read_and_is_not_listed_again_is_gone() {
        let expired =
            json!({ "kind": "Status", "code": 410, "reason": "Expired", "message": "too old" });
        let lists = vec![
            list(&[good("a", 1), bad("b", 2), bad("c", 2)]),
            lines(&[("ERROR", expired)]),
            list(&[bad("c", 3)]),
        ];
        let facts = facts(lists, 5).await;
        let seen = ["unreadable b", "unreadable c", "all a", "gone b", "all "];
        assert_eq!(short(&facts), seen);
    }
}
