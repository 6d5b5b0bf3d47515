//! What every Kubernetes object has: name, UID, version, times.

use api::Time;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time as ApiTime};
use kube::Resource;
use operator_core::cluster::{Key, Version};

/// Name of an object.
pub(crate) fn name_of<N: From<String>>(object: &impl Resource) -> N {
    object.meta().name.clone().unwrap_or_default().into()
}

/// Namespace and name of an object.
pub(crate) fn key_of(object: &impl Resource) -> Key {
    let ObjectMeta {
        namespace, name, ..
    } = object.meta();
    Key::new(
        namespace.as_deref().unwrap_or_default(),
        name.as_deref().unwrap_or_default(),
    )
}

/// UID of an object; the API server sends none without.
pub(super) fn uid_of<U: From<String>>(object: &impl Resource) -> Option<U> {
    object.meta().uid.clone().map(Into::into)
}

/// Version of an object; the API server sends none without.
pub(super) fn version_of(object: &impl Resource) -> Option<Version> {
    object.meta().resource_version.clone().map(Into::into)
}

/// When an object was made.
pub(super) fn created(object: &impl Resource) -> Time {
    object
        .meta()
        .creation_timestamp
        .as_ref()
        .map_or(Time(0), |at| Time(at.0.as_millisecond()))
}

/// Whether the deletion of an object was asked for.
pub(super) fn is_deleting(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// A time as Kubernetes writes it. Every time of the core stems from a clock or from an object, so it is within range.
pub(crate) fn time_of(time: Time) -> ApiTime {
    ApiTime(jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}
