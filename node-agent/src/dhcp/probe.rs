//! Whether another host uses an address (RFC 5227, RFC 4862 section 5.4), by the kernel's own ARP and neighbour discovery.

use std::{
    io::{self, PipeReader},
    net::IpAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    error::Error,
    kernel::{namespace::Namespace, neighbour::Neighbour, netlink::Netlink, nft::unspecified::arp},
};

/// The kernel gives up after three seconds, unless the pod has set it otherwise.
const LONGEST: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Who uses an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nobody has answered.
    Nobody,
    /// Another host.
    Somebody,
}

/// Asks on the interface who uses the address. `None`: it is not known, since nobody wants to know any more, or the pod has ended.
///
/// Without a raw socket (docs/decisions/0024). An ARP request comes from 0.0.0.0, as RFC 5227 wants it.
pub fn probe(
    namespace: &Namespace,
    interface: &str,
    address: IpAddr,
    stop: &PipeReader,
) -> Result<Option<Found>, Error> {
    let refuse = |source| Error::Dhcp {
        doing: "look who uses an address",
        interface: interface.to_owned(),
        source,
    };
    let opened = namespace.inside(|| {
        let filter = match address {
            IpAddr::V4(_) => arp(interface)?,
            IpAddr::V6(_) => None,
        };
        let mut netlink = Netlink::route()?;
        let link = netlink.index(interface)?;
        io::Result::Ok((netlink, link.ok_or(Errno::NODEV)?, filter))
    })?;
    let (mut netlink, link, _filter) = opened.map_err(refuse)?;
    netlink.solicit(link, address).map_err(refuse)?;
    let deadline = Instant::now() + LONGEST;
    while Instant::now() < deadline && namespace.is_at_its_path() {
        match netlink.neighbour(link, address).map_err(refuse)? {
            Some(Neighbour::Asked) => {}
            Some(Neighbour::There) => return Ok(Some(Found::Somebody)),
            Some(Neighbour::Nowhere) => return Ok(Some(Found::Nobody)),
            // The kernel cleared it away.
            None => netlink.solicit(link, address).map_err(refuse)?,
        }
        let mut stops = [PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)];
        match poll(&mut stops, Timespec::try_from(LOOK_AGAIN).ok().as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(None),
            Err(error) => return Err(refuse(error.into())),
        }
    }
    Ok(None)
}
