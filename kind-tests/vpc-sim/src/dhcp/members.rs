//! The wires by which messages to the group of DHCPv6 servers come in.

use std::{collections::BTreeMap, net::Ipv6Addr, os::fd::OwnedFd};

use rustix::net::{
    netdevice::name_to_index,
    sockopt::{set_ipv6_add_membership, set_ipv6_drop_membership},
};

use crate::SimError;

/// `All_DHCP_Relay_Agents_and_Servers`, RFC 8415, section 7.1. A group is joined on each interface.
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// What was joined so far.
pub(crate) struct Members {
    socket: OwnedFd,
    joined: BTreeMap<String, u32>,
}

impl Members {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            joined: BTreeMap::new(),
        }
    }

    /// Joins on these wires, as far as they exist, and leaves on others. One that was made anew under its name is another one.
    pub(crate) fn settle<'a>(
        &mut self,
        wires: impl Iterator<Item = &'a String>,
    ) -> Result<(), SimError> {
        let indices = wires.filter_map(|wire| {
            let index = name_to_index(&self.socket, wire).ok()?;
            Some((wire.clone(), index))
        });
        let wanted: BTreeMap<String, u32> = indices.collect();
        for (wire, index) in &self.joined {
            if wanted.get(wire) != Some(index) {
                // A wire that is gone has taken all but the socket's note of it along.
                let _ = set_ipv6_drop_membership(&self.socket, &SERVERS, *index);
            }
        }
        self.joined
            .retain(|wire, index| wanted.get(wire) == Some(index));
        for (wire, index) in wanted {
            if !self.joined.contains_key(&wire) {
                let joined = set_ipv6_add_membership(&self.socket, &SERVERS, index);
                joined.map_err(|source| SimError::Join {
                    wire: wire.clone(),
                    source: source.into(),
                })?;
                self.joined.insert(wire, index);
            }
        }
        Ok(())
    }
}
