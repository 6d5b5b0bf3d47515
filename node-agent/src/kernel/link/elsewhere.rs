//! Looks for a device in other namespaces by the ids that they have in this one, without a path to any of them.

use std::io;

use netlink_packet_route::{RouteNetlinkMessage, link::LinkAttribute, nsid::NsidMessage};
use node_agent_core::mac::Mac;
use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::{
        link::{Drivers, device::namespace_id, link, matching, skip_statistics},
        netlink::{Message, Netlink, errno},
    },
};

impl Netlink {
    /// Whether the device is in a living namespace that has an id here, as every one has that a link of this one was moved into
    /// (`__dev_change_net_namespace` in `net/core/dev.c`).
    pub fn is_elsewhere(&mut self, mac: Mac, drivers: &Drivers) -> Result<bool, Error> {
        let ids = self
            .namespace_ids()
            .map_err(Error::netlink("list the namespaces that have an id"))?;
        for id in ids {
            let found = self.is_in(id, mac, drivers);
            if found.map_err(Error::netlink("list the links of a namespace by its id"))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn namespace_ids(&mut self) -> io::Result<Vec<i32>> {
        let all = RouteNetlinkMessage::GetNsId(NsidMessage::default());
        self.dump(&all, |ids: &mut Vec<i32>, message: &Message<'_>| {
            ids.extend(namespace_id(message.payload()));
            Ok(())
        })
    }

    fn is_in(&mut self, id: i32, mac: Mac, drivers: &Drivers) -> io::Result<bool> {
        let there = link(0, vec![LinkAttribute::IfNetnsId(id), skip_statistics()]);
        let links = RouteNetlinkMessage::GetLink(there);
        let found = self.dump_until(&links, matching(mac, drivers), |found| !found.is_empty());
        match found {
            Ok(found) => Ok(!found.is_empty()),
            // It has just ended (`rtnl_get_net_ns_capable` in `net/core/rtnetlink.c`).
            Err(error) if errno(&error) == Some(Errno::INVAL) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
