//! How the operator is: readiness and liveness as one shared value, and the metrics.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use crate::metrics::Metrics;

/// The owner task beats at least this often; three missed beats fail liveness.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(20);

/// A shared view of how the operator is.
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    state: Arc<Mutex<State>>,
    pub(crate) metrics: Metrics,
}

#[derive(Debug)]
struct State {
    ready: Result<(), String>,
    beat: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            ready: Err("starting".to_owned()),
            beat: None,
        }
    }
}

impl Monitor {
    /// Whether the operator does its work, or the sentence that says what it lacks.
    pub fn ready(&self) -> Result<(), String> {
        self.lock().ready.clone()
    }

    /// Whether the owner task moves.
    pub fn live(&self) -> bool {
        self.lock()
            .beat
            .is_none_or(|beat| beat.elapsed() < HEARTBEAT * 3)
    }

    /// What metrics there are.
    pub fn rows(&self) -> &[telemetry::registry::Row] {
        self.metrics.rows()
    }

    /// All metrics in the text format of `OpenMetrics`.
    pub fn metrics(&self) -> String {
        self.metrics.encode()
    }

    pub(crate) fn set_ready(&self, ready: Result<(), String>) {
        let mut state = self.lock();
        if state.ready == ready {
            return;
        }
        match &ready {
            Ok(()) => tracing::info!("ready"),
            Err(error) => tracing::warn!(error, "not ready"),
        }
        self.metrics.set_ready(ready.is_ok());
        state.ready = ready;
    }

    pub(crate) fn beat(&self) {
        self.lock().beat = Some(Instant::now());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
