//! What the interface of a plug is to look like, with what its leases bring.

use super::{Facts, Interface, Leases, Plug, PlugKey, PlugState};

impl Facts {
    /// What the interface of a plug is to look like now. What leases bring stays as it is while it is not known how they stand.
    pub fn interface(&self, key: &PlugKey, plug: &Plug, asked_for: &Interface) -> Interface {
        let before = || plug.observed.configured.as_deref().cloned();
        let without = || plug.interface(&key.sandbox, asked_for).unconfigured();
        self.wanted(key, plug, asked_for)
            .or_else(before)
            .unwrap_or_else(without)
    }

    /// The same; `None`: it is not known how a lease stands that configures it.
    pub fn wanted(&self, key: &PlugKey, plug: &Plug, asked_for: &Interface) -> Option<Interface> {
        let asked_for = plug.interface(&key.sandbox, asked_for);
        match self.leases.get(&key.mac) {
            Some(leases) => asked_for.configured(leases),
            None => asked_for.configured(&Leases::default()),
        }
    }

    /// Whether the device is in its pod, as wanted.
    pub fn is_in_pod(&self, key: &PlugKey, plug: &Plug) -> bool {
        let mut requests = self.requests.values();
        match plug.state {
            PlugState::Plugged => true,
            PlugState::Plugging => requests
                .any(|request| request.sandbox == key.sandbox && request.done.contains(&key.mac)),
            PlugState::Unplugging | PlugState::Restored => false,
        }
    }
}
