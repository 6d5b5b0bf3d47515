//! Changes that the kernel makes together or not at all.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};

use crate::kernel::{
    netlink::Netlink,
    nft::{
        header::{NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES},
        object::Message,
    },
};

/// Makes the changes. The error is that of the first change that the kernel refused.
pub fn commit(socket: &mut Netlink, changes: &[Message]) -> io::Result<()> {
    execute(socket, changes, End::Commit)
}

/// Lets the kernel check the changes, and makes none.
pub fn rehearse(socket: &mut Netlink, changes: &[Message]) -> io::Result<()> {
    execute(socket, changes, End::Abort)
}

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    /// A transaction without an end is taken back when it has been checked (`nfnetlink_rcv_batch` in
    /// `net/netfilter/nfnetlink.c`).
    Abort,
}

fn execute(socket: &mut Netlink, changes: &[Message], end: End) -> io::Result<()> {
    let Some((last, first)) = changes.split_last() else {
        return Ok(());
    };
    let first_sequence = socket.next_sequence();
    let mut batch = fence(NFNL_MSG_BATCH_BEGIN, first_sequence);
    for change in first {
        batch.extend(change.encode(0, socket.next_sequence()));
    }
    // Refusals come unasked, in the order of the changes; all answers come after the commit.
    let last_sequence = socket.next_sequence();
    batch.extend(last.encode(NLM_F_ACK, last_sequence));
    if end == End::Commit {
        batch.extend(fence(NFNL_MSG_BATCH_END, socket.next_sequence()));
    }
    socket.send(&batch)?;
    loop {
        for answer in socket.receive()? {
            // What is older answers a transaction that failed.
            if answer.kind == NLMSG_ERROR && answer.sequence >= first_sequence {
                answer.verdict()?;
                if answer.sequence == last_sequence {
                    return Ok(());
                }
            }
        }
    }
}

impl Message {
    /// With its header, to be sent.
    pub(super) fn encode(&self, flags: u16, sequence: u32) -> Vec<u8> {
        message(
            NFNL_SUBSYS_NFTABLES << 8 | self.kind,
            self.flags | flags,
            sequence,
            [self.family as u8, 0, 0, 0],
            &self.attributes,
        )
    }
}

/// Begin or end of a batch: it names the subsystem, in network order.
fn fence(kind: u16, sequence: u32) -> Vec<u8> {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    message(kind, 0, sequence, [0, 0, high, low], &[])
}

/// `struct nlmsghdr`, `struct nfgenmsg` (family, version, resource in network order), attributes.
fn message(kind: u16, flags: u16, sequence: u32, nfgenmsg: [u8; 4], attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::from(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(nfgenmsg);
    bytes.extend(attributes);
    bytes
}
