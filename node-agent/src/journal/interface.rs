//! The interface of an explicit plug, as far as a configuration can say what it is to look like.

use std::collections::{BTreeMap, BTreeSet};

use node_agent_core::claim::{Address, DefaultRoute, Destination, Dhcp, Interface, Metadata, Mtu};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryInterface {
    name: String,
    up: bool,
    mtu: Mtu,
    metadata: Metadata,
    addresses: Vec<Address>,
    default_route: DefaultRoute,
    destinations: Vec<Destination>,
    dhcp: Dhcp,
}

impl EntryInterface {
    pub fn new(interface: Interface) -> Self {
        let Interface {
            name,
            up,
            mtu,
            metadata,
            addresses,
            default_route,
            destinations,
            dhcp,
            // No configuration says any of these.
            leased_mtu: _,
            // The configuration of a network says it another way.
            node_access: _,
            prefixes: _,
            cluster: _,
            sysctls: _,
        } = interface;
        Self {
            name,
            up,
            mtu,
            metadata,
            addresses,
            default_route,
            destinations,
            dhcp,
        }
    }

    pub fn interface(self) -> Interface {
        let Self {
            name,
            up,
            mtu,
            metadata,
            addresses,
            default_route,
            destinations,
            dhcp,
        } = self;
        Interface {
            name,
            up,
            mtu,
            metadata,
            addresses,
            default_route,
            destinations,
            dhcp,
            leased_mtu: None,
            node_access: None,
            prefixes: Vec::new(),
            cluster: BTreeSet::new(),
            sysctls: BTreeMap::new(),
        }
    }
}
