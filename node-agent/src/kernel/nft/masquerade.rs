//! What is sent from other addresses for the port of a pod: an nftables chain that has the name of the port's.
//!
//! All functions work in the network namespace of the calling thread, which is the node's.

use std::{io, net::IpAddr};

use node_agent_core::{picture::Family, port::host::Masquerade};
use rustix::io::Errno;

use crate::kernel::{
    link::bridge::GROUP,
    netlink::Netlink,
    nft::{
        Commit,
        expression::{Base, Expression, Key, OfConnection, Verdict},
        header::{NFPROTO_IPV4, NFPROTO_IPV6},
        is,
        object::{Chain, Hook, Kind, Place},
        port::{FORWARDED, chain_name, octets},
        query::show,
        transaction::commit,
    },
};

/// Where other programs change sources as well (`NF_IP_PRI_NAT_SRC`); who is first decides.
const SOURCES: i32 = 100;
/// `IPS_DST_NAT` in `include/uapi/linux/netfilter/nf_conntrack_common.h`.
const DESTINATION_WAS_CHANGED: u32 = 1 << 5;
/// RFC 791 section 3.1, RFC 8200 section 3: source and destination.
const IPV4: (u32, u32) = (12, 16);
const IPV6: (u32, u32) = (8, 24);

/// Does so, whatever was done before for the port with this end. Nothing to be done is no chain.
pub fn masquerade(end: &str, all: &[Masquerade]) -> io::Result<Commit> {
    let mut socket = Netlink::netfilter()?;
    let name = chain_name(end);
    let chain = chain(&name);
    let mut changes = Vec::new();
    if show(&mut socket, &chain)?.is_some() {
        changes.push(chain.delete());
    }
    if !all.is_empty() {
        changes.extend([FORWARDED.create(), chain.create(&HOOK)]);
        changes.extend(all.iter().map(|one| chain.append(&expressions(*one))));
    }
    commit(&mut socket, &changes)?;
    Ok(Commit { _socket: socket })
}

/// Whether that is so.
pub fn masquerades(end: &str, all: &[Masquerade]) -> io::Result<bool> {
    let mut socket = Netlink::netfilter()?;
    let name = chain_name(end);
    let Some(shown) = show(&mut socket, &chain(&name))? else {
        return Ok(all.is_empty());
    };
    let wanted: Vec<_> = all.iter().map(|one| Some(expressions(*one))).collect();
    Ok(shown.awake && shown.hook == Some(HOOK) && shown.rules == wanted)
}

/// Ends it.
pub fn unmasquerade(end: &str) -> io::Result<Commit> {
    let mut socket = Netlink::netfilter()?;
    match commit(&mut socket, &[chain(&chain_name(end)).delete()]) {
        Err(error) if !is(&error, Errno::NOENT) => Err(error),
        Ok(()) | Err(_) => Ok(Commit { _socket: socket }),
    }
}

fn chain(name: &str) -> Chain<'_> {
    Chain {
        table: FORWARDED,
        name,
    }
}

const HOOK: Hook = Hook {
    place: Place::PostRouting,
    kind: Kind::Nat,
    priority: SOURCES,
    devices: Vec::new(),
    policy: Verdict::Accept,
};

fn expressions(masquerade: Masquerade) -> Vec<Expression> {
    let (protocol, (source, destination)) = match masquerade.family() {
        Family::V4 => (NFPROTO_IPV4, IPV4),
        Family::V6 => (NFPROTO_IPV6, IPV6),
    };
    let mut rule = vec![
        Expression::Meta(Key::Family),
        Expression::Equal(vec![protocol]),
    ];
    let bridges = || GROUP.to_ne_bytes().to_vec();
    match masquerade {
        Masquerade::FromPod(ip) => {
            rule.extend([
                Expression::Meta(Key::OutGroup),
                Expression::NotEqual(bridges()),
            ]);
            rule.extend(has(source, ip));
        }
        Masquerade::ToPod { eni, gateway } => {
            rule.extend([
                Expression::Meta(Key::OutGroup),
                Expression::Equal(bridges()),
            ]);
            rule.extend(has(destination, eni));
            rule.extend([
                Expression::Value(octets(gateway)),
                Expression::Source(protocol),
            ]);
            return rule;
        }
        Masquerade::OfNode { eni, node } => {
            rule.extend(has(destination, eni));
            let changed = DESTINATION_WAS_CHANGED.to_ne_bytes();
            rule.extend([
                Expression::Connection(OfConnection::Status),
                Expression::Mask(changed.into()),
                Expression::Equal(changed.into()),
                Expression::Connection(match node {
                    IpAddr::V4(_) => OfConnection::DestinationV4,
                    IpAddr::V6(_) => OfConnection::DestinationV6,
                }),
                Expression::Equal(octets(node)),
            ]);
        }
    }
    rule.push(Expression::Masquerade);
    rule
}

fn has(offset: u32, ip: IpAddr) -> [Expression; 2] {
    let octets = octets(ip);
    let load = Expression::Payload {
        base: Base::Network,
        offset,
        length: u32::try_from(octets.len()).unwrap_or_default(),
    };
    [load, Expression::Equal(octets)]
}
