//! Whether the agent is alive, and whether it can serve pods.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use crds::condition::ConditionStatus;
use tokio::sync::watch;

use crate::{heartbeat::Heartbeat, install::State, metrics::Metrics};

/// What is known of the agent's parts.
pub struct Health {
    /// The engine's.
    pub heartbeat: Arc<Heartbeat>,
    /// Whether there was a first list of claims.
    pub listed: Arc<AtomicBool>,
    /// Whether the plugin is installed.
    pub installed: watch::Receiver<Option<State>>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Health {
    /// The engine works.
    pub fn live(&self) -> Result<(), String> {
        self.heartbeat
            .check(Instant::now())
            .map_err(|stale| stale.to_string())
    }

    /// Claims are known, and pods pass through the plugin. The operator offers a class only on nodes whose agent is ready.
    pub fn ready(&self) -> Result<(), String> {
        if !self.listed.load(Ordering::Relaxed) {
            return Err("no list of this node's claims from the API server yet".to_owned());
        }
        match &*self.installed.borrow() {
            None => Err("the CNI plugin is being installed".to_owned()),
            Some(State {
                status: ConditionStatus::False,
                message,
                ..
            }) => Err(format!("the CNI plugin is not installed: {message}")),
            Some(_) => self.live(),
        }
    }
}
