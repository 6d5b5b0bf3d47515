//! What the interface of a plug is to look like, with what its leases bring.

use super::{Claim, Facts, Interface, Mac, Plug, PlugKey, PlugState};

impl Facts {
    /// What the interface of a plug is to look like now. What leases bring stays as it is while it is not known how they stand.
    pub fn interface(&self, key: &PlugKey, plug: &Plug, claim: &Claim) -> Interface {
        let claimed = plug.interface(&key.sandbox, &claim.interface);
        if !claimed.dhcp.configures() {
            return claimed;
        }
        let before = || plug.observed.configured.as_deref().cloned();
        self.configured(key.mac, &claimed)
            .or_else(before)
            .unwrap_or_else(|| claimed.unconfigured())
    }

    /// What an interface that leases configure is to look like; `None`: it is not known how one of them stands.
    pub fn configured(&self, mac: Mac, claimed: &Interface) -> Option<Interface> {
        claimed.configured(self.leases.get(&mac)?)
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
