//! An object of a list or watch, or why it cannot be read: one that cannot be read takes no other with it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    core::{PartialObjectMeta, error_boundary::InvalidObject},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::value::RawValue;

/// What `kube::core::DeserializeGuard` is, from the object's own text: that one builds a tree of each object first, and a
/// copy of the tree, which is most of the work of a start with many objects.
///
/// In an event of a watch `type` comes before `object`, as apimachinery's `WatchEvent` is written; in another order serde
/// would keep the object as a tree, of which there is no text.
#[derive(Debug, Clone)]
pub(super) struct Guarded<O>(pub(super) Result<O, InvalidObject>);

impl<'de, O: Resource + DeserializeOwned> Deserialize<'de> for Guarded<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let error = match serde_json::from_str(text.get()) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => error.to_string(),
        };
        let PartialObjectMeta::<O> { metadata, .. } =
            serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Self(Err(InvalidObject { error, metadata })))
    }
}

impl<O: Resource> Resource for Guarded<O> {
    type DynamicType = O::DynamicType;
    type Scope = O::Scope;

    fn kind(of: &O::DynamicType) -> Cow<'_, str> {
        O::kind(of)
    }

    fn group(of: &O::DynamicType) -> Cow<'_, str> {
        O::group(of)
    }

    fn version(of: &O::DynamicType) -> Cow<'_, str> {
        O::version(of)
    }

    fn plural(of: &O::DynamicType) -> Cow<'_, str> {
        O::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0
            .as_ref()
            .map_or_else(|invalid| &invalid.metadata, O::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0
            .as_mut()
            .map_or_else(|invalid| &mut invalid.metadata, O::meta_mut)
    }
}
