//! Sets the interface of a pod that runs as its leases say.

use node_agent_core::facts::{Plug, PlugKey, Retry};
use tracing::field::display;

use crate::{
    engine::{Engine, work::Done},
    error::Error,
};

impl Engine {
    pub(super) fn start_configure(&mut self, key: PlugKey) {
        let Some(plug) = self.facts.plugs.get(&key).cloned() else {
            return;
        };
        let Some(asked_for) = self.facts.asked_for(&plug.origin) else {
            return;
        };
        let interface = self.facts.interface(&key, &plug, asked_for);
        self.facts.busy.insert(key.mac);
        let in_pod = self.move_of(key.clone(), plug);
        let done = move |outcome| Done::Configure {
            key: key.clone(),
            outcome,
        };
        self.spawn(
            done,
            |error| error,
            move || match in_pod.configure(&interface) {
                Ok((entry, deferred)) => (Ok(Box::new(entry)), Some(deferred)),
                Err(error) => (Err(error), None),
            },
        );
    }

    pub(super) fn configured(&mut self, key: &PlugKey, outcome: Result<Box<Plug>, Error>) {
        let now = self.now();
        let Some(plug) = self.facts.plugs.get_mut(key) else {
            return;
        };
        let is_first = plug.observed.reconfigure == Retry::default();
        let (origin, eni) = (plug.origin.clone(), plug.eni.clone());
        let error = match outcome {
            Ok(entry) => {
                plug.custody = entry.custody;
                plug.observed.configured = entry.observed.configured;
                plug.observed.reconfigure = Retry::default();
                None
            }
            Err(error) => {
                plug.observed.reconfigure = plug.observed.reconfigure.failed(now);
                Some(error)
            }
        };
        let (claim, pod) = (origin.claim().map(display), self.pod(&origin));
        match error {
            None => tracing::info!(
                claim,
                pod,
                eni,
                "the interface is set as its DHCP leases say"
            ),
            Some(error) if is_first => {
                tracing::warn!(claim, pod, eni, %error, "the interface cannot be set as its DHCP leases say; it is tried again");
            }
            Some(_) => {}
        }
    }
}
