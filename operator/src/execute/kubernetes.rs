//! Writes to Kubernetes.

use std::fmt::Debug;

use crds::{EniClaim, EniNode, OPERATOR};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Error, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::response::Status,
};
use operator_core::{
    Outcome,
    id::{ClaimUid, Key, NodeName, NodeUid, Version},
    order::{ClaimWrite, NewClaim},
    report::{NodePatch, Report},
};
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use crate::{
    border,
    metrics::{Metrics, Written},
};

/// No call to the API server may take longer; it is decided again afterwards.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Kubernetes {
    client: Client,
    metrics: Metrics,
}

impl Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kubernetes")
    }
}

/// Why a write was not done.
enum Undone {
    Gone,
    Exists,
    Other,
}

impl Kubernetes {
    pub(super) fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// Made once: the name follows from the pod's UID, so a second one is refused.
    pub(super) async fn create_claim(&self, new: &NewClaim) -> Outcome {
        tracing::info!(claim = %new.claim, pod = new.pod, "new claim");
        let (claim, parameters) = (border::new_claim(new), by_us());
        let api = self.claims(&new.claim);
        match self
            .count(Written::EniClaim, api.create(&parameters, &claim))
            .await
        {
            // Made before, by an operator that did not learn of it.
            Err(Undone::Exists) => claim_of(
                self.count(Written::EniClaim, api.get(&new.claim.name))
                    .await,
            ),
            answer => claim_of(answer),
        }
    }

