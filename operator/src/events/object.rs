//! The Event as an object of Kubernetes.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::{
    api::core::v1::{Event as ApiEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use operator_core::{Note, Time, order::About, reason::Tone};

use crate::convert;

/// Bytes that the API takes as the message of an Event (pkg/apis/core/validation/events.go).
const MESSAGE: usize = 1024;
/// Bytes of an object's name in that of an Event: at most 253 with the dot and the hash.
const NAME: usize = 236;

/// As client-go's recorder writes it (tools/record/event.go).
pub(super) fn api_event(about: &About, note: &Note, instance: &str, now: Time) -> ApiEvent {
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

/// Kind of the object.
pub(super) fn kind(about: &About) -> &'static str {
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
pub(super) fn name_of(about: &About) -> String {
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
}
