//! The bare move of a link: one request to the kernel and its acknowledgement.

use std::os::fd::{AsRawFd, BorrowedFd};

use anyhow::Context;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Room for the description of one link.
const LARGEST: usize = 32 * 1024;

/// A rtnetlink socket in the namespace of the thread that opened it.
pub struct Links(Socket);

impl Links {
    /// Opens the socket.
    pub fn open() -> anyhow::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("open a netlink socket")?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// The index of a link.
    pub fn index(&self, name: &str) -> anyhow::Result<u32> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        let answer = self.exchange(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST);
        match answer.with_context(|| format!("find link {name}"))? {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                Ok(link.header.index)
            }
            other => anyhow::bail!("find link {name}: the kernel answers {other:?}"),
        }
    }

    /// Moves a link into another namespace under a name.
    pub fn move_to(&self, index: u32, to: BorrowedFd<'_>, name: &str) -> anyhow::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = vec![
            LinkAttribute::NetNsFd(to.as_raw_fd()),
            LinkAttribute::IfName(name.to_owned()),
        ];
        let flags = NLM_F_REQUEST | NLM_F_ACK;
        self.exchange(RouteNetlinkMessage::SetLink(message), flags)
            .with_context(|| format!("move link {index} to be {name}"))?;
        Ok(())
    }

    /// Sends one request, and reads what answers it.
    fn exchange(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> anyhow::Result<NetlinkPayload<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0)?;
        let mut answer = Vec::with_capacity(LARGEST);
        self.0.recv(&mut answer, 0)?;
        match NetlinkMessage::deserialize(&answer)?.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io().into()),
            payload => Ok(payload),
        }
    }
}