    /// At the very version that the status was decided on; any other is a conflict, and decided again.
    pub(super) async fn write_claim(&self, write: &ClaimWrite) -> Outcome {
        let ClaimWrite {
            claim,
            uid,
            version,
            status,
            tell: _,
        } = write;
        let status = match border::status(status) {
            Ok(status) => status,
            Err(error) => {
                tracing::error!(%claim, %error, "the status does not fit the schema");
                return Outcome::Failed;
            }
        };
        if let Some(phase) = status.phase {
            tracing::info!(%claim, ?phase, "status");
        }
        let object = json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim",
            "metadata": { "name": claim.name, "namespace": claim.namespace.as_str(), "uid": uid.as_str(), "resourceVersion": version.as_str() },
            "status": status,
        });
        let (api, parameters, patch) = (self.claims(claim), applied(), Patch::Apply(object));
        claim_of(
            self.count(
                Written::EniClaim,
                api.patch_status(&claim.name, &parameters, &patch),
            )
            .await,
        )
    }

    pub(super) async fn add_finalizer(&self, claim: &Key, version: &Version) -> Outcome {
        self.finalizers(claim, version, |mut held| {
            held.push(crds::FINALIZER.to_owned());
            held
        })
        .await
    }

    pub(super) async fn remove_finalizer(&self, claim: &Key, version: &Version) -> Outcome {
        self.finalizers(claim, version, |held| {
            held.into_iter().filter(|f| f != crds::FINALIZER).collect()
        })
        .await
    }

    /// The list is replaced as a whole, at the version that was read: other finalizers stay.
    async fn finalizers(
        &self,
        claim: &Key,
        version: &Version,
        change: impl FnOnce(Vec<String>) -> Vec<String>,
    ) -> Outcome {
        let api = self.claims(claim);
        let held = match timeout(PATIENCE, api.get_metadata(&claim.name)).await {
            Ok(Ok(object)) if object.resource_version().as_deref() == Some(version.as_str()) => {
                object.finalizers().to_vec()
            }
            Ok(Err(error)) if is_gone(&error) => return Outcome::ClaimGone,
            Ok(_) | Err(_) => return Outcome::Failed,
        };
        let patch = Patch::Merge(
            json!({ "metadata": { "resourceVersion": version.as_str(), "finalizers": change(held) } }),
        );
        let parameters = PatchParams {
            field_manager: Some(OPERATOR.to_owned()),
            ..PatchParams::default()
        };
        claim_of(
            self.count(
                Written::EniClaim,
                api.patch(&claim.name, &parameters, &patch),
            )
            .await,
        )
    }

    /// Only once a direct read confirms that the pod is gone: a watch may have lost it for other reasons, such as its label.
    pub(super) async fn delete_claim(&self, claim: &Key, uid: &ClaimUid) -> Outcome {
        let api = self.claims(claim);
        let held = match timeout(PATIENCE, api.get(&claim.name)).await {
            Ok(Ok(object)) => object,
            Ok(Err(error)) if is_gone(&error) => return Outcome::ClaimGone,
            Ok(Err(_)) | Err(_) => return Outcome::Failed,
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), claim.namespace.as_str());
        let gone = match timeout(PATIENCE, pods.get(&held.spec.owner.name)).await {
            Ok(Ok(pod)) => {
                pod.uid().as_deref() != Some(&held.spec.owner.uid)
                    || border::pod(&pod).is_some_and(|p| p.terminal)
            }
            Ok(Err(error)) => is_gone(&error),
            Err(_) => false,
        };
        if !gone {
            return Outcome::Failed;
        }
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_string()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self
            .count(Written::EniClaim, api.delete(&claim.name, &parameters))
            .await
        {
            Ok(either) => either
                .left()
                .map_or(Outcome::ClaimGone, |claim| claim_of(Ok(claim))),
            Err(Undone::Gone) => Outcome::ClaimGone,
            Err(Undone::Exists | Undone::Other) => Outcome::Failed,
        }
    }

    pub(super) async fn create_report(&self, node: &NodeName, uid: &NodeUid) -> Outcome {
        let (report, parameters, api) = (
            border::new_report(node, uid),
            by_us(),
            Api::<EniNode>::all(self.client.clone()),
        );
        report_of(
            self.count(Written::EniNode, api.create(&parameters, &report))
                .await,
        )
    }

    /// Without a version: the agent's part is another field manager's.
    pub(super) async fn write_report(&self, node: &NodeName, report: &Report) -> Outcome {
        let Ok(status) = border::report_status(report) else {
            tracing::error!(%node, "the report does not fit the schema");
            return Outcome::Failed;
        };
        let object = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNode", "metadata": { "name": node.as_str() }, "status": status });
        let (api, parameters, patch) = (
            Api::<EniNode>::all(self.client.clone()),
            applied(),
            Patch::Apply(object),
        );
        report_of(
            self.count(
                Written::EniNode,
                api.patch_status(node.as_str(), &parameters, &patch),
            )
            .await,
        )
    }

    /// Labels first: the scheduler needs both, and a label without the resource only waits.
    pub(super) async fn patch_node(&self, node: &NodeName, patch: &NodePatch) -> Outcome {
        let NodePatch { publish, labels } = patch;
        tracing::info!(%node, ?publish, ?labels, "node");
        let api = Api::<Node>::all(self.client.clone());
        let parameters = PatchParams {
            field_manager: Some(OPERATOR.to_owned()),
            ..PatchParams::default()
        };
        let mut patched = None;
        if !labels.is_empty() {
            let labels: serde_json::Map<String, Value> = labels
                .iter()
                .map(|(class, set)| {
                    (
                        format!("{}{class}", crds::CLASS_LABEL_PREFIX),
                        if *set { json!("true") } else { Value::Null },
                    )
                })
                .collect();
            let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
            match self
                .count(Written::Node, api.patch(node.as_str(), &parameters, &patch))
                .await
            {
                Ok(node) => patched = Some(node),
                Err(Undone::Gone | Undone::Exists | Undone::Other) => return Outcome::Failed,
            }
        }
        if let Some(count) = publish {
            let count = json!({ crds::RESOURCE: count.to_string() });
            let patch =
                Patch::Merge(json!({ "status": { "capacity": count, "allocatable": count } }));
            match self
                .count(
                    Written::Node,
                    api.patch_status(node.as_str(), &parameters, &patch),
                )
                .await
            {
                Ok(node) => patched = Some(node),
                Err(Undone::Gone | Undone::Exists | Undone::Other) => return Outcome::Failed,
            }
        }
        patched
            .as_ref()
            .and_then(border::node)
            .map_or(Outcome::Failed, |node| Outcome::Node(Box::new(node)))
    }

    fn claims(&self, claim: &Key) -> Api<EniClaim> {
        Api::namespaced(self.client.clone(), claim.namespace.as_str())
    }

    async fn count<T>(
        &self,
        object: Written,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Undone> {
        let answer = match timeout(PATIENCE, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if is_gone(&error) => Err(Undone::Gone),
            Ok(Err(Error::Api(status))) if status.is_already_exists() => Err(Undone::Exists),
            Ok(Err(error)) => {
                tracing::warn!(?object, %error, "write not done; it is decided again");
                Err(Undone::Other)
            }
            Err(_) => {
                tracing::warn!(?object, "the API server did not answer in time");
                Err(Undone::Other)
            }
        };
        self.metrics.wrote(object, answer.is_ok());
        answer
    }
}

fn claim_of(answer: Result<EniClaim, Undone>) -> Outcome {
    match answer {
        Ok(claim) => {
            border::claim(&claim).map_or(Outcome::Failed, |claim| Outcome::Claim(Box::new(claim)))
        }
        Err(Undone::Gone) => Outcome::ClaimGone,
        Err(Undone::Exists | Undone::Other) => Outcome::Failed,
    }
}

fn report_of(answer: Result<EniNode, Undone>) -> Outcome {
    match answer {
        Ok(node) => border::report(&node)
            .map_or(Outcome::Failed, |report| Outcome::Report(Box::new(report))),
        Err(Undone::Gone | Undone::Exists | Undone::Other) => Outcome::Failed,
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Api(status) if Status::is_not_found(status))
}

fn by_us() -> PostParams {
    PostParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PostParams::default()
    }
}

fn applied() -> PatchParams {
    PatchParams::apply(OPERATOR).force()
}
