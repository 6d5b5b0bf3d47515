//! The packet filter that raw sockets cannot pass: an nftables chain at a device's egress hook, written message by message.
//!
//! Numbers are those of `include/uapi/linux/netfilter/nf_tables.h` and `nfnetlink.h`.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_ERROR, NlaBuffer,
    NlasIterator,
};
use node_agent_core::layout::{METADATA_V4, METADATA_V6};

use crate::kernel::netlink::{Netlink, Raw};

/// Name of our table and of its only chain.
const NAME: &str = "eniclaim";

const NFPROTO_NETDEV: u8 = 5;
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const NF_NETDEV_EGRESS: u32 = 1;
const NF_ACCEPT: u32 = 1;
const NF_DROP: u32 = 0;

/// Makes the filter on the device `device`, whatever was there of it before.
pub fn drop_egress(device: &str) -> io::Result<()> {
    transact(&[
        // The table is made so that it can be deleted, whether it was there or not.
        (NEW_TABLE, table()),
        (DELETE_TABLE, table()),
        (NEW_TABLE, table()),
        (NEW_CHAIN, chain(device)),
        (NEW_RULE, drop_to(0x0800, 16, &METADATA_V4.octets())),
        (NEW_RULE, drop_to(0x86dd, 24, &METADATA_V6.octets())),
    ])
}

/// Removes the filter.
pub fn allow_egress() -> io::Result<()> {
    transact(&[(NEW_TABLE, table()), (DELETE_TABLE, table())])
}

/// Whether the filter is on the device `device`.
pub fn drops_egress(device: &str) -> io::Result<bool> {
    let mut netlink = Netlink::netfilter()?;
    let of_chain = [string(1, NAME), string(3, NAME)].concat();
    let sequence = send(&mut netlink, GET_CHAIN, NLM_F_ACK, &of_chain)?;
    let chain = answer(&mut netlink, sequence)?;
    if chain.is_none_or(|chain| hook_device(&chain.payload).as_deref() != Some(device)) {
        return Ok(false);
    }
    let of_rules = [string(1, NAME), string(2, NAME)].concat();
    let sequence = send(&mut netlink, GET_RULE, NLM_F_DUMP, &of_rules)?;
    let (rules, _) = netlink.gather(sequence)?;
    Ok(rules.len() == 2)
}

/// Whether this kernel has the egress hook (Linux 5.16 and later). Asked by a transaction without an end: the kernel checks
/// it as any other and then takes it back.
pub fn is_supported() -> io::Result<bool> {
    let mut netlink = Netlink::netfilter()?;
    let mut batch = Batch::default();
    batch.push(&mut netlink, BATCH_BEGIN, 0, &[], true);
    let sequences = [(NEW_TABLE, table()), (NEW_CHAIN, chain("lo"))].map(|(kind, attributes)| {
        batch.push(
            &mut netlink,
            kind,
            NLM_F_CREATE | NLM_F_ACK,
            &attributes,
            false,
        )
    });
    netlink.send(&batch.0)?;
    match acknowledged(&mut netlink, &sequences) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Err(_) => Ok(false),
    }
}

fn transact(messages: &[(u16, Vec<u8>)]) -> io::Result<()> {
    let mut netlink = Netlink::netfilter()?;
    let mut batch = Batch::default();
    batch.push(&mut netlink, BATCH_BEGIN, 0, &[], true);
    let mut sequences = Vec::new();
    for (kind, attributes) in messages {
        // APPEND: without it each rule would be put before the one above.
        sequences.push(batch.push(
            &mut netlink,
            *kind,
            NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK,
            attributes,
            false,
        ));
    }
    batch.push(&mut netlink, BATCH_END, 0, &[], true);
    netlink.send(&batch.0)?;
    acknowledged(&mut netlink, &sequences)
}

/// Waits for the acknowledgement of every message; the first refusal is the outcome.
fn acknowledged(netlink: &mut Netlink, sequences: &[u32]) -> io::Result<()> {
    let mut open = sequences.to_vec();
    while !open.is_empty() {
        for raw in netlink
            .receive()?
            .iter()
            .filter(|raw| raw.kind == NLMSG_ERROR)
        {
            raw.verdict()?;
            open.retain(|sequence| *sequence != raw.sequence);
        }
    }
    Ok(())
}

