//! What a port of a bridge lets through: an nftables chain at its end on the node, and one rule between all bridges.
//!
//! All functions work in the network namespace of the calling thread, which is the node's.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use node_agent_core::{
    layout::{METADATA_V4, METADATA_V6},
    mac::Mac,
    port::frames::{FrameRule, Frames},
};
use rustix::io::Errno;

use crate::kernel::{
    link::bridge::GROUP,
    netlink::Netlink,
    nft::{
        Commit, TABLE,
        expression::{Base, Expression, Key, Verdict},
        header::{NFPROTO_IPV4, NFPROTO_IPV6},
        is,
        object::{Chain, Family, Hook, Kind, Place, Table},
        query::show,
        service::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ETHERNET_HEADER, ETHERNET_TYPE, load},
        transaction::commit,
    },
};

/// Ethernet header: where the sender is.
const ETHERNET_SOURCE: u32 = 6;
/// RFC 826, for Ethernet and IPv4: addresses of the sender.
const ARP_HARDWARE: u32 = ETHERNET_HEADER + 8;
const ARP_PROTOCOL: u32 = ETHERNET_HEADER + 14;
/// RFC 791 section 3.1, RFC 8200 section 3: source and destination.
const IPV4: (u32, u32) = (ETHERNET_HEADER + 12, ETHERNET_HEADER + 16);
const IPV6: (u32, u32) = (ETHERNET_HEADER + 8, ETHERNET_HEADER + 24);
/// RFC 8200 section 3, RFC 4443 section 2.1, RFC 4861 section 4.4: next header, type, target.
const NEXT_HEADER: u32 = ETHERNET_HEADER + 6;
const ICMPV6_TYPE: u32 = ETHERNET_HEADER + 40;
const TARGET: u32 = ETHERNET_HEADER + 48;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// Of what the node forwards.
pub(super) const FORWARDED: Table<'static> = Table {
    family: Family::Inet,
    name: "eniclaim",
};
/// No packet goes from a bridge to another, nor to the instance metadata service.
const BETWEEN: Chain<'static> = Chain {
    table: FORWARDED,
    name: "bridges",
};
/// Before the node's own filters, which may accept.
const BEFORE_FILTERS: i32 = -10;

/// Lets pass what the rules say of what comes by this end, whatever was there before, and nothing between bridges.
pub fn guard(end: &str, mac: Mac, rules: &[FrameRule]) -> io::Result<Commit> {
    let mut socket = Netlink::netfilter()?;
    separate(&mut socket)?;
    let name = chain_name(end);
    let chain = chain(&name);
    let mut changes = vec![TABLE.create()];
    if show(&mut socket, &chain)?.is_some() {
        changes.push(chain.delete());
    }
    changes.push(chain.create(&hook(end)));
    let rules = expressions(mac, rules);
    changes.extend(rules.iter().map(|rule| chain.append(rule)));
    commit(&mut socket, &changes)?;
    Ok(Commit { _socket: socket })
}

/// Whether that is so for this end.
pub fn guards(end: &str, mac: Mac, rules: &[FrameRule]) -> io::Result<bool> {
    let mut socket = Netlink::netfilter()?;
    let name = chain_name(end);
    let Some(shown) = show(&mut socket, &chain(&name))? else {
        return Ok(false);
    };
    let wanted = expressions(mac, rules).into_iter().map(Some);
    Ok(shown.awake && shown.hook == Some(hook(end)) && shown.rules == wanted.collect::<Vec<_>>())
}

