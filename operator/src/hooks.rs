//! What hooks of the chart run once, each as a command: `drain` and `check`.

mod check;
mod cluster;
mod drain;
mod nodes;
mod pod;

use std::time::Duration;

use operator_core::drain::Verdict;
use tokio::time::{Instant, sleep};

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
    #[error("the API server did not {what}")]
    Kubernetes {
        /// What was asked.
        what: &'static str,
        /// Why.
        source: kube::Error,
    },
    /// The operator's pods do not end.
    #[error("the operator's pods are still there; see why, and uninstall again")]
    Slow,
}

fn failed(what: &'static str) -> impl FnOnce(kube::Error) -> HookError {
    move |source| HookError::Kubernetes { what, source }
}

/// Looks until the core says what to do, the last time at the deadline; every sentence is said once.
async fn repeat(
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
