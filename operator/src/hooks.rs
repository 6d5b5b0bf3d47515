//! What hooks of the chart run once, each as a command: `drain` and `check`.

mod check;
mod cluster;
mod drain;
mod nodes;
mod pod;
mod workloads;

use std::time::Duration;

use operator_core::drain::Verdict;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use check::check;
pub use drain::drain;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// What the core says.
    #[error("{0}")]
    Refused(String),
    /// The API server did not do what was asked.
    #[error("the API server did not {what}: {}", telemetry::Failure::from(error))]
    Kubernetes {
        /// What was asked.
        what: &'static str,
        /// Why.
        error: kube::Error,
    },
    /// It is not known by which name EC2 knows this cluster.
    #[error("the namespace kube-system has no UID; set the chart value clusterId")]
    Nameless,
    /// SIGTERM or SIGINT came.
    #[error("asked to end before it was done; run it again")]
    Ended,
    /// It failed, and what it had done could not be taken back.
    #[error("{error}; moreover, {then}")]
    Twice {
        /// Why it failed.
        error: Box<HookError>,
        /// Why that could not be taken back.
        then: Box<HookError>,
    },
}

impl HookError {
    /// Together with how the attempt to take back what was done has ended.
    fn and(self, taken_back: Result<(), Self>) -> Self {
        match taken_back {
            Ok(()) => self,
            Err(then) => Self::Twice {
                error: Box::new(self),
                then: Box::new(then),
            },
        }
    }
}

fn failed(what: &'static str) -> impl FnOnce(kube::Error) -> HookError {
    move |error| HookError::Kubernetes { what, error }
}

/// Looks until the core says what to do, the last time at the deadline; every sentence is said once. A look changes nothing:
/// it can end in its middle.
async fn repeat(
    shutdown: &CancellationToken,
    deadline: Instant,
    look: impl AsyncFn(bool) -> Result<Verdict, HookError>,
) -> Result<(), HookError> {
    shutdown
        .run_until_cancelled(decide(deadline, look))
        .await
        .unwrap_or(Err(HookError::Ended))
}

async fn decide(
    deadline: Instant,
    look: impl AsyncFn(bool) -> Result<Verdict, HookError>,
) -> Result<(), HookError> {
    let mut said = String::new();
    loop {
        match look(Instant::now() >= deadline).await? {
            Verdict::Go(None) => return Ok(()),
            Verdict::Go(Some(stays)) => {
                tracing::warn!(note = stays, "something stays");
                return Ok(());
            }
            Verdict::Refuse(why) => return Err(HookError::Refused(why)),
            Verdict::Wait(what) => {
                if what != said {
                    tracing::info!(note = what, "waiting");
                    said = what;
                }
                sleep(PAUSE).await;
            }
        }
    }
}
