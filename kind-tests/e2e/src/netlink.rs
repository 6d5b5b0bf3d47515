//! Netlink messages byte by byte, so that also what no library would send can be sent.

use std::{io, os::fd::AsRawFd, os::fd::OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`.
pub const ACK: u16 = 0x4;
/// `NLM_F_EXCL | NLM_F_CREATE`.
pub const CREATE: u16 = 0x600;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// A message: type, flags, the fixed part of its family, attributes.
pub fn message(kind: u16, flags: u16, fixed: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = [fixed, &attributes.concat()].concat();
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let header = [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &(REQUEST | flags).to_ne_bytes(),
        &[0; 8],
    ];
    padded([&header.concat()[..], &body].concat())
}

/// An attribute.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    padded([&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat())
}

/// An attribute that holds attributes.
pub fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &attributes.concat())
}

/// An attribute that is text.
pub fn text(kind: u16, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), &[0]].concat())
}

/// An attribute that is a number.
pub fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_ne_bytes())
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A netlink socket.
pub struct Netlink(OwnedFd);

impl Netlink {
    /// Opens a socket to a family of the kernel.
    pub fn open(family: SockProtocol) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Self(socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            family,
        )?))
    }

    /// Sends messages of which none asks for an acknowledgement.
    pub fn send(&self, messages: &[u8]) -> io::Result<()> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.0.as_raw_fd(), messages, &kernel, MsgFlags::empty())?;
        Ok(())
    }

    /// Sends a message with [`ACK`], and waits for the kernel's answer.
    pub fn ask(&self, message: &[u8]) -> io::Result<()> {
        self.send(message)?;
        let mut answer = [0; 8192];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok());
            let code = answer
                .get(HEADER..HEADER + 4)
                .and_then(|code| code.try_into().ok());
            if length < HEADER + 4 || kind.map(u16::from_ne_bytes) != Some(ERROR) {
                continue;
            }
            return match code.map_or(0, i32::from_ne_bytes) {
                0 => Ok(()),
                code => Err(io::Error::from_raw_os_error(-code)),
            };
        }
    }
}
