//! Bridges that agents gave addresses to, when no agent is to come back.

use super::{Files, open};
use crate::{error::Error, kernel::link::bridge::GROUP};

/// Deletes those that have no ports, in the namespace of the calling thread. Bridges of others, and of containers that are left, stay.
pub fn delete_bridges(files: &Files) -> Result<(), Error> {
    let bridges = files.read()?.bridges;
    if bridges.is_empty() {
        return Ok(());
    }
    let mut host = open()?;
    for name in bridges.keys() {
        let named = host.named(name);
        let named = named.map_err(Error::netlink("look for a bridge"))?;
        let Some(bridge) = named.filter(|named| named.is_bridge && named.device.group == GROUP)
        else {
            continue;
        };
        let has_ports = host.has_ports(bridge.device.index);
        if !has_ports.map_err(Error::netlink("list the ports of a bridge"))? {
            let deleted = host.delete_named(name);
            deleted.map_err(Error::netlink("delete a bridge"))?;
        }
    }
    Ok(())
}
