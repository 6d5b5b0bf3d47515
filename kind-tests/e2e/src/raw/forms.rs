//! The forms in which a packet socket can put a packet for the instance metadata service onto a device.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::Context;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, send, socket,
};

use super::{METADATA, link_address, syn};

/// How many forms there are.
pub const FORMS: usize = 8;
/// The metadata service and a sender in IPv6.
const METADATA_V6: [u8; 16] = [
    0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54,
];
const SENDER_V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x63];
/// The sender in IPv4; whether an answer finds back is not the question.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 99);
const EVERYBODY: [u8; 6] = [0xff; 6];
/// Ethernet types: 802.1Q with VLAN 0, which receivers ignore; IPv6.
const TAG: [u8; 4] = [0x81, 0, 0, 0];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// Both families; each from a socket of the packet's protocol and of another one, by which the kernel names the packet;
/// each bare and behind a VLAN tag.
pub struct Forms([(OwnedFd, Vec<u8>); FORMS]);

impl Forms {
    /// Opens the sockets (needs `NET_RAW`).
    pub fn open(interface: &str) -> anyhow::Result<Self> {
        let link = link_address(interface)?;
        let mac = link
            .addr()
            .with_context(|| format!("{interface} has no MAC"))?;
        let (v4, v6) = (syn(mac, EVERYBODY, SENDER, METADATA), echo(mac));
        let (own_v4, own_v6, other) = (
            SockProtocol::EthIp,
            SockProtocol::EthIpv6,
            SockProtocol::EthLoop,
        );
        let open = |protocol| bound(&link, protocol);
        Ok(Self([
            (open(own_v4)?, v4.clone()),
            (open(own_v4)?, tagged(&v4)),
            (open(other)?, tagged(&v4)),
            (open(other)?, v4),
            (open(own_v6)?, v6.clone()),
            (open(own_v6)?, tagged(&v6)),
            (open(other)?, tagged(&v6)),
            (open(other)?, v6),
        ]))
    }

    /// Sends a packet of each form; gives how many the kernel took.
    pub fn send(&self) -> usize {
        let sent = self
            .0
            .iter()
            .map(|(socket, frame)| send(socket.as_raw_fd(), frame, MsgFlags::empty()));
        sent.flatten().count()
    }
}

/// A packet that is sent without an address has the protocol of its socket (packet(7)).
fn bound(link: &LinkAddr, protocol: SockProtocol) -> anyhow::Result<OwnedFd> {
    let packets = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )
    .context("open a packet socket (needs NET_RAW)")?;
    bind(packets.as_raw_fd(), link)?;
    Ok(packets)
}

fn tagged(frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &TAG, rest].concat()
}

/// An Ethernet frame with an `ICMPv6` echo request (RFC 4443 section 4.1), its checksum left out: it is to be seen, not
/// answered.
fn echo(from: [u8; 6]) -> Vec<u8> {
    let icmp = [128, 0, 0, 0, 0, 1, 0, 1];
    // IPv6 header (RFC 8200 section 3): version 6, payload length 8, next header ICMPv6, hop limit 64.
    let ip = [0x60, 0, 0, 0, 0, 8, 58, 64];
    [
        &EVERYBODY[..],
        &from,
        &IPV6,
        &ip,
        &SENDER_V6,
        &METADATA_V6,
        &icmp,
    ]
    .concat()
}
