//! Makes again what the node has of a port, where somebody changed it.

use node_agent_core::port::PortKey;

use super::PortDone;
use crate::{
    engine::{Engine, work::Done},
    error::Error,
    plug::Deferred,
    ports::guard,
};

impl Engine {
    pub(super) fn start_guard(&mut self, key: PortKey) {
        let Some(port) = self.facts.ports.all.get(&key).cloned() else {
            return;
        };
        self.facts.ports.busy.insert(key);
        let (node, turn) = (self.parts.node.clone(), self.turns.next());
        let done = move |outcome| Done::Port(PortDone::Guard { key, outcome });
        self.spawn(
            done,
            |error| error,
            move || {
                turn.wait();
                match guard(&node, key, &port) {
                    Ok(Some(commits)) => (Ok(true), Some(Deferred::from(commits))),
                    Ok(None) => (Ok(false), None),
                    Err(error) => (Err(error), None),
                }
            },
        );
    }

    pub(super) fn port_guarded(&mut self, key: PortKey, outcome: Result<bool, Error>) {
        let Some(port) = self.facts.ports.all.get_mut(&key) else {
            return;
        };
        // If that is not so, the next scan says it.
        port.seen.unguarded = false;
        let container = &port.sandbox.container_id;
        match outcome {
            Ok(true) => tracing::warn!(
                container, address = %key.0,
                "somebody had changed filters, rules or routes of a port; they are as they should be again"
            ),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                container, %error, address = %key.0,
                "somebody changed filters, rules or routes of a port, and they cannot be made again"
            ),
        }
    }
}