/// Removes the chain of an end, if there is one, and with the last of them the rule between all bridges.
pub fn unguard(end: &str) -> io::Result<Commit> {
    let mut socket = Netlink::netfilter()?;
    let name = chain_name(end);
    match commit(&mut socket, &[chain(&name).delete()]) {
        // Before Linux 6.16 a chain goes with its last device.
        Err(error) if !is(&error, Errno::NOENT) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let is_last = match commit(&mut socket, &[TABLE.delete_empty()]) {
        Err(error) if is(&error, Errno::BUSY) => false,
        Err(error) if !is(&error, Errno::NOENT) => return Err(error),
        Ok(()) | Err(_) => true,
    };
    if is_last {
        match commit(&mut socket, &[BETWEEN.table.delete()]) {
            Err(error) if !is(&error, Errno::NOENT) => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Commit { _socket: socket })
}

/// Whether no packet goes from a bridge to another, nor to the instance metadata service.
pub fn separates() -> io::Result<bool> {
    is_separate(&mut Netlink::netfilter()?)
}

fn is_separate(socket: &mut Netlink) -> io::Result<bool> {
    let wanted = between().into_iter().map(Some);
    Ok(show(socket, &BETWEEN)?.is_some_and(|shown| {
        let has_hook = shown.awake && shown.hook == Some(FORWARD);
        has_hook && shown.rules == wanted.collect::<Vec<_>>()
    }))
}

/// It is so already where another port is.
fn separate(socket: &mut Netlink) -> io::Result<()> {
    if is_separate(socket)? {
        return Ok(());
    }
    let mut changes = vec![BETWEEN.table.create()];
    if show(socket, &BETWEEN)?.is_some() {
        changes.push(BETWEEN.delete());
    }
    changes.push(BETWEEN.create(&FORWARD));
    changes.extend(between().iter().map(|rule| BETWEEN.append(rule)));
    commit(socket, &changes)
}

const FORWARD: Hook = Hook {
    place: Place::Forward,
    kind: Kind::Filter,
    priority: BEFORE_FILTERS,
    devices: Vec::new(),
    policy: Verdict::Accept,
};

/// The filters of the ports see a packet as the container sends it; here a Service may have given it another destination.
fn between() -> Vec<Vec<Expression>> {
    let by_bridge = |key| {
        [
            Expression::Meta(key),
            Expression::Equal(GROUP.to_ne_bytes().into()),
        ]
    };
    let to = |protocol: u8, offset: u32, ip: IpAddr| {
        let octets = octets(ip);
        let length = u32::try_from(octets.len()).unwrap_or_default();
        [
            Expression::Meta(Key::Family),
            Expression::Equal(vec![protocol]),
            Expression::Payload {
                base: Base::Network,
                offset,
                length,
            },
            Expression::Equal(octets),
        ]
    };
    let drop = || [Expression::Verdict(Verdict::Drop)];
    let rule = |parts: [&[Expression]; 3]| parts.concat();
    vec![
        rule([&by_bridge(Key::InGroup), &by_bridge(Key::OutGroup), &drop()]),
        rule([
            &by_bridge(Key::InGroup),
            &to(NFPROTO_IPV4, 16, METADATA_V4.into()),
            &drop(),
        ]),
        rule([
            &by_bridge(Key::InGroup),
            &to(NFPROTO_IPV6, 24, METADATA_V6.into()),
            &drop(),
        ]),
    ]
}

pub(super) fn chain_name(end: &str) -> String {
    format!("port-{end}")
}

fn chain(name: &str) -> Chain<'_> {
    Chain { table: TABLE, name }
}

fn hook(end: &str) -> Hook {
    Hook {
        place: Place::Ingress,
        kind: Kind::Filter,
        priority: 0,
        devices: vec![end.to_owned()],
        // The last rule drops, as for the metadata service.
        policy: Verdict::Accept,
    }
}

fn expressions(mac: Mac, rules: &[FrameRule]) -> Vec<Vec<Expression>> {
    let rules = rules.iter().map(|FrameRule { frames, passes }| {
        let mut rule = matching(mac, *frames);
        rule.push(Expression::Verdict(if *passes {
            Verdict::Accept
        } else {
            Verdict::Drop
        }));
        rule
    });
    let last = vec![Expression::Verdict(Verdict::Drop)];
    rules.chain([last]).collect()
}

fn matching(mac: Mac, frames: Frames) -> Vec<Expression> {
    let from_mac = |ethernet_type: u16| {
        let mut rule = Vec::new();
        rule.extend(has(ETHERNET_TYPE, &ethernet_type.to_be_bytes()));
        rule.extend(has(ETHERNET_SOURCE, &mac.bytes()));
        rule
    };
    match frames {
        Frames::Arp { sender } => {
            let mut rule = from_mac(ETH_P_ARP);
            rule.extend(has(ARP_HARDWARE, &mac.bytes()));
            rule.extend(has(ARP_PROTOCOL, &sender.octets()));
            rule
        }
        Frames::Packets { from, to } => {
            let (ethernet_type, version, (source, destination)) = match from {
                IpAddr::V4(_) => (ETH_P_IP, 4_u8, IPV4),
                IpAddr::V6(_) => (ETH_P_IPV6, 6_u8, IPV6),
            };
            let mut rule = from_mac(ethernet_type);
            rule.extend(of_version(version));
            rule.extend(has(source, &octets(from)));
            rule.extend(is_in(destination, to));
            rule
        }
        Frames::Solicitations { from } => {
            let mut rule = from_mac(ETH_P_IPV6);
            rule.extend(of_version(6));
            rule.extend(has(IPV6.0, &from.octets()));
            rule.extend(icmpv6(SOLICITATION));
            rule
        }
        Frames::Advertisements { of } => {
            let mut rule = from_mac(ETH_P_IPV6);
            rule.extend(of_version(6));
            rule.extend(icmpv6(ADVERTISEMENT));
            rule.extend(has(TARGET, &of.octets()));
            rule
        }
    }
}

fn has(offset: u32, bytes: &[u8]) -> [Expression; 2] {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [load(offset, length), Expression::Equal(bytes.into())]
}

/// The version is the upper half of the first byte.
fn of_version(version: u8) -> [Expression; 3] {
    [
        load(ETHERNET_HEADER, 1),
        Expression::Mask(vec![0xf0]),
        Expression::Equal(vec![version << 4]),
    ]
}

fn icmpv6(kind: u8) -> impl Iterator<Item = Expression> {
    has(NEXT_HEADER, &[ICMPV6])
        .into_iter()
        .chain(has(ICMPV6_TYPE, &[kind]))
}

fn is_in(offset: u32, net: IpNet) -> Vec<Expression> {
    let network = octets(net.network());
    if net.prefix_len() == 0 {
        return Vec::new();
    }
    let length = u32::try_from(network.len()).unwrap_or_default();
    let mask = octets(net.netmask());
    vec![
        load(offset, length),
        Expression::Mask(mask),
        Expression::Equal(network),
    ]
}

pub(super) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::octets(&ip).into(),
        IpAddr::V6(ip) => ip.octets().into(),
    }
}
