//! Packets from 0.0.0.0, which no socket but a raw one can send where the namespace has an IPv4 address: the kernel puts one of another
//! interface into a broadcast (`inet_select_addr` in `net/ipv4/devinet.c`), and a VPC drops it for that.

use std::{io, net::Ipv4Addr};

use rustix::io::Errno;

use super::{
    expression::{Base, Expression, Key, Verdict},
    is, is_unsupported,
    object::{Chain, Family, Hook, Kind, Place, Table},
    transaction::commit,
};
use crate::kernel::netlink::Netlink;

/// Longest name of an interface, with its end (`IFNAMSIZ`).
const NAME: usize = 16;
const UDP: u8 = 17;

/// A packet filter that is there as long as this value.
#[derive(Debug)]
pub struct Filter {
    socket: Netlink,
    family: Family,
    name: String,
    /// Before Linux 5.12 a table outlives the socket.
    is_owned: bool,
}

impl Drop for Filter {
    fn drop(&mut self) {
        if !self.is_owned {
            let table = Table {
                family: self.family,
                name: &self.name,
            };
            // Whatever is left goes with the namespace, and changes nothing but the next packet of its kind.
            drop(commit(&mut self.socket, &[table.delete()]));
        }
    }
}

/// Broadcasts from UDP port `from` by the device leave from 0.0.0.0. `None`: the kernel has no nftables for IPv4.
pub fn broadcasts(device: &str, from: u16) -> io::Result<Option<Filter>> {
    // RFC 791 section 3.1: checksum, source and destination are at bytes 10, 12 and 16, the protocol at 9; RFC 768: the source port is
    // first.
    let rule = [
        load(Base::Network, 16, Ipv4Addr::BROADCAST.octets().to_vec()),
        load(Base::Network, 9, vec![UDP]),
        load(Base::Transport, 0, from.to_be_bytes().to_vec()),
        store(12, Some(10)),
    ];
    filter(Family::Ipv4, Place::PostRouting, device, rule.concat())
}

/// ARP of the device comes from 0.0.0.0. `None`: the kernel has no nftables for ARP.
pub fn arp(device: &str) -> io::Result<Option<Filter>> {
    // RFC 826, with addresses of Ethernet and IPv4: the sender's protocol address is at byte 14.
    filter(Family::Arp, Place::ArpOutput, device, store(14, None))
}

fn filter(
    family: Family,
    place: Place,
    device: &str,
    rule: Vec<Expression>,
) -> io::Result<Option<Filter>> {
    let name = format!("eniclaim-{device}");
    let table = Table {
        family,
        name: &name,
    };
    let chain = Chain {
        table,
        name: "unspecified",
    };
    let hook = Hook {
        kind: Kind::Filter,
        place,
        priority: 0,
        devices: Vec::new(),
        policy: Verdict::Accept,
    };
    let rule = [by(device), rule].concat();
    let with = |create| [create, chain.create(&hook), chain.append(&rule)];
    let mut socket = Netlink::netfilter()?;
    let mut outcome = commit(&mut socket, &with(table.create_owned()));
    let is_owned = !matches!(&outcome, Err(error) if is(error, Errno::OPNOTSUPP));
    if !is_owned {
        // Of an agent that was killed.
        drop(commit(&mut socket, &[table.delete()]));
        outcome = commit(&mut socket, &with(table.create()));
    }
    match outcome {
        Ok(()) => Ok(Some(Filter {
            socket,
            family,
            name,
            is_owned,
        })),
        Err(error) if is_unsupported(&error) || is(&error, Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn by(device: &str) -> Vec<Expression> {
    let mut name = device.as_bytes().to_vec();
    name.resize(NAME, 0);
    vec![Expression::Meta(Key::OutName), Expression::Equal(name)]
}

/// Holds if these bytes are there.
fn load(base: Base, offset: u32, value: Vec<u8>) -> Vec<Expression> {
    let length = u32::try_from(value.len()).unwrap_or_default();
    vec![
        Expression::Payload {
            base,
            offset,
            length,
        },
        Expression::Equal(value),
    ]
}

/// Puts 0.0.0.0 there.
fn store(offset: u32, checksum: Option<u32>) -> Vec<Expression> {
    vec![
        Expression::Value(Ipv4Addr::UNSPECIFIED.octets().to_vec()),
        Expression::Store {
            base: Base::Network,
            offset,
            length: 4,
            checksum,
        },
    ]
}
