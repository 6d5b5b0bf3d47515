//! Takes in how orders ended.

use cni::{
    error::code,
    protocol::{Added, Checked},
};
use node_agent_core::{
    claim::Interface,
    custody::Custody,
    facts::{Origin, Plug, PlugKey, PlugState, RequestId, Retry},
    mac::Mac,
};
use telemetry::Outcome;
use tokio::time::Instant;
use tracing::field::display;

use crate::{
    engine::{Engine, work::Done},
    error::Error,
    plug::Failed,
};

impl Engine {
    pub(super) fn finish(&mut self, done: Done) {
        match done {
            Done::Scan(scan) => self.finish_scan(scan),
            Done::Plug {
                request,
                key,
                since,
                outcome,
            } => {
                self.moved(key.mac);
                match outcome {
                    Ok((entry, added)) => {
                        self.parts.metrics.plug_took(since.elapsed().as_secs_f64());
                        self.plugged(request, &key, *entry, added);
                    }
                    Err(failed) => self.not_plugged(request, &key, &failed),
                }
            }
            Done::Check {
                request,
                key,
                interface,
                outcome,
            } => {
                self.facts.busy.remove(&key.mac);
                self.checked(request, &key, &interface, outcome);
            }
            Done::Configure { key, outcome } => {
                self.facts.busy.remove(&key.mac);
                self.configured(&key, outcome);
            }
            Done::Unplug { key, outcome } => {
                self.moved(key.mac);
                self.unplugged(&key, outcome);
            }
            Done::Restore { key, outcome } => {
                self.moved(key.mac);
                self.restored(&key, outcome);
            }
            Done::Port(done) => self.finish_port(done),
            Done::Search { mac, outcome } => {
                self.moved(mac);
                self.searched(mac, outcome);
            }
        }
    }

    fn moved(&mut self, mac: Mac) {
        self.facts.busy.remove(&mac);
        self.pace.moved(mac, Instant::now());
        // What the kernel said meanwhile about this device is looked at once more.
        self.pace.ask();
    }

    fn plugged(&mut self, id: RequestId, key: &PlugKey, entry: Plug, added: Added) {
        self.facts.devices.remove(&key.mac);
        if let Some(plug) = self.facts.plugs.get_mut(key) {
            (plug.netns, plug.hardware) = (entry.netns, entry.hardware);
            plug.observed.without_ipv6 = entry.observed.without_ipv6;
            plug.observed.configured = entry.observed.configured;
            plug.custody = entry.custody;
        }
        let now = self.now();
        if let Some(request) = self.facts.requests.get_mut(&id) {
            request.done.insert(key.mac);
            request.progress = now;
            self.callers.plugged(id, key.mac, added);
        }
    }

    fn not_plugged(&mut self, id: RequestId, key: &PlugKey, failed: &Failed) {
        let Failed {
            error,
            undo,
            custody,
        } = failed;
        let was_here = self.facts.devices.contains_key(&key.mac);
        let Some(plug) = self.facts.plugs.get(key) else {
            return;
        };
        let (origin, eni, pod) = (
            plug.origin.clone(),
            plug.eni.clone(),
            self.pod(&plug.origin),
        );
        let claim = origin.claim().map(display);
        match (error, undo) {
            // It was looked for in the pod alone.
            (Error::NoDevice { .. }, None) if !was_here => {}
            (Error::NoDevice { .. }, None) => {
                tracing::info!(claim, pod, eni, %error, "the device left the node before it was plugged; the pod waits for it");
            }
            (_, None) => tracing::warn!(claim, pod, eni, %error, "the device was not plugged"),
            (_, Some(undo)) => {
                let error = format!("{error}; {undo}");
                tracing::warn!(
                    claim,
                    pod,
                    eni,
                    error,
                    "the device was not plugged, and returns from the pod"
                );
            }
        }
        if undo.is_some() {
            if let (Custody::Borrowed(_), Some(plug)) = (&**custody, self.facts.plugs.get_mut(key))
            {
                plug.custody.clone_from(custody);
            }
            self.retry_later(key);
        } else {
            self.facts.plugs.remove(key);
        }
        if let Error::NoDevice { .. } = error {
            // The ADD waits on, as for one that has not appeared. If it is on the host the scan that follows every move finds it.
            self.facts.devices.remove(&key.mac);
            if let Some(request) = self.facts.requests.get_mut(&id) {
                request.missed.insert(key.mac);
            }
        } else {
            let why = format!("{}: {error}", named(&origin, &eni));
            self.fail(id, code::KERNEL, why);
        }
    }

