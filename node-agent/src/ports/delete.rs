//! Deletes a port.

use node_agent_core::port::PortKey;

use super::open;
use crate::{
    error::Error,
    kernel::nft::{self, Commit},
    plug::Node,
};

/// Deletes both ends of a port by the one on the node, wherever the other is, and its filter. One that is gone is no error.
pub fn delete(node: &Node, key: PortKey) -> Result<Commit, Error> {
    let end = key.host_end();
    let mut host = node.host.inside(open)??;
    let deleted = host.delete_named(&end);
    deleted.map_err(Error::netlink("delete the interface of the container"))?;
    let unguarded = node.host.inside(|| nft::port::unguard(&end))?;
    unguarded.map_err(Error::netlink("delete the filter of the port"))
}
