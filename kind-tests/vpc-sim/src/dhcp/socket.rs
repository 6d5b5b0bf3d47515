//! A UDP socket for all wires: each datagram says by which one it came, or shall go.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use nix::{
    cmsg_space,
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
        setsockopt, sockopt,
    },
};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind,
    netdevice::index_to_name,
    socket_with,
    sockopt::{set_ipv6_v6only, set_socket_broadcast},
};
use tokio::{io::Interest, net::UdpSocket};

use crate::SimError;

/// More than any client sends: the kernel's wires carry 9001 bytes.
const MAX_MESSAGE: usize = 9001;

const SERVER_V4: u16 = 67;
const SERVER_V6: u16 = 547;

/// A datagram that came.
pub(super) struct Datagram {
    /// The index of the wire's end.
    pub(super) interface: u32,
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) bytes: Vec<u8>,
}

/// The socket.
pub(super) struct Socket(UdpSocket);

impl Socket {
    pub(super) fn v4() -> Result<Self, SimError> {
        Self::open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_V4)), |fd| {
            set_socket_broadcast(fd, true)?;
            Ok(setsockopt(fd, sockopt::Ipv4PacketInfo, &true)?)
        })
    }

    pub(super) fn v6() -> Result<Self, SimError> {
        Self::open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, SERVER_V6)), |fd| {
            set_ipv6_v6only(fd, true)?;
            Ok(setsockopt(fd, sockopt::Ipv6RecvPacketInfo, &true)?)
        })
    }

    fn open(
        address: SocketAddr,
        prepare: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) -> Result<Self, SimError> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let opened = || {
            let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
            prepare(&socket)?;
            bind(&socket, &address)?;
            UdpSocket::from_std(socket.into())
        };
        opened().map(Self).map_err(|source| SimError::Listen {
            address: address.to_string(),
            source,
        })
    }

    /// Another handle of the same socket.
    pub(super) fn duplicate(&self) -> Result<OwnedFd, SimError> {
        let duplicate = self.0.as_fd().try_clone_to_owned();
        duplicate.map_err(SimError::Runtime)
    }

    /// The name of the wire's end with this index.
    pub(super) fn wire(&self, interface: u32) -> Option<String> {
        index_to_name(&self.0, interface).ok()
    }

    pub(super) async fn receive(&self) -> io::Result<Datagram> {
        let receive = || self.receive_now();
        self.0.async_io(Interest::READABLE, receive).await
    }

    fn receive_now(&self) -> io::Result<Datagram> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut control = cmsg_space!(in6_pktinfo);
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg::<SockaddrStorage>(
            self.0.as_raw_fd(),
            &mut buffers,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let lacks = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let arrival = received.cmsgs()?.find_map(|control| arrival(&control));
        let (interface, to) = arrival.ok_or_else(|| lacks("a datagram without its interface"))?;
        let from = received.address.and_then(sender);
        let from = from.ok_or_else(|| lacks("a datagram without its sender"))?;
        let length = received.bytes;
        bytes.truncate(length);
        Ok(Datagram {
            interface,
            from,
            to,
            bytes,
        })
    }

    /// Sends from one of the router's addresses by one wire. What does not fit into the socket's buffer is lost, as on any
    /// network.
    pub(super) fn send(
        &self,
        interface: u32,
        source: IpAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), SimError> {
        let (v4, v6);
        let control = match source {
            IpAddr::V4(source) => {
                v4 = in_pktinfo {
                    ipi_ifindex: interface.cast_signed(),
                    ipi_spec_dst: in_addr {
                        s_addr: source.to_bits().to_be(),
                    },
                    ipi_addr: in_addr { s_addr: 0 },
                };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(source) => {
                v6 = in6_pktinfo {
                    ipi6_addr: in6_addr {
                        s6_addr: source.octets(),
                    },
                    ipi6_ifindex: interface,
                };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let sent = sendmsg(
            self.0.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &[control],
            MsgFlags::empty(),
            Some(&SockaddrStorage::from(to)),
        );
        sent.map(drop).map_err(|error| SimError::Send {
            to,
            source: error.into(),
        })
    }
}

/// By which interface a datagram came, and where it was sent.
fn arrival(control: &ControlMessageOwned) -> Option<(u32, IpAddr)> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let to = Ipv4Addr::from_bits(u32::from_be(info.ipi_addr.s_addr));
            Some((info.ipi_ifindex.cast_unsigned(), to.into()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let to = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            Some((info.ipi6_ifindex, to.into()))
        }
        _ => None,
    }
}

fn sender(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}
