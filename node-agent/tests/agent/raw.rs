//! Ethernet frames sent and received by packet sockets, in every form that the kernel accepts.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    libc,
    sys::{
        socket::{
            MsgFlags, bind, recv, send, setsockopt,
            sockopt::{RcvBuf, ReceiveTimeout, SetBool},
        },
        time::TimeVal,
    },
};
use rustix::{
    net::{AddressFamily, Protocol, SocketType, socket},
    thread::{CpuSet, sched_getcpu, sched_setaffinity},
};

/// Past the queueing discipline (packet(7)).
#[derive(Debug, Clone, Copy)]
struct QdiscBypass;

nix::setsockopt_impl!(
    QdiscBypass,
    libc::SOL_PACKET,
    libc::PACKET_QDISC_BYPASS,
    bool,
    SetBool
);

/// Ethernet types (`include/uapi/linux/if_ether.h`).
pub const ETH_P_ALL: u16 = 0x0003;
pub const ETH_P_IP: u16 = 0x0800;
pub const ETH_P_ARP: u16 = 0x0806;
pub const ETH_P_8021Q: u16 = 0x8100;
pub const ETH_P_IPV6: u16 = 0x86dd;
pub const ETH_P_8021AD: u16 = 0x88a8;

/// Begins the payload of every frame.
const MARK: &[u8] = b"probe of the metadata block ";

/// What a sender does.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where to.
    pub to: IpAddr,
    /// `sll_protocol`.
    pub protocol: u16,
    /// `PACKET_QDISC_BYPASS`.
    pub bypass: bool,
    /// Ethernet types of VLAN tags inside the frame, each with VLAN 0.
    pub tags: Vec<u16>,
}

impl Form {
    /// What an honest sender does.
    pub fn honest(to: IpAddr) -> Self {
        Self {
            to,
            protocol: ethernet_type(to),
            bypass: false,
            tags: Vec::new(),
        }
    }

    /// Sends it by `interface` of the calling thread's namespace; `number` is how the receiver knows it. A dropped frame is
    /// ENOBUFS or nothing at all.
    pub fn send(&self, interface: &str, number: usize) {
        let packet = match self.to {
            IpAddr::V4(to) => packet_v4(Ipv4Addr::new(10, 0, 1, 50), to, &payload(number)),
            IpAddr::V6(to) => packet_v6("2001:db8::50".parse().unwrap(), to, &payload(number)),
        };
        self.send_packet(interface, &packet);
    }

    /// Sends another packet in this form.
    pub fn send_packet(&self, interface: &str, packet: &[u8]) {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0xec, 0, 0, 0, 0x0a]);
        for tag in &self.tags {
            frame.extend([tag.to_be_bytes(), [0, 0]].concat());
        }
        frame.extend(ethernet_type(self.to).to_be_bytes());
        frame.extend(packet);
        let socket = packet_socket(interface, self.protocol);
        setsockopt(&socket, QdiscBypass, &self.bypass).unwrap();
        match send(socket.as_raw_fd(), &frame, MsgFlags::empty()) {
            Ok(_) | Err(Errno::ENOBUFS) => {}
            Err(error) => panic!("{self:?}: {error}"),
        }
    }
}

/// What a packet carries so that its receiver knows it.
pub fn payload(number: usize) -> Vec<u8> {
    [MARK, format!("{number:06}").as_bytes()].concat()
}

/// Receives every frame that comes in by an interface.
pub struct Receiver(OwnedFd);

impl Receiver {
    /// On `interface` of the calling thread's namespace.
    pub fn new(interface: &str) -> Self {
        let socket = packet_socket(interface, ETH_P_ALL);
        setsockopt(&socket, RcvBuf, &(1 << 22)).unwrap();
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(20, 0)).unwrap();
        Self(socket)
    }

    /// The numbers that come in up to the frame `last`.
    pub fn until(&self, last: usize) -> BTreeSet<usize> {
        let mut numbers = BTreeSet::new();
        let mut frame = [0; 2048];
        while !numbers.contains(&last) {
            let length = recv(self.0.as_raw_fd(), &mut frame, MsgFlags::empty())
                .expect("the last frame comes in");
            let frame = &frame[..length];
            let mark = frame.windows(MARK.len()).position(|bytes| bytes == MARK);
            if let Some(start) = mark.map(|position| position + MARK.len()) {
                let digits = std::str::from_utf8(&frame[start..start + 6]).unwrap();
                numbers.insert(digits.parse().unwrap());
            }
        }
        numbers.remove(&last);
        numbers
    }
}

/// Keeps the calling thread on one CPU: a veth delivers what one CPU sends in its order.
pub fn stay_on_one_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu());
    sched_setaffinity(None, &cpus).unwrap();
}

pub fn ethernet_type(of: IpAddr) -> u16 {
    if of.is_ipv4() { ETH_P_IP } else { ETH_P_IPV6 }
}

/// An IPv4 header (RFC 791 section 3.1) with UDP's protocol number; nobody looks at its checksum here.
pub fn packet_v4(from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let start = [0x45, 0, length[0], length[1], 0, 1, 0x40, 0, 64, 17, 0, 0];
    [&start[..], &from.octets(), &to.octets(), payload].concat()
}

/// An IPv6 header (RFC 8200 section 3) with UDP's protocol number.
pub fn packet_v6(from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let start = [0x60, 0, 0, 0, length[0], length[1], 17, 64];
    [&start[..], &from.octets(), &to.octets(), payload].concat()
}

/// Bound to `interface`. `bind` with protocol 0 keeps the one that the socket was made with (`packet_bind`).
fn packet_socket(interface: &str, protocol: u16) -> OwnedFd {
    let link = getifaddrs()
        .unwrap()
        .filter(|found| found.interface_name == interface)
        .find_map(|found| found.address?.as_link_addr().copied())
        .unwrap_or_else(|| panic!("no interface {interface}"));
    let protocol = NonZeroU32::new(u32::from(protocol.to_be())).map(Protocol::from_raw);
    let socket = socket(AddressFamily::PACKET, SocketType::RAW, protocol).unwrap();
    bind(socket.as_raw_fd(), &link).unwrap();
    socket
}
