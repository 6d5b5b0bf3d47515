//! Link events of the host and of every namespace that it knows: a reason to scan, never a fact.

use std::io;

use netlink_packet_core::{NetlinkBuffer, NlaBuffer, NlasIterator};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use node_agent_core::mac::Mac;
use rustix::io::Errno;

use crate::{error::Error, kernel::namespace::Namespace};

const RTNLGRP_LINK: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
/// Length of `struct ifinfomsg` (include/uapi/linux/rtnetlink.h).
const IFINFOMSG: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_PERM_ADDRESS: u16 = 54;
/// More events than any receive buffer holds.
const MOST_QUEUED: usize = 100_000;

/// One event is one datagram, far below this.
const LARGEST: usize = 32 * 1024;

/// A subscription to link events.
pub struct LinkEvents {
    socket: TokioSocket,
    /// What was received last: kept, since the events of every pod's links come along.
    datagram: Vec<u8>,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// Links with these MAC addresses changed, came or went, in some namespace. A link whose address was changed has two.
    Links(Vec<Mac>),
    /// The kernel had to drop events: anything may have happened.
    Lost,
}

impl LinkEvents {
    /// Subscribes, from the host's namespace.
    pub fn subscribe(host: &Namespace) -> Result<Self, Error> {
        host.inside(open)?
            .map(|socket| Self {
                socket,
                datagram: Vec::with_capacity(LARGEST),
            })
            .map_err(Error::netlink("subscribe to link events"))
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> Result<LinkEvent, Error> {
        loop {
            self.datagram.clear();
            match self.socket.recv(&mut self.datagram).await {
                Ok(()) => {
                    let macs = macs(&self.datagram);
                    if !macs.is_empty() {
                        return Ok(LinkEvent::Links(macs));
                    }
                }
                Err(e) if e.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    self.drain();
                    return Ok(LinkEvent::Lost);
                }
                Err(e) => return Err(Error::netlink("read link events")(e)),
            }
        }
    }

    /// Until its queue was empty once the kernel drops all further events, and says so no second time (`netlink_overrun` in
    /// `net/netlink/af_netlink.c`): what happens after [`LinkEvent::Lost`] is to be heard again.
    fn drain(&mut self) {
        for _ in 0..MOST_QUEUED {
            self.datagram.clear();
            let received = self.socket.socket_ref().recv(&mut self.datagram, 0);
            if received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return;
            }
        }
    }
}

fn open() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
    socket.socket_mut().add_membership(RTNLGRP_LINK)?;
    // Needs CAP_NET_BROADCAST: the link events of pods come along, without entering their namespaces.
    socket.socket_mut().set_listen_all_namespaces(true)?;
    Ok(socket)
}

/// The MAC addresses that a datagram of one message is about; nothing else of it has to be understood.
fn macs(datagram: &[u8]) -> Vec<Mac> {
    let Ok(message) = NetlinkBuffer::new_checked(datagram) else {
        return Vec::new();
    };
    if !matches!(message.message_type(), RTM_NEWLINK | RTM_DELLINK) {
        return Vec::new();
    }
    let attributes = message.payload().get(IFINFOMSG..).unwrap_or_default();
    let mut macs: Vec<_> = NlasIterator::new(attributes)
        .filter_map(Result::ok)
        .filter(|nla: &NlaBuffer<&[u8]>| matches!(nla.kind(), IFLA_ADDRESS | IFLA_PERM_ADDRESS))
        .filter_map(|nla| Mac::try_from(nla.value()).ok())
        .collect();
    macs.dedup();
    macs
}