    fn checked(
        &mut self,
        id: RequestId,
        key: &PlugKey,
        interface: &Interface,
        outcome: Result<(), Error>,
    ) {
        match outcome {
            Ok(()) => {
                let checked = Checked {
                    name: interface.name.clone(),
                    mac: key.mac.to_string(),
                };
                self.callers.checked(id, checked);
                if let Some(request) = self.facts.requests.get_mut(&id) {
                    request.done.insert(key.mac);
                }
            }
            Err(error) => {
                let why = not_as_set(interface, key.mac, &error);
                let plug = self.facts.plugs.get(key);
                let whose = plug.and_then(|plug| plug.origin.claim());
                let whose = whose.map_or_else(String::new, |claim| format!("EniClaim {claim}: "));
                self.fail(id, code::DIFFERENT, format!("{whose}{why}"));
            }
        }
    }

    fn unplugged(&mut self, key: &PlugKey, outcome: Result<(bool, Vec<Error>), Error>) {
        let Some(plug) = self.facts.plugs.get(key) else {
            return;
        };
        let (claim, eni, pod) = (
            plug.origin.claim().map(display),
            &plug.eni,
            self.pod(&plug.origin),
        );
        match outcome {
            Ok((found, left)) => {
                self.parts.metrics.unplugged(Outcome::Success);
                for error in left {
                    tracing::warn!(claim, pod, eni, %error, "something of the interface stays in the pod");
                }
                if found {
                    tracing::info!(claim, pod, eni, "the device has returned to the node");
                } else {
                    tracing::info!(claim, pod, eni, "the device is gone from this machine");
                }
                self.facts.unplugged(key);
                self.found(key.mac, found);
            }
            Err(error) => {
                self.parts.metrics.unplugged(Outcome::Error);
                tracing::warn!(claim, pod, eni, %error, "the device has not returned");
                let hidden = matches!(error, Error::Hidden { .. });
                self.retry_later(key);
                let now = self.now();
                if let Some(plug) = self.facts.plugs.get_mut(key) {
                    plug.observed.hidden = hidden.then(|| plug.observed.hidden.unwrap_or(now));
                }
            }
        }
    }

    fn restored(&mut self, key: &PlugKey, outcome: Result<Vec<Error>, Error>) {
        let now = self.now();
        let Some(plug) = self.facts.plugs.get_mut(key) else {
            return;
        };
        let (origin, eni) = (plug.origin.clone(), plug.eni.clone());
        let succeeded = outcome.is_ok();
        if succeeded {
            plug.state = PlugState::Restored;
            (plug.observed.retry, plug.observed.restored) = (Retry::default(), now);
        } else {
            self.retry_later(key);
        }
        let (claim, pod) = (origin.claim().map(display), self.pod(&origin));
        match outcome {
            Ok(left) => {
                for error in left {
                    tracing::warn!(claim, pod, eni, %error, "something of the interface stays in the pod");
                }
                tracing::info!(
                    claim,
                    pod,
                    eni,
                    "the device is left in the pod to the plugin that moved it there"
                );
            }
            Err(error) => {
                tracing::warn!(claim, pod, eni, %error, "the configuration of the device cannot be taken off it");
            }
        }
    }

    fn searched(&mut self, mac: Mac, outcome: Result<bool, Error>) {
        match outcome {
            Ok(found) => self.found(mac, found),
            Err(error) => {
                if let Error::Hidden { .. } = error {
                    tracing::warn!(%mac, %error, "a device that is not in the journal has not returned");
                } else {
                    tracing::warn!(%mac, %error, "the device cannot be searched for");
                }
                let now = self.now();
                let retry = self.facts.searches.entry(mac).or_default();
                *retry = retry.failed(now);
            }
        }
    }

    /// Takes in whether a device is on the host, or was found nowhere and is gone.
    fn found(&mut self, mac: Mac, found: bool) {
        if found {
            let now = self.now();
            self.facts.arrived(mac, now);
        } else {
            self.facts.not_found(mac);
        }
    }

    fn retry_later(&mut self, key: &PlugKey) {
        let now = self.now();
        if let Some(plug) = self.facts.plugs.get_mut(key) {
            plug.state = PlugState::Unplugging;
            plug.observed.retry = plug.observed.retry.failed(now);
        }
    }
}

/// Names an ENI for whoever asked for it.
fn named(origin: &Origin, eni: &str) -> String {
    match origin.claim() {
        Some(claim) => format!("EniClaim {claim} ({eni})"),
        None => format!("ENI {eni}"),
    }
}

/// Names the interface that is not as it was set.
fn not_as_set(interface: &Interface, mac: Mac, error: &Error) -> String {
    let Error::NotAsWanted { differences } = error else {
        return error.to_string();
    };
    format!(
        "interface {} with MAC address {mac} is not as it was set: {}",
        interface.name,
        differences.join(", ")
    )
}
