//! The neighbour table (ARP, NDP) of a namespace: the kernel asks on a link whether a host uses an address.

use std::{io, net::IpAddr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourHeader, NeighbourMessage,
        NeighbourState,
    },
};
use rustix::io::Errno;

use super::netlink::{Netlink, errno};

/// What is known of an address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// The kernel asks for it.
    Asked,
    /// A host uses it.
    There,
    /// Nobody answered as often as the kernel asks (`mcast_solicit` in `Documentation/networking/ip-sysctl.rst`, three times a second
    /// apart).
    Nowhere,
}

impl Netlink {
    /// Asks for an address, whatever was known of it before.
    pub fn solicit(&mut self, link: u32, address: IpAddr) -> io::Result<()> {
        let forgotten = self.request((
            RouteNetlinkMessage::DelNeighbour(neighbour(link, address)),
            0,
        ));
        if let Err(error) = forgotten
            && errno(&error) != Some(Errno::NOENT)
        {
            return Err(error);
        }
        let mut message = neighbour(link, address);
        message.header.state = NeighbourState::Incomplete;
        message.header.flags = NeighbourFlags::Use;
        let new = RouteNetlinkMessage::NewNeighbour(message);
        self.request((new, NLM_F_CREATE | NLM_F_REPLACE))
    }

    /// What is known of an address; `None`: it is not in the table.
    pub fn neighbour(&mut self, link: u32, address: IpAddr) -> io::Result<Option<Neighbour>> {
        let payload = match self.get(RouteNetlinkMessage::GetNeighbour(neighbour(link, address))) {
            Ok(payload) => payload,
            Err(error) if errno(&error) == Some(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = NeighbourHeader::parse(&payload).map_err(io::Error::other)?;
        Ok(match header.state {
            NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent => Some(Neighbour::There),
            // On a link without ARP nobody can be asked.
            NeighbourState::Failed | NeighbourState::Noarp => Some(Neighbour::Nowhere),
            NeighbourState::Incomplete => Some(Neighbour::Asked),
            _ => None,
        })
    }
}

fn neighbour(link: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = link;
    let destination = match address {
        IpAddr::V4(address) => {
            message.header.family = AddressFamily::Inet;
            NeighbourAddress::Inet(address)
        }
        IpAddr::V6(address) => {
            message.header.family = AddressFamily::Inet6;
            NeighbourAddress::Inet6(address)
        }
    };
    message.attributes = vec![NeighbourAttribute::Destination(destination)];
    message
}
