//! Link events of the host and of every namespace that it knows: a reason to look, never a fact.

use std::io;

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use rustix::io::Errno;
use tokio::runtime::Handle;

use crate::{error::Error, kernel::namespace::Namespace};

const RTNLGRP_LINK: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;

/// A subscription to link events.
pub struct LinkEvents(TokioSocket);

impl LinkEvents {
    /// Subscribes, from the host's namespace.
    pub fn subscribe(host: &Namespace) -> Result<Self, Error> {
        let runtime = Handle::current();
        let open = || {
            let _entered = runtime.enter();
            open()
        };
        host.inside(open)?
            .map(Self)
            .map_err(Error::netlink("subscribe to link events"))
    }

    /// Waits for the next event. Events that the kernel had to drop are a reason to look, too.
    pub async fn next(&mut self) -> Result<(), Error> {
        let mut datagram = Vec::with_capacity(32 * 1024);
        loop {
            datagram.clear();
            match self.0.recv(&mut datagram).await {
                Ok(()) if is_about_a_link(&datagram) => return Ok(()),
                Ok(()) => {}
                Err(e) if e.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => return Ok(()),
                Err(e) => return Err(Error::netlink("read link events")(e)),
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

fn is_about_a_link(datagram: &[u8]) -> bool {
    let kind = NetlinkBuffer::new_checked(datagram).map(|message| message.message_type());
    matches!(kind, Ok(RTM_NEWLINK | RTM_DELLINK))
}
