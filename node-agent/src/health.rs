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

/// What pods of Kubernetes need.
pub struct Cluster {
    /// Whether there was a first list of claims.
    pub listed: Arc<AtomicBool>,
    /// Whether the plugin is installed.
    pub installed: watch::Receiver<Option<State>>,
}

/// What is known of the agent's parts.
pub struct Health {
    /// The engine's.
    pub heartbeat: Arc<Heartbeat>,
    /// Whether pods of Kubernetes can be served, where there are any.
    pub cluster: Option<Cluster>,
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
        let Some(Cluster { listed, installed }) = &self.cluster else {
            return self.live();
        };
        if !listed.load(Ordering::Relaxed) {
            return Err("no list of this node's claims from the API server yet".to_owned());
        }
        match &*installed.borrow() {
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
