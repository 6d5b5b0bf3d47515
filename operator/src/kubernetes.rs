//! Calls to the API server: each sent once, with its timeout and its counter.

mod claims;
mod classes;
mod client;
mod nodes;
mod pods;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Error,
    api::{PatchParams, PostParams},
    core::Status,
};
use operator_core::{Outcome, cluster::Key, fact::ApiRefusal, order::Object};
use telemetry::Outcome as Ended;
use tokio::time::{Duration, timeout};

pub use client::{client, head_limit};

use crate::{
    convert,
    metrics::{Metrics, Written},
};

/// No call takes longer; it is decided again afterwards.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The API server, as the orders of the fleet need it.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    client: Client,
    metrics: Metrics,
}

/// Why a call did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no such object.
    NotFound,
    /// There is such an object already.
    Exists,
    /// It is not at the version that was named, or not the object.
    Conflict,
    /// It will be refused again.
    Refused(ApiRefusal),
    /// No answer, or to come back later; what became of it is unknown.
    Unavailable,
}

impl Kubernetes {
    /// Calls by this client.
    pub(crate) fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// Does one write.
    pub(crate) async fn write(&self, object: &Object) -> Outcome {
        match object {
            Object::NewClaim(new) => self.new_claim(new).await,
            Object::Status(write) => self.write_status(write).await,
            Object::AddFinalizer(claim) => self.add_finalizer(claim).await,
            Object::RemoveFinalizer(claim) => self.remove_finalizer(claim).await,
            Object::DeleteClaim(claim) => self.delete_claim(claim).await,
            Object::Marks(write) => self.write_marks(write).await,
            Object::NewReport { node, uid } => self.new_report(node, uid).await,
            Object::Report { node, status } => self.write_report(node, status).await,
            Object::Class { class, uid, status } => self.write_class(class, uid, status).await,
            Object::Node { node, patch } => self.patch_node(node, patch).await,
        }
    }

    /// Reads one pod directly.
    pub(crate) async fn pod(&self, key: &Key) -> Outcome {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), key.namespace.as_str());
        match self.call(api.get_opt(&key.name)).await {
            Ok(None) => Outcome::Pod(None),
            Ok(Some(pod)) => convert::pod(&pod)
                .map_or(Outcome::NotWritten, |pod| Outcome::Pod(Some(Box::new(pod)))),
            Err(Failure::Refused(refusal)) => Outcome::Refused(refusal),
            Err(Failure::NotFound | Failure::Exists | Failure::Conflict | Failure::Unavailable) => {
                Outcome::NotWritten
            }
        }
    }

    /// A write, counted.
    async fn count<T>(
        &self,
        object: Written,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let answer = self.call(call).await;
        let result = answer
            .as_ref()
            .err()
            .map_or(Ended::Success, Failure::outcome_word);
        self.metrics.wrote(object, result);
        answer
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        let Ok(answer) = timeout(TIMEOUT, call).await else {
            tracing::warn!("the API server did not answer in time");
            return Err(Failure::Unavailable);
        };
        answer.map_err(|error| {
            let failure = Failure::from(&error);
            // What else can happen is logged with the order that met it.
            if failure == Failure::Unavailable {
                let telemetry::Failure { error, code } = (&error).into();
                tracing::warn!(error, code, "no answer from the API server");
            }
            failure
        })
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Api(status) => Self::of(status),
            _ => Self::Unavailable,
        }
    }
}

impl Failure {
    fn of(status: &Status) -> Self {
        match status.code {
            _ if status.is_already_exists() => Self::Exists,
            404 => Self::NotFound,
            409 => Self::Conflict,
            429 => Self::Unavailable,
            400..500 => Self::Refused(ApiRefusal {
                reason: status.reason.clone(),
                message: status.message.clone(),
            }),
            _ => Self::Unavailable,
        }
    }

    /// For metrics and logs.
    pub(crate) fn outcome_word(&self) -> Ended {
        match self {
            Self::NotFound => Ended::NotFound,
            Self::Exists | Self::Conflict => Ended::Conflict,
            Self::Refused(_) => Ended::Refused,
            Self::Unavailable => Ended::Unavailable,
        }
    }

    /// The outcome, where an object that is not there needs no answer of its own.
    fn outcome(self) -> Outcome {
        match self {
            Self::Conflict | Self::Exists => Outcome::Conflict,
            Self::Refused(refusal) => Outcome::Refused(refusal),
            Self::NotFound | Self::Unavailable => Outcome::NotWritten,
        }
    }
}

fn by_us() -> PostParams {
    PostParams {
        field_manager: Some(api::name::OPERATOR.to_owned()),
        ..PostParams::default()
    }
}

/// Server-side apply of our part of a status. No other field manager has a right to it, so it is taken back by force.
fn applied() -> PatchParams {
    PatchParams::apply(api::name::OPERATOR).force()
}

/// A merge patch.
fn merged() -> PatchParams {
    PatchParams {
        field_manager: Some(api::name::OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_will_be_refused_again_is_a_refusal() {
        for (code, reason, failure) in [
            (404, "NotFound", Failure::NotFound),
            (409, "AlreadyExists", Failure::Exists),
            (409, "Conflict", Failure::Conflict),
            (429, "TooManyRequests", Failure::Unavailable),
            (500, "InternalError", Failure::Unavailable),
            (503, "ServiceUnavailable", Failure::Unavailable),
            (504, "Timeout", Failure::Unavailable),
        ] {
            let status = Status::failure("no", reason).with_code(code);
            assert_eq!(Failure::of(&status), failure, "{code} {reason}");
        }
        for (code, reason) in [
            (400, "BadRequest"),
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (413, "RequestEntityTooLarge"),
            (422, "Invalid"),
        ] {
            let status = Status::failure("no", reason).with_code(code);
            let refusal = ApiRefusal {
                reason: reason.into(),
                message: "no".into(),
            };
            assert_eq!(Failure::of(&status), Failure::Refused(refusal));
        }
    }
}
