//! The metadata block: an nftables chain at the egress of a pod's devices that drops every frame to the instance metadata
//! service, also one that a packet socket sends.
//!
//! All functions work in the network namespace of the calling thread. What holds: nothing that a socket without `CAP_NET_ADMIN`
//! in the pod sends by these devices reaches the service, but for `AF_XDP` (which asks for `CAP_NET_RAW`): its frames pass
//! every hook of the kernel (`__dev_direct_xmit` in `net/core/dev.c`).

pub mod attribute;
pub mod expression;
pub mod header;
pub mod masquerade;
pub mod object;
pub mod port;
pub mod query;
mod service;
pub mod transaction;
pub mod unspecified;

use std::io;

use node_agent_core::picture::PodSlot;
use rustix::io::Errno;

use crate::kernel::{
    netlink::Netlink,
    nft::{
        expression::Verdict,
        object::{Chain, Family, Hook, Kind, Place, Table},
        query::{Shown, show},
        service::rules,
        transaction::{commit, rehearse},
    },
};

/// Our table.
const TABLE: Table = Table {
    family: Family::Netdev,
    name: "eniclaim",
};

/// A change that is made. It owns the socket by which it was made: closing that one after a commit that deleted something
/// waits until no CPU uses it any more (8 to 25 ms: the kernel flushes its deletions at `NETLINK_URELEASE`, and they wait for
/// RCU), so it is dropped when nobody waits for anything. Until then it keeps the namespace alive.
#[derive(Debug)]
#[must_use = "dropping it waits for RCU"]
pub struct Commit {
    _socket: Netlink,
}

/// Blocks the metadata service on the device of slot `slot`, whatever the slot's chain was before. The device
/// must be there under this name: if not, that is ENOENT before Linux 6.16, and a chain that waits for the name since.
/// [`is_unsupported`] tells the errors of a kernel that cannot.
pub fn block(slot: PodSlot, device: &str) -> io::Result<Commit> {
    block_devices(slot, &[device])
}

/// Blocks the metadata service on several devices by the one chain of slot `slot`.
pub fn block_devices(slot: PodSlot, devices: &[&str]) -> io::Result<Commit> {
    let name = chain_name(slot);
    let chain = chain(&name);
    let mut changes = vec![chain.create(&hook(devices))];
    changes.extend(rules().map(|rule| chain.append(&rule)));
    let mut socket = Netlink::netfilter()?;
    match show(&mut socket, &chain)? {
        None => changes.insert(0, TABLE.create()),
        Some(shown) if is_block(&shown, devices) => changes.clear(),
        Some(shown) => {
            if !shown.awake {
                // In a transaction of its own: in the one that wakes a table up no chain can be changed.
                commit(&mut socket, &[TABLE.create()])?;
            }
            // The old chain drops until the new one does.
            changes.insert(0, chain.delete());
        }
    }
    commit(&mut socket, &changes)?;
    Ok(Commit { _socket: socket })
}

/// Removes the block of slot `slot`, if there is one, and the table with its last chain.
pub fn unblock(slot: PodSlot) -> io::Result<Commit> {
    let name = chain_name(slot);
    let delete = chain(&name).delete();
    let mut socket = Netlink::netfilter()?;
    match commit(&mut socket, &[delete.clone(), TABLE.delete_empty()]) {
        Ok(()) => return Ok(Commit { _socket: socket }),
        // The table has other chains.
        Err(error) if is(&error, Errno::BUSY) => commit(&mut socket, &[delete])?,
        // Before Linux 6.16 a chain goes with its last device: the table alone may be left.
        Err(error) if is(&error, Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    // Those other chains may be gone by now: of two that are removed at once none is the last.
    match commit(&mut socket, &[TABLE.delete_empty()]) {
        Err(error) if !is(&error, Errno::NOENT) && !is(&error, Errno::BUSY) => Err(error)?,
        Ok(()) | Err(_) => {}
    }
    Ok(Commit { _socket: socket })
}

/// Whether the chain of slot `slot` is what [`block`] makes for `device`.
pub fn blocks(slot: PodSlot, device: &str) -> io::Result<bool> {
    blocks_devices(slot, &[device])
}

/// Whether the chain of slot `slot` is what [`block_devices`] makes for `devices`.
pub fn blocks_devices(slot: PodSlot, devices: &[&str]) -> io::Result<bool> {
    let shown = show(&mut Netlink::netfilter()?, &chain(&chain_name(slot)))?;
    Ok(shown.is_some_and(|shown| is_block(&shown, devices)))
}

fn is_block(shown: &Shown, devices: &[&str]) -> bool {
    let in_order = |hook: &Hook| {
        let mut hook = hook.clone();
        hook.devices.sort();
        hook
    };
    shown.awake
        && shown.hook.as_ref().map(in_order) == Some(in_order(&hook(devices)))
        && shown.rules == rules().map(Some)
}

/// Whether this kernel has the egress hook (Linux 5.16) and nftables. An error says nothing about that: ask again.
pub fn is_supported() -> io::Result<bool> {
    let name = chain_name(PodSlot::default());
    let changes = [TABLE.create(), chain(&name).create(&hook(&["lo"]))];
    match Netlink::netfilter().and_then(|mut socket| rehearse(&mut socket, &changes)) {
        Ok(()) => Ok(true),
        Err(error) if is(&error, Errno::EXIST) => Ok(true),
        // There is a `lo` in every namespace: what is missing is the chain type.
        Err(error) if is(&error, Errno::NOENT) || is_unsupported(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error of [`block`] means that this kernel will never do it: without the hook, without the netdev family or its
/// chain type, without nftables, without netfilter's netlink.
pub fn is_unsupported(error: &io::Error) -> bool {
    [Errno::OPNOTSUPP, Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT]
        .iter()
        .any(|errno| is(error, *errno))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn chain_name(slot: PodSlot) -> String {
    format!("metadata-{}", slot.0)
}

fn chain(name: &str) -> Chain<'_> {
    Chain { table: TABLE, name }
}

fn hook(devices: &[&str]) -> Hook {
    Hook {
        place: Place::Egress,
        kind: Kind::Filter,
        priority: 0,
        devices: devices.iter().map(|&device| device.to_owned()).collect(),
        // The last rule drops. A policy would drop everything before the rules are there: the kernel puts a chain on its hook
        // as soon as it is created, and looks at its rules from the commit on.
        policy: Verdict::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_that_may_pass_says_nothing_about_the_kernel() {
        for errno in [
            Errno::NOMEM,
            Errno::NOBUFS,
            Errno::AGAIN,
            Errno::BUSY,
            Errno::PERM,
            Errno::MFILE,
            Errno::NOENT,
        ] {
            assert!(!is_unsupported(&errno.into()), "{errno}");
        }
        assert!(is_unsupported(&Errno::OPNOTSUPP.into()));
    }
}
