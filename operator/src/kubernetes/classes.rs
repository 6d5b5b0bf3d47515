//! Writes of what is said of classes.

use api::{ClassStatus, id::ClassName};
use crds::EniClass;
use kube::{Api, Resource, api::Patch};
use operator_core::Outcome;
use serde_json::json;

use super::{Kubernetes, applied};
use crate::{convert, metrics::Written};

impl Kubernetes {
    /// Without a version: nobody else writes the status, and it is decided again after every change of the class. One that was
    /// made again under its name has another UID: a conflict.
    pub(super) async fn write_class(
        &self,
        class: &ClassName,
        uid: &str,
        status: &ClassStatus,
    ) -> Outcome {
        let object = json!({
            "apiVersion": EniClass::api_version(&()), "kind": "EniClass",
            "metadata": { "name": class, "uid": uid }, "status": status,
        });
        let api = Api::<EniClass>::all(self.client.clone());
        let (parameters, patch) = (applied(), Patch::Apply(object));
        let patched = api.patch_status(class.as_str(), &parameters, &patch);
        match self.count(Written::EniClass, patched).await {
            Ok(class) => convert::class(class)
                .map_or(Outcome::NotWritten, |class| Outcome::Class(Box::new(class))),
            Err(failure) => failure.outcome(),
        }
    }
}
