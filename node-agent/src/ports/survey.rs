//! Finds who has addresses on a bridge, whoever gave them: containers of the plugins that are replaced, and of a journal that is lost.

use std::{collections::BTreeSet, net::IpAddr};

use super::open;
use crate::{error::Error, plug::Node};

/// The addresses at the far ends of the bridge's ports. Those that the journal knows have the addresses that it says, whatever a container
/// adds to its own interface.
pub fn survey(
    node: &Node,
    bridge: &str,
    known: &BTreeSet<String>,
) -> Result<BTreeSet<IpAddr>, Error> {
    let mut host = node.host.inside(open)??;
    let named = host.named(bridge);
    let named = named.map_err(Error::netlink("look for the bridge"))?;
    let Some(named) = named.filter(|named| named.is_bridge) else {
        return Ok(BTreeSet::new());
    };
    let ends = host.far_ends(named.device.index);
    let ends = ends.map_err(Error::netlink("list the ports of the bridge"))?;
    let mut found = BTreeSet::new();
    for end in ends.iter().filter(|end| !known.contains(&end.here)) {
        let addresses = host.addresses_of(end);
        found.extend(addresses.map_err(Error::netlink("list the addresses of a port"))?);
    }
    Ok(found)
}
