//! Sockets below and beside the usual ones: bound to a source address, or a packet socket that no route sees.

pub mod forms;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::fd::{AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    ifaddrs::getifaddrs,
    sys::{
        socket::{
            AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage,
            bind, connect, recv, sendto, setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
};

/// The instance metadata service.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// A TCP connection whose source is `from`.
pub fn connect_from(from: IpAddr, to: SocketAddr, timeout: Duration) -> anyhow::Result<TcpStream> {
    let family = match from {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // connect(2) gives up after SO_SNDTIMEO (socket(7)).
    let limit = TimeVal::new(i64::try_from(timeout.as_secs())?.max(1), 0);
    setsockopt(&fd, sockopt::SendTimeout, &limit)?;
    bind(
        fd.as_raw_fd(),
        &SockaddrStorage::from(SocketAddr::new(from, 0)),
    )
    .with_context(|| format!("bind to {from}"))?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(to))
        .with_context(|| format!("connect from {from} to {to}"))?;
    Ok(TcpStream::from(fd))
}

/// Sends a TCP SYN to the metadata service in an Ethernet frame of our own; says who answered.
///
/// A packet socket passes by routing rules; only a filter on the device can stop it.
pub fn syn_to_metadata(
    interface: &str,
    gateway: Ipv4Addr,
    timeout: Duration,
) -> anyhow::Result<String> {
    let (link, source) = addresses(interface)?;
    let mac = link
        .addr()
        .with_context(|| format!("{interface} has no MAC"))?;
    let router = neighbour(interface, source, gateway)?;
    let packets = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .context("open a packet socket (needs NET_RAW)")?;
    setsockopt(&packets, sockopt::ReceiveTimeout, &TimeVal::new(0, 100_000))?;
    let frame = syn(mac, router, source, METADATA);
    sendto(packets.as_raw_fd(), &frame, &link, MsgFlags::empty())
        .with_context(|| format!("send on {interface}"))?;
    await_answer(&packets, timeout)
}

fn await_answer(packets: &OwnedFd, timeout: Duration) -> anyhow::Result<String> {
    let end = Instant::now() + timeout;
    let mut frame = [0; 2048];
    while Instant::now() < end {
        let Ok(length) = recv(packets.as_raw_fd(), &mut frame, MsgFlags::empty()) else {
            continue;
        };
        // Ethernet type IPv4, and the IPv4 source address at its place behind the 14 bytes of Ethernet.
        let ip = frame.get(12..14) == Some(&[8, 0]) && length >= 34;
        if ip && frame.get(26..30) == Some(&METADATA.octets()) {
            return Ok(format!("{METADATA} answered a raw frame"));
        }
    }
    bail!("{METADATA} did not answer a raw frame within {timeout:?}")
}

/// The address of a device for packet sockets.
fn link_address(interface: &str) -> anyhow::Result<LinkAddr> {
    let mut all = getifaddrs()?.filter(|a| a.interface_name == interface);
    all.find_map(|a| a.address?.as_link_addr().copied())
        .with_context(|| format!("no interface {interface}"))
}

fn addresses(interface: &str) -> anyhow::Result<(LinkAddr, Ipv4Addr)> {
    let (mut link, mut source) = (None, None);
    for found in getifaddrs()?.filter(|a| a.interface_name == interface) {
        let Some(address) = found.address else {
            continue;
        };
        if let Some(found) = address.as_link_addr() {
            link = Some(*found);
        } else if let Some(found) = address.as_sockaddr_in() {
            source = Some(found.ip());
        }
    }
    Ok((
        link.with_context(|| format!("no interface {interface}"))?,
        source.with_context(|| format!("{interface} has no IPv4 address"))?,
    ))
}

/// The MAC of `gateway`: a refused connection makes the kernel ask for it, /proc/net/arp says what it learnt.
fn neighbour(interface: &str, source: Ipv4Addr, gateway: Ipv4Addr) -> anyhow::Result<[u8; 6]> {
    let _ = connect_from(
        IpAddr::V4(source),
        SocketAddr::from((gateway, 1)),
        Duration::from_secs(1),
    );
    let table = fs::read_to_string("/proc/net/arp")?;
    let row = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| {
            row.first() == Some(&gateway.to_string().as_str()) && row.get(5) == Some(&interface)
        });
    let text = row
        .and_then(|row| row.get(3).copied())
        .with_context(|| format!("{gateway} does not answer ARP on {interface}"))?;
    let octets: Vec<u8> = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()?;
    octets
        .try_into()
        .map_err(|_| anyhow::anyhow!("{text} is not a MAC"))
}

/// An Ethernet frame with a TCP SYN to port 80.
fn syn(from_mac: [u8; 6], to_mac: [u8; 6], from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    // TCP header (RFC 9293 section 3.1): ports, sequence, acknowledgement, offset 5, SYN, window, checksum, urgent.
    let mut tcp = Vec::from(40_404_u16.to_be_bytes());
    tcp.extend(80_u16.to_be_bytes());
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo = [&from.octets()[..], &to.octets(), &[0, 6, 0, 20], &tcp].concat();
    let sum = checksum(&pseudo).to_be_bytes();
    tcp.splice(16..18, sum);
    // IPv4 header (RFC 791 section 3.1): 20 bytes, total length 40, no fragments, TTL 64, protocol 6.
    let mut ip = vec![0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0];
    ip.extend(from.octets());
    ip.extend(to.octets());
    let sum = checksum(&ip).to_be_bytes();
    ip.splice(10..12, sum);
    [&to_mac[..], &from_mac, &[8, 0], &ip, &tcp].concat()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0_u32, |sum, pair| {
        let word = u16::from_be_bytes([
            pair.first().copied().unwrap_or(0),
            pair.get(1).copied().unwrap_or(0),
        ]);
        sum + u32::from(word)
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_header_with_its_checksum_is_zero() {
        let frame = syn([2; 6], [4; 6], Ipv4Addr::new(10, 0, 1, 5), METADATA);
        assert_eq!(frame.len(), 14 + 20 + 20);
        assert_eq!(checksum(&frame[14..34]), 0);
    }
}
