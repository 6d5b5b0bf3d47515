//! Writes of pods: the only ones.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::Patch};
use operator_core::{Outcome, marks::PodWrite};

use super::{Failure, Kubernetes, merged};
use crate::{convert, metrics::Written};

impl Kubernetes {
    /// Annotation and condition by one patch. It sets values at a version or of a UID: repeated it changes nothing.
    pub(super) async fn write_marks(&self, write: &PodWrite) -> Outcome {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), write.key.namespace.as_str());
        let (parameters, patch) = (merged(), Patch::Strategic(convert::pod_patch(write)));
        let patched = api.patch_status(&write.key.name, &parameters, &patch);
        match self.count(Written::Pod, patched).await {
            Ok(pod) => convert::pod(&pod)
                .map_or(Outcome::NotWritten, |pod| Outcome::Pod(Some(Box::new(pod)))),
            Err(Failure::NotFound) => Outcome::Pod(None),
            Err(failure) => failure.outcome(),
        }
    }
}