/// The message that answers a question, or `None` if there is no such thing.
fn answer(netlink: &mut Netlink, sequence: u32) -> io::Result<Option<Raw>> {
    let mut found = None;
    loop {
        for raw in netlink
            .receive()?
            .into_iter()
            .filter(|raw| raw.sequence == sequence)
        {
            if raw.kind != NLMSG_ERROR {
                found = Some(raw);
                continue;
            }
            return match raw.verdict() {
                Ok(()) => Ok(found),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
    }
}

fn send(netlink: &mut Netlink, kind: u16, flags: u16, attributes: &[u8]) -> io::Result<u32> {
    let mut message = Batch::default();
    let sequence = message.push(netlink, kind, flags, attributes, false);
    netlink.send(&message.0)?;
    Ok(sequence)
}

/// Messages one behind the other.
#[derive(Default)]
struct Batch(Vec<u8>);

impl Batch {
    fn push(
        &mut self,
        netlink: &mut Netlink,
        kind: u16,
        flags: u16,
        attributes: &[u8],
        fence: bool,
    ) -> u32 {
        let sequence = netlink.next_sequence();
        let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
        let kind = if fence { kind } else { SUBSYSTEM << 8 | kind };
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.0.extend(sequence.to_ne_bytes());
        self.0.extend(0_u32.to_ne_bytes());
        // struct nfgenmsg: family, version, and for a fence the subsystem in network order.
        let (family, resource) = if fence {
            (0, SUBSYSTEM)
        } else {
            (NFPROTO_NETDEV, 0)
        };
        self.0.extend([family, 0]);
        self.0.extend(resource.to_be_bytes());
        self.0.extend(attributes);
        sequence
    }
}

fn table() -> Vec<u8> {
    string(1, NAME)
}

fn chain(device: &str) -> Vec<u8> {
    let hook = [be32(1, NF_NETDEV_EGRESS), be32(2, 0), string(3, device)].concat();
    [
        string(1, NAME),
        string(3, NAME),
        nested(4, &hook),
        be32(5, NF_ACCEPT),
        string(7, "filter"),
    ]
    .concat()
}

/// Ethernet type, then destination at `offset` of the network header, then drop.
fn drop_to(ethernet_type: u16, offset: u32, destination: &[u8]) -> Vec<u8> {
    const REGISTER: u32 = 1;
    const META_PROTOCOL: u32 = 1;
    const NETWORK_HEADER: u32 = 1;
    let length = u32::try_from(destination.len()).unwrap_or_default();
    let equals = |value: &[u8]| {
        expression(
            "cmp",
            &[
                be32(1, REGISTER),
                be32(2, 0),
                nested(3, &attribute(1, value)),
            ]
            .concat(),
        )
    };
    let verdict = nested(2, &nested(2, &be32(1, NF_DROP)));
    let expressions = [
        expression(
            "meta",
            &[be32(1, REGISTER), be32(2, META_PROTOCOL)].concat(),
        ),
        equals(&ethernet_type.to_be_bytes()),
        expression(
            "payload",
            &[
                be32(1, REGISTER),
                be32(2, NETWORK_HEADER),
                be32(3, offset),
                be32(4, length),
            ]
            .concat(),
        ),
        equals(destination),
        expression("immediate", &[be32(1, 0), verdict].concat()),
    ]
    .concat();
    [string(1, NAME), string(2, NAME), nested(4, &expressions)].concat()
}

fn expression(name: &str, data: &[u8]) -> Vec<u8> {
    nested(1, &[string(1, name), nested(2, data)].concat())
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, attributes: &[u8]) -> Vec<u8> {
    const NLA_F_NESTED: u16 = 1 << 15;
    attribute(kind | NLA_F_NESTED, attributes)
}

fn string(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), b"\0"].concat())
}

fn be32(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// The device that a chain hangs on.
fn hook_device(payload: &[u8]) -> Option<String> {
    let hook = find(payload.get(4..)?, 4)?;
    let name = find(&hook, 3)?;
    Some(String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(&name)).into_owned())
}

fn find(attributes: &[u8], kind: u16) -> Option<Vec<u8>> {
    const NLA_TYPE_MASK: u16 = 0x3fff;
    NlasIterator::new(attributes)
        .filter_map(Result::ok)
        .find(|nla: &NlaBuffer<&[u8]>| nla.kind() & NLA_TYPE_MASK == kind)
        .map(|nla| nla.value().to_vec())
}
