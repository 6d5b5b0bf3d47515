//! Deletes a port.

use node_agent_core::port::{Port, PortKey};

use super::{host, open};
use crate::{
    error::Error,
    kernel::nft::{self, Commit},
    plug::Node,
};

/// Deletes both ends of a port by the one on the node, wherever the other is, and what the node has beside. What is gone is no error.
pub fn delete(node: &Node, key: PortKey, port: &Port) -> Result<Vec<Commit>, Error> {
    let end = key.host_end();
    let mut netlink = node.host.inside(open)??;
    let commit = host::delete(node, &mut netlink, key, port)?;
    let deleted = netlink.delete_named(&end);
    deleted.map_err(Error::netlink("delete the interface of the container"))?;
    let unguarded = node.host.inside(|| nft::port::unguard(&end))?;
    let unguarded = unguarded.map_err(Error::netlink("delete the filter of the port"))?;
    Ok(commit.into_iter().chain([unguarded]).collect())
}
